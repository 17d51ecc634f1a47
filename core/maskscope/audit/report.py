"""What an audit finds."""

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["passed", "failed", "could not tell"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check.

    Attributes:
        check: its name, in capitals.
        verdict: "could not tell" is no pass: the check could not be made, and `meaning` says why.
        deviation: the largest one found, None where the check measures none.
        tolerance: what it may be at most.
        sentence: where it was found, counted from 0.
        position: where in the sentence, counted from 0.
        layer: the layer to blame, when it is known.
        meaning: one sentence that a person can act on.
    """

    check: str
    verdict: Verdict
    meaning: str
    deviation: float | None = None
    tolerance: float | None = None
    sentence: int | None = None
    position: int | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The findings of an audit.

    Attributes:
        model: name of the model's file.
        sentences: how many there are; the checks that run the model look at a sample of them.
        sampled: ids of the sentences in the sample, rising.
        findings: one a check.
    """

    model: str
    sentences: int
    sampled: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """ "failed" when any check failed, else "could not tell" when any could not, else "passed"."""
        verdicts = {finding.verdict for finding in self.findings}
        return "failed" if "failed" in verdicts else "could not tell" if "could not tell" in verdicts else "passed"

    def to_json(self) -> str:
        """One JSON object, keys in snake_case, ending in a line feed; a deviation without bound is null."""
        findings = [asdict(finding) for finding in self.findings]
        for finding in findings:
            if finding["deviation"] is not None and not math.isfinite(finding["deviation"]):
                finding["deviation"] = None
        record = {
            "model": self.model,
            "verdict": self.verdict,
            "sentences": self.sentences,
            "sampled": list(self.sampled),
            "findings": findings,
        }
        return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "AuditReport":
        """The report that `to_json` wrote. Raises ValueError, KeyError or TypeError for any other text."""
        record = json.loads(text)
        names = {field.name for field in fields(Finding)}
        findings = ({name: value for name, value in found.items() if name in names} for found in record["findings"])
        return cls(
            str(record["model"]),
            int(record["sentences"]),
            tuple(int(sentence) for sentence in record["sampled"]),
            tuple(Finding(**found) for found in findings),
        )
