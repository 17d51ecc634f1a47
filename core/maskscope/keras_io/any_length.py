"""Copies a Keras tagger so that it takes sentences of any length, and checks that the copy gives the same outputs.

A model may be built for T positions, for B sentences at a time, with a state that it carries to the next batch, or with
layers that Keras can't run at an unknown length (TimeDistributed) or under a mask (Softmax).
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from maskscope.errors import ModelError
from maskscope.keras_io.error_summary import error_summary, plain_text
from maskscope.keras_io.keras_graph import attached_mask, compute_dtype, every_layer, first_masking, functional
from maskscope.keras_io.keras_model import KerasModel, inference_function
from maskscope.keras_io.model_copy import Changes, ModelCopier, is_last_softmax
from maskscope.keras_io.tagger_shape import Inputs, Output, sentence_output, tagger_inputs, tagger_output
from maskscope.masks import as_mask_value
from maskscope.types import Floats

TRIED_LENGTHS = (5, 8, 13, 3, 2, 1)
"""From an ordinary one on: at a short one, a layer may fail where it gives too few outputs at others."""
STEPS = (2, 4, 8, 16, 32)
_LENGTH = 7
"""At which a model that was built for any length is compared with its copy."""
_DIM = 8
"""The same for a model that takes any D."""
_TOLERANCES = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}
_ANY = "(B, T, D) to (B, T, C), any B and T"


@dataclass(frozen=True, slots=True)
class ModelCopy:
    """A copy of a tagger, checked against it.

    Attributes:
        model: with one input (B, T, D) and one output (B, T, C) of any B and T; it shares its layers and their weights
            with the given model, but for those that had to be replaced.
        predict: the same in inference and graph mode: x (B, T, D) float32 -> (B, T, C) float32.
        dim: D; None for any.
        n_outputs: C.
        n_positions: T when the copy, too, takes exactly T positions.
        step: the copy takes only numbers of positions that it divides; 1 for any.
        notes: what was done, a sentence each; empty when nothing had to be.
    """

    model: KerasModel
    predict: Callable[[Floats], Floats]
    dim: int | None
    n_outputs: int
    n_positions: int | None
    step: int
    notes: tuple[str, ...]


def any_length(model: KerasModel, per_sentence: bool = False) -> ModelCopy:
    """A copy of a tagger that takes (B, T, D) of any B and T and gives (B, T, C). The given model stays as it is.

    With `per_sentence` it is a sentence classifier, which gives (B, C).

    Its inputs are parted from one along D, TimeDistributed gives way to the layer inside it, no state is carried from
    one batch to the next, and a Softmax layer gets no mask but passes it on. The copy must give the same outputs as
    the model, at the length that it was built for, and one output a position at each of `TRIED_LENGTHS`.

    Raises ModelError when the model is no tagger, or its layers need a certain length.
    """
    return _copy(model, TRIED_LENGTHS, per_sentence=per_sentence)


def stepped_length(model: KerasModel) -> ModelCopy:
    """As `any_length`, for layers that need a number of positions that can be halved, once or several times.

    So do MaxPooling1D and UpSampling1D of the same size. Raises ModelError as `any_length`.
    """
    for step in STEPS:
        try:
            return _copy(model, tuple(step * times for times in (1, 2, 3)), step)
        except ModelError as error:
            last = error
    raise last


def fixed_length(model: KerasModel, per_sentence: bool = False) -> ModelCopy:
    """As `any_length`, for layers that need exactly the T positions that the model was built for, but any B.

    Raises ModelError as `any_length`, and for a model that was not built for a certain length.
    """
    return _copy(model, None, per_sentence=per_sentence)


def _copy(model: KerasModel, lengths: tuple[int, ...] | None, step: int = 1, per_sentence: bool = False) -> ModelCopy:
    """A copy that was tried at those lengths; None for one of exactly the length that the model was built for."""
    graph = functional(model)
    if graph is None:
        raise ModelError(
            "has code of its own in place of a graph of layers",
            expected="a Functional or Sequential model",
            received=type(model).__name__,
        )
    inputs = tagger_inputs(graph)
    output = sentence_output(graph) if per_sentence else tagger_output(graph, inputs.n_positions)
    built_for = inputs.n_positions
    if lengths is None and any(part.mask for part in inputs.parts):
        # a copy with one input can't tell which positions of T are padded
        raise ModelError("needs a certain length and a mask as its input", expected=_ANY, received="a mask")
    if lengths is None and built_for is None:
        raise ModelError("was not built for a certain length", expected="an input (T, D)", received="(None, D)")
    if lengths is None:
        free, lengths = False, (built_for or 1,)
    else:
        free, lengths = True, (*lengths, step * ((built_for or 0) // step + 1))
    changes = Changes()
    copier = ModelCopier(graph, built_for if free else None, changes)
    begin = keras.Input((None if free else built_for, inputs.dim), dtype="float32", name=_input_name(graph))
    with warnings.catch_warnings():
        # Keras warns of masks that are lost, as they are in the given model
        warnings.simplefilter("ignore")
        outputs = attempt(lambda: copier.outputs(inputs.split(begin, reshaped=True)))
        end = keras.tree.flatten(outputs)[output.index]
        copy = keras.Model(begin, keras.ops.expand_dims(end, -1) if output.flat else end, name=model.name)
        # graph mode is a hundred times as fast as eager mode for recurrent layers over many positions
        predict = inference_function(copy, inputs.dim, None if free else built_for)
        shape = (inputs.batch_size or 2, built_for or -(-_LENGTH // step) * step, inputs.dim or _DIM)
        _compare(model, predict, inputs, output, shape, bool(changes.unrolled))
        widths = {_try_length(predict, shape[2], length, per_sentence) for length in lengths}
    if len(widths) > 1:
        raise ModelError("gives another number of outputs at another length", expected="C", received=str(widths))
    if first_masking(model) is None:
        # without a mask, Softmax and its stand-in do the same
        changes.softmax.clear()
    notes = [*inputs.notes, *output.notes, *changes.notes]
    if free and built_for is not None:
        notes.append(f"It was built for {built_for} positions, and runs at any length with the same weights.")
    if inputs.batch_size is not None:
        sentences = "one sentence" if inputs.batch_size == 1 else f"{inputs.batch_size} sentences"
        notes.append(f"It was built for {sentences} at a time, and runs on any number.")
    return ModelCopy(copy, predict, inputs.dim, widths.pop(), None if free else built_for, step, tuple(notes))


def attempt(run: Callable[[], Any]) -> Any:
    """What `run` returns. Raises ModelError for whatever a layer raises for a shape that it does not accept."""
    try:
        return run()
    except ModelError:
        raise
    except Exception as error:
        raise ModelError("can't be run on sentences of any length", expected=_ANY, received=_failure(error)) from error


def _failure(error: Exception) -> str:
    """What failed: the layer, as TensorFlow or Keras names it, or else the error in short."""
    text = plain_text(error)
    node = re.search(r"(?:Detected at node|\{\{node) ([^\s}]+)", text)
    if node:
        # the scope of a layer and the operation in it
        return f"a failure in {(['', *node[1].split('/')])[-2] or node[1]}"
    layer = re.search(r"calling (\w+)\.call", text)
    return f"a failure in {layer[1]}" if layer and "{{" in text else error_summary(error)


def _input_name(graph: Any) -> str:
    """The name of the model's input; another one for several, which no layer of the model has."""
    if len(graph.inputs) == 1:
        return str(graph.inputs[0]._keras_history.operation.name)
    taken = {operation.name for operation in graph.operations}
    name = "embeddings"
    while name in taken:
        name += "_parted"
    return name


