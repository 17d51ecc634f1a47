"""How the outputs of a model that was made elsewhere become the scores of a project: what they are, and whose."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from maskscope.errors import ModelError
from maskscope.keras_io.model_head import ModelHead
from maskscope.runs import OutputMap
from maskscope.types import Floats, OutputKind, TagScheme
from maskscope.workflows.model_description import OpenOptions

_PROBABILITIES = frozenset({"sigmoid", "softmax", "hard_sigmoid", "sparsemax", "sparse_sigmoid"})
_OVER_CLASSES = frozenset({"softmax", "sparsemax", "log_softmax"})
"""Activations whose outputs belong together, one for each class."""
_LOGARITHMS = frozenset({"log_softmax", "log_sigmoid"})
_REGRESSION = frozenset(
    {
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "huber",
        "log_cosh",
        "cosine_similarity",
        "poisson",
    }
)
_ROUNDING = 1e-3
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class FoundKind:
    """What a model's outputs are.

    Attributes:
        kind: None when it can't be told.
        reason: how that is known, or why it can't be told; to be put after "it" or "the model".
    """

    kind: OutputKind | None
    reason: str


@dataclass(frozen=True, slots=True)
class FoundColumns:
    """Which of a model's outputs each column of a project's scores is.

    Attributes:
        columns: one for each column of the scores, -1 for none; None when it can't be told.
        reason: how that is known, or why it can't be told.
    """

    columns: tuple[int, ...] | None
    reason: str


def find_kind(head: ModelHead, n_outputs: int, scheme: TagScheme, dim: int, sample: Floats | None = None) -> FoundKind:
    """What the outputs are, by the model's last activation and its loss.

    Args:
        head: of the model's file.
        n_outputs: C of the model.
        scheme: the project's label set.
        dim: D of its embeddings.
        sample: outputs (..., C), where the last activation is not known.
    """
    regression = head.loss in _REGRESSION
    if n_outputs == dim and not _fits(n_outputs, scheme) and (regression or _may_reconstruct(head)):
        return FoundKind("values", f"gives {n_outputs} numbers a token, as many as its embedding has: a reconstruction")
    if head.activation in _PROBABILITIES and (not regression or _fits(n_outputs, scheme)):
        return FoundKind("probabilities", f"ends in {head.activation}")
    if head.activation in _LOGARITHMS:
        return FoundKind("log", f"ends in {head.activation}")
    if regression:
        return FoundKind("values", f"was compiled with {head.loss}, the loss of a regression")
    if head.activation == "linear" and head.from_logits:
        return FoundKind("logits", f"was compiled with {head.loss}, which takes logits")
    if not head.activation and sample is not None and _are_probabilities(sample):
        return FoundKind("probabilities", "gives numbers from 0 to 1")
    last = {"": "a layer that is no activation", "linear": "a linear layer"}.get(head.activation, head.activation)
    if head.own_loss:
        loss = f"its loss {head.own_loss} is code of its own"
    else:
        loss = f"its loss {head.loss} takes no logits" if head.loss else "the file holds no loss"
    return FoundKind(None, f"ends in {last}, and {loss}")


def _may_reconstruct(head: ModelHead) -> bool:
    """Whether a model that gives as many numbers as an embedding has may be an autoencoder, and no classifier."""
    loss = head.loss in ("", "binary_crossentropy") and not head.from_logits
    return loss and head.activation in ("", "linear", "sigmoid", "tanh", "relu")


def logits_activation(head: ModelHead, n_outputs: int) -> Literal["sigmoid", "softmax"]:
    """What makes probabilities of logits: softmax for two or more, unless the loss is binary."""
    return "sigmoid" if n_outputs == 1 or head.loss.startswith("binary") else "softmax"


def find_columns(
    kind: OutputKind, head: ModelHead, n_outputs: int, scheme: TagScheme, options: OpenOptions
) -> FoundColumns:
    """Which output each column of a project's scores is: as asked, by names, in order, or by numbers.

    Args:
        kind: what the outputs are; all of them are shown when they are values.
        head: of the model's file.
        n_outputs: C of the model.
        scheme: the project's label set.
        options: what a person says.

    Raises ModelError when the options don't fit the model.
    """
    everything = tuple(range(n_outputs))
    _check_options(options, n_outputs, scheme, kind)
    if kind == "values":
        return FoundColumns(everything, "each output is shown")
    if options.columns is not None:
        return FoundColumns(options.columns or everything, "as chosen")
    if options.names is not None:
        return _by_name(options.names, scheme)
    if n_outputs == scheme.n_outputs:
        return FoundColumns(everything, "as many outputs as labels, in their order")
    together = head.activation in _OVER_CLASSES or (
        head.activation not in _PROBABILITIES and logits_activation(head, n_outputs) == "softmax"
    )
    if together and scheme.kind == "binary" and n_outputs == 2:
        return FoundColumns((1,), f"of two outputs, the second is {scheme.classes[1]}")
    numbers = [int(name) if name.isascii() and name.isdecimal() else -1 for name in scheme.classes]
    if together and len(set(numbers)) == len(numbers) and all(0 <= number < n_outputs for number in numbers):
        wanted = numbers[1:] if scheme.kind == "binary" else numbers
        return FoundColumns(tuple(wanted), "the project's labels are the numbers of the outputs")
    return FoundColumns(
        None, f"it has {_counted(n_outputs, 'output')}, the project {_counted(len(scheme.classes), 'label')}"
    )


def _by_name(names: Sequence[str], scheme: TagScheme) -> FoundColumns:
    wanted = scheme.output_names
    columns = tuple(names.index(name) if name in names else -1 for name in wanted)
    if all(column < 0 for column in columns):
        return FoundColumns(None, f"none of its outputs has the name of a label: {_listed(names)}")
    return FoundColumns(columns, "by the names of the outputs")


def _check_options(options: OpenOptions, n_outputs: int, scheme: TagScheme, kind: OutputKind) -> None:
    if options.names is not None and len(options.names) != n_outputs:
        raise ModelError(
            "has another number of outputs than names were given",
            expected=_counted(n_outputs, "name"),
            received=f"{len(options.names)}: {_listed(options.names)}",
        )
    columns = options.columns
    if kind == "values" or not columns:
        return
    if len(columns) != scheme.n_outputs or not all(-1 <= column < n_outputs for column in columns):
        raise ModelError(
            "can't have its outputs chosen so",
            expected=f"{_counted(scheme.n_outputs, 'output')}, each below {n_outputs}, or -1 for none",
            received=_listed([str(column) for column in columns]),
        )


def output_map(
    file: Path,
    head: ModelHead,
    n_outputs: int,
    scheme: TagScheme,
    dim: int,
    options: OpenOptions,
    sample: Floats | None = None,
) -> OutputMap:
    """How a model's outputs become a project's scores. Raises ModelError, with a way out, where that can't be told."""
    found = FoundKind(options.output, "") if options.output else find_kind(head, n_outputs, scheme, dim, sample)
    if found.kind is None:
        raise ModelError(
            f"has outputs of which it can't be told what they are, since it {found.reason}; say --output logits, log,"
            " probabilities or values",
            file=file,
        )
    try:
        columns = find_columns(found.kind, head, n_outputs, scheme, options)
    except ModelError as error:
        raise error.in_file(file) from error
    if columns.columns is None:
        raise unmatched(file, n_outputs, scheme, options.names)
    plain = columns.columns == tuple(range(n_outputs))
    return OutputMap(
        found.kind,
        logits_activation(head, n_outputs) if found.kind == "logits" else "",
        () if plain else columns.columns,
        options.names or (),
        n_outputs,
    )


