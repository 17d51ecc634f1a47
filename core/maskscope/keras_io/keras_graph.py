"""Reads a Keras model's graph of layers, and runs it with a frozen mask.

Like other modules of this package, and none outside it, it uses private parts of Keras 3.15.1:
`Function._run_through_graph`, the `_keras_mask` of a tensor, `Sequential._functional`.
"""

from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from maskscope.keras_io.keras_model import KerasModel
from maskscope.masks import as_mask_value
from maskscope.types import MaskValue

Array: TypeAlias = npt.NDArray[np.generic]


def functional(model: KerasModel) -> Any | None:
    """The graph of a Functional or a built Sequential model, as Keras keeps it; None for a model with its own code."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if isinstance(model, keras.Model) and hasattr(model, "_run_through_graph") else None


def of_one_output(model: KerasModel) -> KerasModel | None:
    """The model with one tensor as its output, not a list or dict of one; None for a model with several outputs."""
    graph = functional(model)
    if graph is None:
        return model
    if len(graph.outputs) != 1:
        return None
    bare = isinstance(model, keras.Sequential) or isinstance(model.output, keras.KerasTensor)
    return model if bare else keras.Model(graph.inputs, graph.outputs[0])


def frozen(model: KerasModel, x: Any, mask: Any) -> Any:
    """Run a model on x (B, T, D) with a given mask (B, T): Masking layers pass x on unchanged, with this mask.

    Wherever a layer would get a mask it gets this one; where the mask is lost it stays lost. So padding may hold any
    numbers, also those that Masking would take for a token. Applies to models inside the model, too. For use in a
    tf.function. Raises TypeError when the model has no graph (see `functional`).
    """
    graph = functional(model)
    if graph is None:
        raise TypeError(f"expected a Functional or Sequential model; received {type(model).__name__}")

    def with_frozen_mask(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if isinstance(operation, keras.layers.Masking):
                # a new tensor: another branch may take the same one without a mask
                unchanged = keras.ops.where(True, keras.ops.cast(args[0], operation.compute_dtype), 0)
                unchanged._keras_mask = mask
                return unchanged
            for name, value in kwargs.items():
                if name == "mask" or name.endswith("_mask"):
                    kwargs[name] = keras.tree.map_structure(lambda each: mask if _is_mask(each) else each, value)
            for tensor in keras.tree.flatten(args):
                # also where a layer such as Concatenate has computed another mask
                if attached_mask(tensor) is not None:
                    tensor._keras_mask = mask
            inner = functional(operation) if isinstance(operation, keras.Model) else None
            if inner is not None:
                return inner._run_through_graph(keras.tree.flatten(args), operation_fn=with_frozen_mask)
            if "training" in getattr(operation, "_call_context_args", {}):
                kwargs["training"] = False
            outputs = operation(*args, **kwargs)
            return outputs if isinstance(operation, keras.layers.Layer) else _replace_mask(outputs, mask)

        return call

    outputs = graph._run_through_graph([x], operation_fn=with_frozen_mask)
    return keras.tree.flatten(outputs)[0]


def _is_mask(value: Any) -> bool:
    """Whether a value is a mask (B, T), not one of pairs of positions (B, T, S) or a flag such as use_causal_mask."""
    return value is not None and not isinstance(value, bool) and len(getattr(value, "shape", ())) == 2


def _replace_mask(outputs: Any, mask: Any) -> Any:
    """The result of a plain operation; the frozen mask instead where that is a mask: bool, (B, T) or (B, T, 1)."""
    shape = tuple(getattr(outputs, "shape", ()))
    if keras.backend.standardize_dtype(getattr(outputs, "dtype", "float32")) != "bool":
        return outputs
    if len(shape) == 2:
        return mask
    return keras.ops.expand_dims(mask, -1) if len(shape) == 3 and shape[2] == 1 else outputs


def attach_mask(tensor: Any, mask_bt: Array) -> None:
    """Attach a mask (B, T), True = real token, to a tensor, as the layer that made it would have."""
    tensor._keras_mask = keras.ops.convert_to_tensor(mask_bt)


def attached_mask(tensor: Any) -> Any:
    """The mask (B, T) that Keras attached to a tensor, True = real token; None for none."""
    return getattr(tensor, "_keras_mask", None)


def compiled_metrics(model: KerasModel) -> tuple[list[Any], list[Any]]:
    """The metrics and the weighted metrics that a model in memory was compiled with, as given to `compile`."""
    holder = getattr(model, "_compile_metrics", None)
    if holder is None:
        return [], []
    both = (holder._user_metrics, holder._user_weighted_metrics)
    metrics, weighted = ([each for each in keras.tree.flatten(given) if each is not None] for given in both)
    return metrics, weighted


def load_any(file: Path, saved: KerasModel) -> KerasModel:
    """Load a file that this process has just saved, `.keras` or `.h5`. Raises whatever Keras raises.

    Args:
        file: its path.
        saved: the model in it; its classes need not be registered.
    """
    own = {type(each).__name__: type(each) for each in (saved, *every_layer(saved))}
    with keras.saving.custom_object_scope(
        {name: kind for name, kind in own.items() if not kind.__module__.startswith("keras.")}
    ):
        return keras.saving.load_model(file, compile=False, safe_mode=True)


def first_masking(model: KerasModel) -> Any | None:
    """The first Masking layer of a model, also inside other layers; None when it has none."""
    return next((layer for layer in every_layer(model) if isinstance(layer, keras.layers.Masking)), None)


def padding_or_mask_value(model: KerasModel, padding: MaskValue | None) -> MaskValue:
    """What padded positions hold; where it is None, as for an array without any, the mask value, or 0."""
    masking = first_masking(model)
    return padding if padding is not None else 0.0 if masking is None else as_mask_value(masking.mask_value)


def masked_by(layer: Any, x_btd: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The mask (B, T), True = real token, that a Masking layer makes of x (B, T, D) in its compute type."""
    cast = keras.ops.cast(keras.ops.convert_to_tensor(x_btd.astype(np.float32)), layer.compute_dtype)
    return np.asarray(keras.ops.convert_to_numpy(layer.compute_mask(cast)), dtype=np.bool_)


def compute_dtype(model: KerasModel) -> str:
    """The coarsest type that a layer of the model computes in: "bfloat16", "float16" or else "float32"."""
    found = {str(layer.compute_dtype) for layer in every_layer(model)}
    return next((name for name in ("bfloat16", "float16") if name in found), "float32")


def every_layer(model: KerasModel) -> list[Any]:
    """The layers of a model and those inside them, outer before inner."""
    return list(model._flatten_layers(include_self=False, recursive=True))