def _try_length(predict: Callable[[Floats], Floats], dim: int, length: int, per_sentence: bool) -> int:
    """Run a copy on two sentences of that length; C of the output."""
    x_btd: Floats = np.random.default_rng(length).normal(size=(2, length, dim)).astype(np.float32)
    output: Floats = attempt(lambda: predict(x_btd))
    wanted = (2,) if per_sentence else (2, length)
    if tuple(output.shape[:-1]) != wanted:
        raise ModelError(
            f"does not give one output a {'sentence' if per_sentence else 'position'} at any length",
            expected=f"({', '.join(map(str, wanted))}, C) for {x_btd.shape}",
            received=str(tuple(output.shape)),
        )
    return int(output.shape[-1])


def _compare(
    model: KerasModel,
    predict: Callable[[Floats], Floats],
    inputs: Inputs,
    output: Output,
    shape: tuple[int, int, int],
    unmasked: bool,
) -> None:
    """Raise ModelError unless the copy gives what the model gives.

    Args:
        model: as given.
        predict: runs the copy.
        inputs: of the model.
        output: of the model.
        shape: (B, T, D) of the batch.
        unmasked: whether to compare without masked positions: under a mask, Keras sets other positions to 0 in an
            unrolled layer that goes backwards and has `zero_output_for_mask`, as within Bidirectional.
    """
    x_btd: Floats = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for number, value in enumerate([] if unmasked else _mask_values(model)):
        if np.ndim(value) == 0 or np.shape(value) == shape[2:]:
            x_btd[-1, shape[1] - 1 - number % shape[1]] = value
    wanted: Floats = attempt(lambda: _output_as_built(model, inputs.split(x_btd), output.index))
    found: Floats = attempt(lambda: predict(x_btd))
    wanted = wanted[..., None] if output.flat else wanted
    scale = max(1.0, float(np.nanmax(np.abs(wanted), initial=0.0)))
    same = wanted.shape == found.shape and np.allclose(
        wanted, found, rtol=0, atol=scale * _TOLERANCES[compute_dtype(model)], equal_nan=True
    )
    if not same:
        most = "another shape" if wanted.shape != found.shape else f"{float(np.nanmax(np.abs(wanted - found))):.2g}"
        raise ModelError(
            "gives other outputs when it is rebuilt", expected="the same as the model itself", received=most
        )


