"""What the worker answers to a question about padding, as it goes over the wire."""

import base64
import io
import zipfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskscope.engine.padding_probe import PaddedRun
from maskscope.errors import WorkerError
from maskscope.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class PaddingAnswer:
    """What the worker found.

    Attributes:
        ks: (n,) int64, how many padded positions each.
        changes: (n,) float32, largest change at a real token, as `PaddedRun.largest_change`.
        at: (n,) int64, its position; -1 when no token was compared.
        shown: what stands for one of `ks`; None when it was not asked for.
    """

    ks: Indices
    changes: Floats
    at: Indices
    shown: PaddedRun | None = None

    def to_text(self) -> str:
        """As one value for the wire."""
        arrays: dict[str, npt.NDArray[np.generic]] = {"ks": self.ks, "changes": self.changes, "at": self.at}
        if self.shown is not None:
            at = -1 if self.shown.at is None else self.shown.at
            arrays |= {"probs": self.shown.probs_tc, "mask": self.shown.mask}
            arrays |= {"shown": np.array([self.shown.largest_change, at], dtype=np.float64)}
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        return base64.b64encode(stream.getvalue()).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> "PaddingAnswer":
        """Read what `to_text` wrote. Raises WorkerError."""
        try:
            with np.load(io.BytesIO(base64.b64decode(text, validate=True)), allow_pickle=False) as arrays:
                shown = None
                if "shown" in arrays:
                    change, at = arrays["shown"].tolist()
                    shown = PaddedRun(arrays["probs"], arrays["mask"], change, None if at < 0 else int(at))
                return cls(arrays["ks"], arrays["changes"], arrays["at"], shown)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise WorkerError("sent an answer about padding that can't be read", received=text[:80]) from error
