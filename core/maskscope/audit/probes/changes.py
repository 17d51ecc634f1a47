"""The largest change that a check has seen, and where."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskscope.audit.probes.perturbed_weights import Weights
from maskscope.audit.report import Evidence, Finding
from maskscope.types import Floats, Mask

if TYPE_CHECKING:
    from maskscope.audit.probes.context import Subject


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One change at one position.

    Attributes:
        size: absolute, infinite where something was no number.
        sentence, position: where.
        weights: under which weights.
        what: what was done, in words, such as "7 padded positions".
        before_tc, after_tc: (T, C) what was printed at the real tokens.
        behind_kc: (k, C) what was printed at padded positions behind them, to be shown; or none of it.
    """

    size: float
    sentence: int
    position: int
    weights: Weights
    what: str
    before_tc: Floats
    after_tc: Floats
    behind_kc: Floats | None = None

    def evidence(self, before: str, after: str, mask_t: Mask | None = None) -> Evidence:
        """The two runs side by side, of the output that changed most.

        Args:
            before, after: labels of the two.
            mask_t: (T,) True = real token; None when all are.
        """
        change_tc = _change(self.before_tc, self.after_tc)
        column = int(change_tc[self.position].argmax())
        real = np.ones(len(change_tc), dtype=np.bool_) if mask_t is None else mask_t
        # a change at padding is no change: what is printed there means nothing
        change = np.where(real, change_tc[:, column], np.nan)
        behind = np.empty(0, dtype=np.float32) if self.behind_kc is None else self.behind_kc[:, column]
        nothing = np.full(len(behind), np.nan)
        return Evidence.of(
            self.sentence,
            [*real, *[False] * len(behind)],
            [
                (before, "value", [*self.before_tc[:, column], *nothing]),
                (after, "value", [*self.after_tc[:, column], *behind]),
                ("change", "change", [*change, *nothing]),
            ],
            self.position,
        )


def blamed(
    check: str, subject: "Subject", seen: Seen, tolerance: float, meaning: str, evidence: Evidence, advice: str = ""
) -> Finding:
    """The finding of a check that has seen too large a change, with the layer to blame and what would repair it.

    Args:
        check: its name.
        subject: what is audited.
        seen: the change.
        tolerance: what it may be at most.
        meaning: one sentence: what was seen, and what that means for the user.
        evidence: what was seen, for a picture.
        advice: what would repair it where no layer is known to be to blame.
    """
    cause = subject.cause
    return Finding(
        check,
        "failed",
        meaning,
        seen.size,
        tolerance,
        seen.sentence,
        seen.position,
        cause.layer,
        cause.advice or advice,
        cause.repair,
        evidence,
    )


class Largest:
    """Keeps the largest of many changes.

    Attributes:
        seen: it; None as long as nothing has changed at all.
    """

    def __init__(self) -> None:
        self.seen: Seen | None = None

    @property
    def size(self) -> float:
        """0 as long as nothing has changed."""
        return 0.0 if self.seen is None else self.seen.size

    def look(
        self,
        sentence: int,
        weights: Weights,
        what: str,
        before_tc: Floats,
        after_tc: Floats,
        mask_t: Mask | None = None,
        behind_kc: Floats | None = None,
    ) -> None:
        """Compare what is printed (T, C) at the real tokens, `mask_t` (T,) True, of a sentence.

        `behind_kc` (k, C) is what was printed behind it, to be shown.
        """
        change_t = _change(before_tc, after_tc).max(axis=1, initial=0.0)
        if mask_t is not None:
            change_t = np.where(mask_t, change_t, 0.0)
        if len(change_t) and change_t.max() > self.size:
            at = int(change_t.argmax())
            self.seen = Seen(float(change_t[at]), sentence, at, weights, what, before_tc, after_tc, behind_kc)


def _change(before_tc: Floats, after_tc: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        change = np.abs(after_tc - before_tc)
    # a NaN is no small change
    return np.where(np.isfinite(change), change, np.inf)