def _mask_values(model: KerasModel) -> list[Any]:
    values = [as_mask_value(x.mask_value) for x in every_layer(model) if isinstance(x, keras.layers.Masking)]
    return [value for value in values if np.isfinite(value).all()]


def _output_as_built(model: KerasModel, inputs: list[Any], index: int) -> Floats:
    """One output of a model, run layer by layer at the length that it was built for, from the state 0.

    Keras runs every layer itself, but a Softmax layer without a mask for each position, with which it would fail, also
    within TimeDistributed; the mask is passed on.
    """
    graph = functional(model)
    assert graph is not None
    stateful = [layer for layer in every_layer(model) if getattr(layer, "stateful", False) and layer.states]
    states = [(state, state.numpy()) for layer in stateful for state in keras.tree.flatten(layer.states)]
    for state, value in states:
        state.assign(np.zeros_like(value))

    # every shape is known here, so that TimeDistributed, too, is right in graph mode
    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def traced(tensors: list[Any]) -> Any:
        outputs = graph._run_through_graph(tensors, operation_fn=_in_inference)
        return tf.cast(keras.tree.flatten(outputs)[index], tf.float32)

    try:
        outputs: Floats = traced([tf.constant(each) for each in inputs]).numpy()
        return outputs
    finally:
        for state, value in states:
            state.assign(value)


def _in_inference(operation: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        inner = functional(operation) if isinstance(operation, keras.Model) else None
        if inner is not None:
            return inner._run_through_graph(keras.tree.flatten(args), operation_fn=_in_inference)
        if "training" in getattr(operation, "_call_context_args", {}):
            kwargs["training"] = False
        softmax = is_last_softmax(operation, args[0])
        if not softmax and not isinstance(operation, keras.layers.TimeDistributed):
            return operation(*args, **kwargs)
        mask = kwargs.pop("mask", None)
        mask = attached_mask(args[0]) if mask is None else mask
        if mask is not None and len(mask.shape) > 2:
            return operation(*args, mask=mask, **kwargs)
        # a new tensor, which has no mask
        outputs = operation(keras.ops.where(True, args[0], 0), **kwargs)
        outputs._keras_mask = mask
        return outputs

    return call
