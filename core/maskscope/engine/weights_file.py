"""The .npz file of a tagger's weights.

A project keeps it next to the `.keras` file, so that scoring needs neither Keras nor h5py. There are three formats: 1
holds Masking, bidirectional LSTMs with merge_mode "concat" and a Dense layer; 2 a chain of LSTM, Dense and
LayerNormalization layers that ends in a Dense one; 3 any graph of `TaggerWeights`. 1 is written wherever it can be, so
that earlier versions of the program can read it; 2 is only read.
"""

import os
import zipfile
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from maskscope.engine import pointwise
from maskscope.engine.activations import ActivationName, HeadActivation
from maskscope.engine.pointwise import DenseWeights
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import LayerWeights, Node, TaggerWeights
from maskscope.errors import ModelError
from maskscope.files import replace_durably
from maskscope.types import Floats, MaskValue

_STACK, _CHAIN, _GRAPH = 1, 2, 3

_KINDS: dict[str, type[LayerWeights]] = {
    "recurrent": RecurrentWeights,
    # as formats 1 and 2 call an LSTM
    "lstm": RecurrentWeights,
    "dense": pointwise.DenseWeights,
    "norm": pointwise.NormWeights,
    "affine": pointwise.AffineWeights,
    "activation": pointwise.ActivationWeights,
    "rectifier": pointwise.RectifierWeights,
    "merge": pointwise.MergeWeights,
    "columns": pointwise.ColumnsWeights,
}
"""Kinds of layers by their names in the file; a field of a layer is the array FIELD_PLACE."""


def write_npz(weights: TaggerWeights, path: Path) -> None:
    """Write the weights where `read_npz` reads them back; the file is complete or not there."""
    value = weights.mask_value
    arrays: dict[str, object] = {"mask_value": np.atleast_1d(np.asarray([] if value is None else value, np.float64))}
    arrays |= _stack(weights) if _is_stack(weights) else _graph(weights)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            # numpy's stub takes **arrays for allow_pickle
            np.savez(stream, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
        replace_durably(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_npz(path: Path) -> TaggerWeights:
    """Weights that `write_npz` wrote. Raises ModelError for a file that can't be read or holds anything else."""
    try:
        # numpy leaves a file it can't read open, so it is opened here
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = int(arrays["format"])
            if found not in (_STACK, _CHAIN, _GRAPH):
                raise ModelError("was written by another version", file=path, expected="1, 2 or 3", received=str(found))
            value = arrays["mask_value"]
            mask_value: MaskValue | None = None
            if len(value):
                mask_value = float(value[0]) if len(value) == 1 else tuple(value.tolist())
            count = int(arrays["layers"])
            if found != _GRAPH:
                layers = [_read_layer(arrays, i, "lstm" if found == _STACK else None) for i in range(count)]
                return TaggerWeights.chain(mask_value, [*layers, _read_dense(arrays)])
            nodes = [
                Node(_read_layer(arrays, i), tuple(int(place) for place in arrays[f"inputs_{i}"])) for i in range(count)
            ]
            return TaggerWeights(mask_value, int(arrays["dim"]), tuple(nodes))
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=path) from error
    except (ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(
            "does not hold weights of Maskscope", file=path, received=f"{type(error).__name__}: {error}"
        ) from error


def _is_stack(weights: TaggerWeights) -> bool:
    *layers, last = (node.layer for node in weights.nodes)
    return (
        len(layers) > 0
        and all(node.inputs == (place - 1,) for place, node in enumerate(weights.nodes))
        and all(
            isinstance(layer, RecurrentWeights)
            and layer.directions == 2
            and layer.is_standard_lstm
            and layer.merge == "concat"
            for layer in layers
        )
        and isinstance(last, DenseWeights)
        and last.activation in get_args(HeadActivation)
        and not isinstance(weights.mask_value, tuple)
    )


def _stack(weights: TaggerWeights) -> dict[str, object]:
    *layers, last = (node.layer for node in weights.nodes)
    dense = cast("DenseWeights", last)
    arrays: dict[str, object] = {"format": _STACK, "layers": len(layers)}
    arrays |= {"head": dense.activation, "dense": dense.kernel, "dense_bias": dense.bias}
    for i, layer in enumerate(cast("list[RecurrentWeights]", layers)):
        arrays |= {f"kernel_{i}": layer.kernel, f"recurrent_{i}": layer.recurrent, f"bias_{i}": layer.bias}
    return arrays


def _graph(weights: TaggerWeights) -> dict[str, object]:
    names = {kind: name for name, kind in reversed(_KINDS.items())}
    arrays: dict[str, object] = {"format": _GRAPH, "layers": len(weights.nodes), "dim": weights.dim}
    for i, node in enumerate(weights.nodes):
        arrays |= {f"kind_{i}": names[type(node.layer)], f"inputs_{i}": np.asarray(node.inputs, np.int64)}
        arrays |= {f"{field.name}_{i}": getattr(node.layer, field.name) for field in fields(node.layer)}
    return arrays


def _read_layer(arrays: "np.lib.npyio.NpzFile", i: int, kind: str | None = None) -> LayerWeights:
    layer = _KINDS[kind or str(arrays[f"kind_{i}"])]
    values: dict[str, Any] = {}
    for field in fields(layer):
        # a format before the field was there leaves it out
        if f"{field.name}_{i}" in arrays or field.default is MISSING:
            values[field.name] = _value(arrays[f"{field.name}_{i}"], field.type)
    return layer(**values)


def _value(array: np.ndarray, wanted: Any) -> object:
    if wanted == Floats:
        return array
    if wanted == tuple[int, ...]:
        return tuple(int(number) for number in array)
    return wanted(array) if wanted in (bool, float) else str(array)


def _read_dense(arrays: "np.lib.npyio.NpzFile") -> DenseWeights:
    return DenseWeights(arrays["dense"], arrays["dense_bias"], cast("ActivationName", str(arrays["head"])))
