"""The report of an audit: findings and their evidence. It needs no Keras."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from maskscope.keras_io.model_graph import ModelGraph
from maskscope.padding import Origin, Side
from maskscope.types import MaskValue

Verdict: TypeAlias = Literal["passed", "failed", "could not tell"]
RowKind: TypeAlias = Literal["mask", "change", "value"]

TOLERANCES = {"float32": 1e-6, "float16": 5e-4, "bfloat16": 4e-3}
"""Largest deviation of a probability that rounding explains, by compute type."""
MOST_POSITIONS = 120
"""Positions in a piece of evidence; a longer sentence is cut around the position of interest."""


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One number per position.

    Attributes:
        label: what the numbers are, in a few words.
        kind: "mask" (1 = taken for a real token, 0 = for padding), "change" (absolute, to be compared with the
            finding's tolerance) or "value" (a probability or another output).
        values: None where there is none, or where it is not finite.
    """

    label: str
    kind: RowKind
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check measured in one padded sentence, position by position.

    Attributes:
        sentence: its id; None for made-up numbers.
        first: position of the first number of each row; above 0 where a long sentence was cut.
        real: for each position, True = real token by the lengths.
        rows: each as long as `real`.
    """

    sentence: int | None
    first: int
    real: tuple[bool, ...]
    rows: tuple[EvidenceRow, ...]

    @classmethod
    def of(
        cls,
        sentence: int | None,
        real: Iterable[bool],
        rows: Iterable[tuple[str, RowKind, Iterable[float]]],
        around: int = 0,
    ) -> "Evidence":
        """Evidence of at most `MOST_POSITIONS`, around position `around`; (label, kind, values) for each row."""
        mask = tuple(bool(each) for each in real)
        first = max(0, min(around - MOST_POSITIONS // 2, len(mask) - MOST_POSITIONS))
        cut = slice(first, first + MOST_POSITIONS)
        shown = tuple(
            EvidenceRow(label, kind, tuple(_finite(value) for value in tuple(values)[cut]))
            for label, kind, values in rows
        )
        return cls(sentence, first, mask[cut], shown)


def _finite(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: its name, in capitals.
        verdict: "could not tell" is not a pass: the check could not be made, and `meaning` says why.
        meaning: one sentence: what was measured, and what that means for the user.
        deviation: the largest one found; None where the check measures none, infinite where a number was not finite.
        tolerance: the largest deviation allowed.
        sentence: where it was found, counted from 0.
        position: where in the sentence, counted from 0.
        layer: name of the faulty layer; None when it is not known.
        advice: the smallest change that would repair the model, in the imperative without a full stop; "" for none.
        repair: name of the mechanical repair that makes this change to the model (`repair.REPAIRS`); None for none.
        evidence: for a picture; None where there is nothing to draw.
        matters: whether the verdict of the audit hangs on it: False where the check does not apply to the model or the
            data, such as METRICS for a model without metrics.
    """

    check: str
    verdict: Verdict
    meaning: str
    deviation: float | None = None
    tolerance: float | None = None
    sentence: int | None = None
    position: int | None = None
    layer: str | None = None
    advice: str = ""
    repair: str | None = None
    evidence: Evidence | None = None
    matters: bool = True

    @property
    def verdict_in_words(self) -> str:
        """The verdict; where the check does not apply, with that remark."""
        return self.verdict if self.matters else f"{self.verdict} (does not apply)"


