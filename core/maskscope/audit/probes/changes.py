"""The largest change of an output that a check has measured, and where."""

from dataclasses import dataclass

import numpy as np

from maskscope.audit.probes.perturbed_weights import Weights
from maskscope.audit.report import Evidence
from maskscope.types import Floats, Mask


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One change at one position.

    Attributes:
        size: absolute; infinite where an output is NaN or infinite.
        sentence, position: where.
        weights: under which weights.
        cause: what was done, such as "7 padded positions".
        before_tc, after_tc: (T, C) the outputs at the sentence's positions in the two runs.
        padding_kc: (k, C) the outputs at the first padded positions of the second run, for the picture; or None.
    """

    size: float
    sentence: int
    position: int
    weights: Weights
    cause: str
    before_tc: Floats
    after_tc: Floats
    padding_kc: Floats | None = None

    def evidence(self, before: str, after: str, mask_t: Mask | None = None) -> Evidence:
        """The two runs side by side, of the output that changed most.

        Args:
            before: label of the first run.
            after: label of the second run.
            mask_t: (T,) True = real token; None when all are.
        """
        change_tc = _differences(self.before_tc, self.after_tc)
        column = int(change_tc[self.position].argmax())
        real = np.ones(len(change_tc), dtype=np.bool_) if mask_t is None else mask_t
        # outputs at padded positions are not predictions, so their changes don't count
        change = np.where(real, change_tc[:, column], np.nan)
        at_padding = np.empty(0, dtype=np.float32) if self.padding_kc is None else self.padding_kc[:, column]
        nothing = np.full(len(at_padding), np.nan)
        return Evidence.of(
            self.sentence,
            [*real, *[False] * len(at_padding)],
            [
                (before, "value", [*self.before_tc[:, column], *nothing]),
                (after, "value", [*self.after_tc[:, column], *at_padding]),
                ("change", "change", [*change, *nothing]),
            ],
            self.position,
        )


class LargestChange:
    """Keeps the largest of many changes.

    Attributes:
        change: it; None as long as nothing has changed.
    """

    def __init__(self) -> None:
        self.change: Change | None = None

    @property
    def size(self) -> float:
        """0 as long as nothing has changed."""
        return 0.0 if self.change is None else self.change.size

    def exceeds(self, tolerance: float) -> Change | None:
        """The largest change when it is above the tolerance, else None."""
        return self.change if self.size > tolerance else None

    def compare(
        self,
        sentence: int,
        weights: Weights,
        cause: str,
        before_tc: Floats,
        after_tc: Floats,
        mask_t: Mask | None = None,
        padding_kc: Floats | None = None,
    ) -> None:
        """Compare the outputs of a sentence in two runs and keep their largest change, if it is the largest so far.

        Args:
            sentence: index of the sentence.
            weights: the weights of both runs.
            cause: what was done before the second run, such as "7 padded positions".
            before_tc: (T, C) the outputs of the first run.
            after_tc: (T, C) the outputs of the second run, at the same positions.
            mask_t: (T,) True = real token; None when all are.
            padding_kc: (k, C) the outputs of the second run at its first padded positions, for the picture; or None.
        """
        change_t = _differences(before_tc, after_tc).max(axis=1, initial=0.0)
        if mask_t is not None:
            change_t = np.where(mask_t, change_t, 0.0)
        if len(change_t) and change_t.max() > self.size:
            at = int(change_t.argmax())
            self.change = Change(float(change_t[at]), sentence, at, weights, cause, before_tc, after_tc, padding_kc)


def _differences(before_tc: Floats, after_tc: Floats) -> Floats:
    """Absolute differences; infinite where one of the two is NaN or infinite."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(after_tc - before_tc)
    return np.where(np.isfinite(difference), difference, np.inf)
