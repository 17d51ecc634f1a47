"""How commands describe what a model's outputs are, as text and for JSON."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskscope.runs import OutputMap
    from maskscope.types import MaskValue

_MOST_COLUMNS = 12


def output_record(output: "OutputMap", notes: Sequence[str], n_columns: int) -> dict[str, object]:
    """What the outputs are, which of them each column is (-1 for none), and what was done to run the model."""
    columns = output.columns if output.columns and output.kind != "values" else range(n_columns)
    return {"output": output.kind, "columns": list(columns), "notes": list(notes)}


def output_text(output: "OutputMap", names: Sequence[str], notes: Sequence[str]) -> list[str]:
    """The same in lines for a person; none for probabilities of the labels in their order."""
    lines = []
    if output.kind == "values":
        lines.append(f"outputs: values, {len(names)} a token; they are no labels")
    elif output.kind == "log":
        lines.append("outputs: logarithms of probabilities, made probabilities by exp")
    elif output.kind == "logits":
        lines.append(f"outputs: logits, made probabilities by {output.activation}")
    if output.columns and output.kind != "values":
        pairs = [
            f"{name} is {'none' if column < 0 else _name(output, column)}"
            for name, column in zip(names, output.columns, strict=False)
        ]
        more = ", ..." if len(pairs) > _MOST_COLUMNS else ""
        lines.append(f"labels: {', '.join(pairs[:_MOST_COLUMNS])}{more}")
    return [*lines, *(f"note: {note}" for note in notes)]


def _name(output: "OutputMap", column: int) -> str:
    named = output.names[column] if output.names else ""
    return f"output {column}" + (f" ({named})" if named else "")


def mask_value_json(value: "MaskValue | None") -> float | list[float] | None:
    """The mask value of a model for JSON, which has no NaN and no infinity."""
    if isinstance(value, tuple):
        return list(value)
    return value if value is not None and math.isfinite(value) else None