@dataclass(frozen=True, slots=True)
class About:
    """How the audit was made: what is needed to make it again.

    Attributes:
        sha256: of the model's file, in hex; "" for a model in memory.
        parameters: count of the numbers in the model's weights.
        compute_dtype: the type that it computes in, such as "float32".
        mask_value: of its Masking layer; None when it has none, or one that is not finite.
        padding: the number that sentences were padded with; None where it is no one finite number.
        loss: its name, such as "binary cross-entropy".
        loss_assumed: whether it was assumed from the model's last layer, since the model has none that can be loaded.
        lengths_from: "source", or "inferred" from the zeros themselves.
        keras: its version.
        tensorflow: its version.
        maskscope: its version.
        seconds: time for all checks.
        warning: what the installed Keras does wrong with a mask; "" when nothing.
        labels: shape of the labels that were given, such as (N, T); None for made-up ones.
        weights: shape of the sample weights that were given; None for none.
        copy: what the copy of the model that the checks ran does in another way, a sentence each; empty without one.
        no_repair: why the repairs that failed checks ask for are not offered; "" where they are, or none is asked for.
        no_copy: why no copy could be made that takes any number of positions, though the model does not; "" else.
        mask_value_text: a mask value that is not finite, which JSON can't hold: "nan" or "inf"; "" for any other.
        padding_side: "back" or "front".
        padding_from: how it is known: "data", "given", "mask value", or "assumed".
        padding_text: what padded positions hold, in words: "0", "one row of 12 numbers", "rows that vary".
    """

    sha256: str = ""
    parameters: int = 0
    compute_dtype: str = "float32"
    mask_value: MaskValue | None = None
    padding: float | None = 0.0
    loss: str = ""
    loss_assumed: bool = True
    lengths_from: str = "source"
    keras: str = ""
    tensorflow: str = ""
    maskscope: str = ""
    seconds: float = 0.0
    warning: str = ""
    labels: tuple[int, ...] | None = None
    weights: tuple[int, ...] | None = None
    copy: tuple[str, ...] = ()
    no_copy: str = ""
    no_repair: str = ""
    mask_value_text: str = ""
    padding_side: Side = "back"
    padding_from: Origin = "data"
    padding_text: str = "0"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The findings of an audit.

    Attributes:
        model: name of the model's file.
        sentences: how many there are; checks that run the model use a sample of them.
        sampled: ids of the sentences in the sample, rising.
        findings: one for each check.
        about: how it was made.
        graph: the model with the masks that TRACE found; None where it can't be traced.
    """

    model: str
    sentences: int
    sampled: tuple[int, ...]
    findings: tuple[Finding, ...]
    about: About = About()
    graph: ModelGraph | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the checks that matter: "failed", then "could not tell", then "passed".

        Where none of them was made, it is "could not tell".
        """
        verdicts = {finding.verdict for finding in self.findings if finding.matters}
        if "failed" in verdicts:
            return "failed"
        made = any(finding.verdict == "passed" for finding in self.findings)
        return "passed" if made and "could not tell" not in verdicts else "could not tell"

    @property
    def open_questions(self) -> int:
        """How many checks that matter could not tell."""
        return sum(finding.matters and finding.verdict == "could not tell" for finding in self.findings)

    @property
    def repairs(self) -> tuple[str, ...]:
        """Names of the mechanical repairs that failed checks ask for, each once, in the order of the findings."""
        return tuple(dict.fromkeys(each.repair for each in self.findings if each.verdict == "failed" and each.repair))

    @property
    def advice(self) -> dict[str, tuple[str, ...]]:
        """The changes that would repair the model, in the order of the findings, and the failed checks behind each."""
        asked: dict[str, tuple[str, ...]] = {}
        for finding in self.findings:
            if finding.advice and finding.verdict == "failed":
                asked[finding.advice] = (*asked.get(finding.advice, ()), finding.check)
        return asked

    def count(self, verdict: Verdict) -> int:
        """How many checks have a verdict."""
        return sum(finding.verdict == verdict for finding in self.findings)

    def to_json(self) -> str:
        """One JSON object, keys in snake_case, ending in a line feed; NaN and infinity are null."""
        record = {
            "model": self.model,
            "verdict": self.verdict,
            "sentences": self.sentences,
            "sampled": list(self.sampled),
            "findings": [_without_infinity(asdict(finding)) for finding in self.findings],
            "repairs": list(self.repairs),
            "about": _without_infinity(asdict(self.about)),
            "graph": None if self.graph is None else json.loads(self.graph.to_json()),
        }
        return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def _without_infinity(value: Any) -> Any:
    """A value for JSON, which knows neither NaN nor infinity: None in their place."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_infinity(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinity(each) for each in value]
    return value
