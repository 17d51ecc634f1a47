"""A finding's evidence as text: the caption of its figure, which is also its description for screen readers."""

from collections.abc import Sequence
from math import isfinite

from maskscope.audit.html.axis import size_of
from maskscope.audit.html.numbers import plain_number
from maskscope.audit.report import Evidence, EvidenceRow, Finding

_MOST_RUNS = 6
"""Ranges of positions that are listed; more are "others"."""


def wrong_mask(row: EvidenceRow, evidence: Evidence) -> list[int]:
    """Indices into the evidence at which a mask differs from the mask from the lengths."""
    return [
        index
        for index, (value, real) in enumerate(zip(row.values, evidence.real, strict=True))
        if value is not None and (value >= 0.5) != real
    ]


def not_finite(row: EvidenceRow, finding: Finding, evidence: Evidence) -> list[int]:
    """Indices of real tokens whose value was not finite; none where the finding's deviation is finite."""
    size = size_of(finding)
    if size is None or isfinite(size):
        return []
    return [index for index, real in enumerate(evidence.real) if real and row.values[index] is None]


def describe(finding: Finding) -> str:
    """The evidence in full sentences; "" without evidence."""
    evidence = finding.evidence
    if evidence is None:
        return ""
    sentence = "A sentence made for this check" if evidence.sentence is None else f"Sentence {evidence.sentence}"
    padding = [index for index, is_real in enumerate(evidence.real) if not is_real]
    padded = f"{_count(len(padding), 'padded position')} (hatched)" if padding else "no padding"
    last = evidence.first + len(evidence.real) - 1
    sentences = [
        f"{sentence}, positions {evidence.first} to {last}: {_count(sum(evidence.real), 'real token')}, {padded}."
    ]
    sentences += [sentence for row in evidence.rows if (sentence := _describe_row(row, evidence, finding))]
    if any(row.kind == "value" and row.values[index] is not None for row in evidence.rows for index in padding):
        sentences.append("Rings are outputs at padded positions, which are not predictions.")
    if finding.tolerance and any(row.kind == "change" for row in evidence.rows):
        sentences.append("The dashed line is the tolerance.")
    return " ".join(sentences)


def _describe_row(row: EvidenceRow, evidence: Evidence, finding: Finding) -> str:
    label = row.label[:1].upper() + row.label[1:]
    if row.kind == "mask":
        wrong = [index + evidence.first for index in wrong_mask(row, evidence)]
        if not wrong:
            return f"{label}: right at every position."
        return f"{label}: wrong at {_positions(wrong)} (crossed out)."
    missing = [index + evidence.first for index in not_finite(row, finding, evidence)]
    crosses = f" Not a finite number at {_positions(missing)} (crosses)." if missing else ""
    if row.kind == "value":
        known = [value for value, real in zip(row.values, evidence.real, strict=True) if real and value is not None]
        if not known:
            return crosses.strip()
        low, high = plain_number(min(known)), plain_number(max(known))
        return f"{label}: {low if low == high else f'from {low} to {high}'} at real tokens.{crosses}"
    sizes = [(abs(value), -index) for index, value in enumerate(row.values) if value is not None]
    if not sizes:
        return crosses.strip()
    most, index = max(sizes)[0], -max(sizes)[1]
    if not most:
        return f"{label}: 0 everywhere.{crosses}"
    beyond = ""
    if finding.tolerance is not None:
        count = sum(size > finding.tolerance for size, _ in sizes)
        beyond = f", and above the tolerance at {count} of {_count(len(sizes), 'position')}"
        beyond = beyond if count else ", nowhere above the tolerance"
    where = f"at position {evidence.first + index}{'' if evidence.real[index] else ', which is padding'}"
    return f"{label}: at most {plain_number(most)}, {where}{beyond}.{crosses}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _positions(positions: Sequence[int]) -> str:
    """Positions as text: "position 4", "positions 3 to 7 and 9"."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in runs[:_MOST_RUNS]]
    if len(runs) > _MOST_RUNS:
        texts.append("others")
    listed = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return f"position {listed}" if len(positions) == 1 else f"positions {listed}"
