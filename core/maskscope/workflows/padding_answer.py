"""What the worker answers to a request about padding."""

from dataclasses import dataclass

from maskscope.engine.padding_probe import PaddedRun
from maskscope.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class PaddingAnswer:
    """What added padding changes in one sentence.

    Attributes:
        added: (n,) int64, numbers of added padded positions.
        changes: (n,) float32, largest change at a real token for each, as `PaddedRun.largest_change`.
        at: (n,) int64, position of that change; -1 when no token was compared.
        shown: the run of the number whose outputs were asked for; None when none was.
    """

    added: Indices
    changes: Floats
    at: Indices
    shown: PaddedRun | None = None
