"""What the window says of a model that was made elsewhere, its engine, outputs and classes, and of padding."""

from maskscope.padding import SIDES, Padding
from maskscope.runs import OutputMap, RunInfo
from maskscope.types import OutputKind, TagScheme
from maskscope.workflows.model_description import ModelDescription

OUTPUT_KINDS: dict[OutputKind, str] = {
    "probabilities": "probabilities",
    "logits": "logits",
    "log": "log probabilities",
    "values": "values",
}
"""Each kind of output, as it is named everywhere in the window."""
_MOST_CLASSES = 8
_MOST_RECEIVED = 60
_NO_MORE = frozenset({"", "False", "another", "one", "others", "several", "two"})
"""What was received, where a reason says as much itself."""

_ORIGINS = {
    "data": "as in the source",
    "given": "as was said",
    "mask value": "the mask value of a model",
    "assumed": "which is only assumed",
}


def engine_text(model: RunInfo | ModelDescription) -> str:
    """Which engine runs a model, and why, as a part of a sentence."""
    if model.engine == "packed":
        return "it runs in this program, on the built-in engine"
    return f"it runs in Keras, because it {short_reason(model.engine_reason)}"


def short_reason(reason: str) -> str:
    """A reason with what was received, and without what was expected instead, which is a long list of layers."""
    text, _, rest = reason.partition("; expected ")
    received = rest.partition("; received ")[2]
    repeated = received.strip("'").lower() in text.lower().replace("_", "")
    says_more = received not in _NO_MORE and not repeated and len(received) <= _MOST_RECEIVED
    return f"{text} ({received})" if says_more else text


def output_text(output: OutputMap) -> str:
    """What a model's outputs are, and what is done with them."""
    if output.kind == "logits":
        return f"logits, made probabilities by {output.activation or 'softmax'}"
    if output.kind == "log":
        return "log probabilities, made probabilities by exp"
    return OUTPUT_KINDS[output.kind]


def output_name(names: tuple[str, ...], output: int) -> str:
    """One of a model's outputs: "2 · place", or "output 2" without a name of its own."""
    name = (names[output] if output < len(names) else "") or str(output)
    return f"output {output}" if name == str(output) else f"{output} · {name}"


def mapping_text(output: OutputMap, scheme: TagScheme, most: int = _MOST_CLASSES) -> str:
    """Which output stands for which class: "place from output 2, person from output 1"; "" for values.

    Args:
        output: of the model.
        scheme: of the project.
        most: so many classes are named.
    """
    if output.kind == "values":
        return ""
    names = scheme.output_names
    columns = output.columns or tuple(range(len(names)))
    own = output.n_outputs in (0, len(names)) and columns == tuple(range(len(names)))
    if own and not output.names:
        return "in the order of the project's classes"
    parts = [
        f"{name} has none" if column < 0 else f"{name} from {output_name(output.names, column)}"
        for name, column in zip(names, columns, strict=False)
    ]
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")


def padding_text(padding: Padding) -> str:
    """What the padding of the project's source is, in a sentence."""
    return f"Sentences are padded with {padding.text}, {SIDES[padding.side]}, {_ORIGINS[padding.origin]}."


def inferred_text(padding: Padding | None) -> str:
    """How lengths were inferred that no source gave."""
    side = "at the start" if padding is not None and padding.side == "front" else "at the end"
    return f"inferred from rows of zeros {side} of each sentence"


def sentence(text: str) -> str:
    """A reason as a sentence of its own; "" stays empty."""
    text = text.strip()
    return "" if not text else f"{text[0].upper()}{text[1:].rstrip('.')}."
