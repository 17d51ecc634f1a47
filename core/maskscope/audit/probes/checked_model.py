"""The model that the checks run: the given one, or a copy that takes sentences of any number and length."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskscope.errors import ModelError
from maskscope.types import Floats

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """What the checks run.

    Attributes:
        model: from one input (B, T, D), where that could be made.
        dim: D; None for any, or where it is not known.
        notes: what a copy does in another way than the given model, a sentence each; empty for the given one.
        no_copy: why there is no copy that takes any number of positions, though the given model does not; "" else.
    """

    model: "KerasModel"
    dim: int | None
    notes: tuple[str, ...] = ()
    no_copy: str = ""


def checked_model(given: "KerasModel") -> CheckedModel:
    """The given model, if it runs on sentences of any number and length as it is; else a copy that does.

    A copy is made of a model with several inputs or a number of positions or sentences that it was built for, or with
    layers that keep a state, or that Keras can't run at an unknown length (TimeDistributed) or under a mask (Softmax).
    Where the layers need the number of positions that they were built for, the copy keeps that.

    Raises ModelError for a model that takes the mask as an input.
    """
    from maskscope.keras_io.any_length import any_length, fixed_length
    from maskscope.keras_io.keras_graph import functional
    from maskscope.keras_io.tagger_shape import mask_inputs

    graph = functional(given)
    masks = [] if graph is None else mask_inputs(graph)
    if masks:
        # the copy would get True everywhere, as if nothing were padded
        raise ModelError(
            "takes the mask as an input, which the audit does not give; let a Masking layer make it of the embeddings",
            expected="inputs (B, T, D)",
            received=f"an input (B, T) named {', '.join(masks)}",
        )
    if graph is None or (len(graph.outputs) == 1 and _runs_as_it_is(given, graph)):
        shapes = [] if graph is None else [tuple(each.shape) for each in graph.inputs]
        return CheckedModel(given, shapes[0][2] if len(shapes) == 1 and len(shapes[0]) == 3 else None)
    positions = {each.shape[1] for each in graph.inputs if len(each.shape) > 1}
    per_sentence = len(graph.outputs) == 1 and _is_row_a_sentence(tuple(graph.outputs[0].shape), positions)
    try:
        copy = any_length(given, per_sentence)
        return CheckedModel(copy.model, copy.dim, copy.notes)
    except ModelError as error:
        reason = str(error)
    try:
        copy = fixed_length(given, per_sentence)
    except ModelError:
        return CheckedModel(given, None, (), reason)
    return CheckedModel(copy.model, copy.dim, copy.notes, f"its layers need exactly {copy.n_positions} positions")


def parted(given: "KerasModel", x_btd: Floats) -> tuple[Floats, ...]:
    """What each input of a model takes of x (B, T, D). Raises ModelError."""
    from maskscope.keras_io.keras_graph import functional
    from maskscope.keras_io.tagger_shape import tagger_inputs

    return tuple(np.asarray(each) for each in tagger_inputs(functional(given)).split(x_btd))


def takes_one_row(given: "KerasModel") -> bool:
    """Whether a model takes the rows of all positions one after another, (B, T * D), and reshapes them first."""
    from maskscope.keras_io.keras_graph import functional
    from maskscope.keras_io.tagger_shape import reshaped_to

    graph = functional(given)
    return graph is not None and reshaped_to(graph) is not None


def with_one_input(given: "KerasModel") -> "KerasModel":
    """The given model with one input (B, T, D), and with only the output that is read; itself, if it is so."""
    import keras

    from maskscope.keras_io.keras_graph import functional
    from maskscope.keras_io.tagger_shape import tagger_inputs, tagger_output

    graph = functional(given)
    if graph is None:
        return given
    inputs = tagger_inputs(graph)
    if len(graph.outputs) > 1:
        given = keras.Model(graph.inputs, graph.outputs[tagger_output(graph, inputs.n_positions).index])
        graph = functional(given)
        assert graph is not None
    if len(graph.inputs) == 1 and len(graph.inputs[0].shape) == 3:
        return given
    begin = keras.Input(batch_shape=(inputs.batch_size, inputs.n_positions, inputs.dim))
    return keras.Model(begin, given(keras.tree.pack_sequence_as(graph.input, inputs.split(begin))))


def _runs_as_it_is(model: "KerasModel", graph: object) -> bool:
    """Whether a model takes (B, T, D) of any B and T and Keras runs each of its layers there."""
    import keras

    from maskscope.keras_io.keras_graph import every_layer

    inputs, outputs = graph.inputs, graph.outputs  # type: ignore[attr-defined]
    if len(inputs) != 1 or len(inputs[0].shape) != 3 or any(size is not None for size in inputs[0].shape[:2]):
        return False
    if tuple(outputs[0].shape) == (None, None):
        # one number a token, without a last axis
        return False
    unreliable = (keras.layers.TimeDistributed, keras.layers.Softmax)
    return not any(isinstance(each, unreliable) or getattr(each, "stateful", False) for each in every_layer(model))


def _is_row_a_sentence(shape: tuple[int | None, ...], positions: set[int | None]) -> bool:
    """Whether an output is (B, C), not (B, T)."""
    return len(shape) == 2 and shape[1] is not None and shape[1] not in positions