def unmatched(file: Path, n_outputs: int, scheme: TagScheme, names: Sequence[str] | None = None) -> ModelError:
    """The error for outputs that can't be matched with a project's labels."""
    shown = _listed(names or [str(output) for output in range(n_outputs)])
    return ModelError(
        "has outputs that can't be matched with the project's labels; name them with --classes FILE, or say --output"
        " values to see them as they are",
        file=file,
        expected=f"{_counted(scheme.n_outputs, 'output')} for {_listed(scheme.classes)}",
        received=f"{_counted(n_outputs, 'output')}: {shown}",
    )


def notes_on_columns(output: OutputMap, scheme: TagScheme) -> tuple[str, ...]:
    """Notes on which outputs are which labels, where that is no matter of course."""
    if output.kind == "values" or not output.n_outputs:
        return ()
    if not output.columns:
        numbered = scheme.kind == "binary" or output.names or all(name.isdecimal() for name in scheme.classes)
        return () if numbered else (f"Its outputs are taken for {_listed(scheme.classes)}, in this order.",)
    notes = []
    names = output.names or tuple(str(place) for place in range(output.n_outputs))
    # a binary project has no column for its outside label, and two outputs are its two labels
    labels = {scheme.classes[scheme.outside]} if output.n_outputs > 2 or output.names else set(names)
    others = [name for place, name in enumerate(names) if place not in output.columns and name not in labels]
    if others:
        notes.append(f"Of its {output.n_outputs} outputs, {_listed(others)} {_is(others)} no label of the project.")
    without = [name for name, column in zip(scheme.output_names, output.columns, strict=True) if column < 0]
    if without:
        notes.append(f"It has no output for {_listed(without)}, whose probability is 0.")
    return tuple(notes)


def check_scores(output: OutputMap, scores: Floats, file: Path) -> None:
    """Raise ModelError when scores that should be probabilities are not, with a way out."""
    if output.kind == "values" or not scores.size:
        return
    least, most = float(scores.min()), float(scores.max())
    if np.isfinite([least, most]).all() and least >= -_ROUNDING and most <= 1 + _ROUNDING:
        return
    way_out = "end it in a sigmoid or a softmax, or say what they are with --output logits, log or values"
    message = f"gives numbers that are not probabilities; {way_out}"
    if output.kind == "log":
        message = "gives numbers that are not the logarithms of probabilities; say what they are with --output"
    if not np.isfinite([least, most]).all():
        message = "gives numbers that are not finite"
    raise ModelError(message, file=file, expected="0 to 1", received=f"{least:.4g} to {most:.4g}")


def column_names(output: OutputMap, scheme: TagScheme) -> tuple[str, ...]:
    """Names of the columns of the scores: the project's labels, or of values the outputs ("0", "1", ... for none)."""
    if output.kind != "values":
        return scheme.output_names
    return output.names or tuple(str(place) for place in range(output.n_outputs))


def _are_probabilities(outputs: Floats) -> bool:
    return bool(outputs.size and np.isfinite(outputs).all() and outputs.min() >= 0 and outputs.max() <= 1)


def _fits(n_outputs: int, scheme: TagScheme) -> bool:
    return n_outputs in (scheme.n_outputs, len(scheme.classes))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name if len(name) <= 30 else f"{name[:29]}…" for name in names[:_SHOWN])
    return f"{shown}, ..." if len(names) > _SHOWN else shown


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
