"""The weights of a tagger that packed scoring can run, the check that they fit each other, and their .npz file.

A project keeps the .npz file next to the `.keras` file, so that scoring needs neither Keras nor h5py.
"""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeAlias, cast, get_args

import numpy as np

from maskscope.engine.pointwise import ACTIVATION_NAMES, ActivationName, DenseWeights, HeadActivation, NormWeights
from maskscope.engine.recurrence import LstmWeights, Merge
from maskscope.errors import ModelError
from maskscope.files import replace_durably
from maskscope.types import Floats, MaskValue

AnyLayerWeights: TypeAlias = LstmWeights | DenseWeights | NormWeights

_CLASSIC = 1
_GENERAL = 2
"""File formats: 1 holds bidirectional layers with merge_mode "concat" alone; 2 names the kind of each layer."""


@dataclass(frozen=True, slots=True, eq=False)
class TaggerWeights:
    """All weights of a tagger.

    Attributes:
        mask_value: of the Masking layer, which comes first; None for a model without one.
        layers: those between Masking and the last Dense layer, lowest first.
        dense: (W, C) float32, the last Dense layer's kernel.
        dense_bias: (C,) float32.
        head: activation of the last Dense layer.
    """

    mask_value: MaskValue | None
    layers: tuple[AnyLayerWeights, ...]
    dense: Floats
    dense_bias: Floats
    head: HeadActivation

    @property
    def recurrent(self) -> tuple[LstmWeights, ...]:
        """The LSTM layers, lowest first."""
        return tuple(layer for layer in self.layers if isinstance(layer, LstmWeights))

    @property
    def dim(self) -> int:
        """D, numbers in one embedding."""
        lowest = self.layers[0]
        return len(lowest.gamma) if isinstance(lowest, NormWeights) else int(lowest.kernel.shape[-2])


def check(weights: TaggerWeights, file: Path | None = None) -> None:
    """Raise ModelError unless all shapes fit each other and there is an LSTM; `file` is where they came from."""
    if not weights.recurrent:
        raise ModelError("holds no recurrent layer", file=file)
    # outputs of the layer below; 0 below the first layer, whose input may have any width
    width = 0
    for layer in weights.layers:
        if isinstance(layer, LstmWeights):
            directions = layer.kernel.shape[0] if layer.kernel.ndim == 3 else 0
            if directions not in (1, 2) or layer.merge not in get_args(Merge):
                _refuse(file, "one direction, or two that are merged", f"{directions}, {layer.merge}")
            units = layer.recurrent.shape[1] if layer.recurrent.ndim == 3 else 0
            _check_array(file, layer.kernel, (directions, width or layer.kernel.shape[1], 4 * units))
            _check_array(file, layer.recurrent, (directions, units, 4 * units))
            _check_array(file, layer.bias, (directions, 4 * units))
            width = layer.width
        elif isinstance(layer, DenseWeights):
            if layer.activation not in ACTIVATION_NAMES:
                _refuse(file, " or ".join(ACTIVATION_NAMES), layer.activation)
            units = len(layer.bias) if layer.bias.ndim == 1 else 0
            _check_array(file, layer.kernel, (width or (layer.kernel.shape[0] if layer.kernel.ndim == 2 else 0), units))
            _check_array(file, layer.bias, (units,))
            width = units
        else:
            width = width or (len(layer.gamma) if layer.gamma.ndim == 1 else 0)
            if not (np.isfinite(layer.epsilon) and layer.epsilon >= 0):
                _refuse(file, "an epsilon of 0 or more", str(layer.epsilon))
            _check_array(file, layer.gamma, (width,))
            _check_array(file, layer.beta, (width,))
    outputs = len(weights.dense_bias) if weights.dense_bias.ndim == 1 else 0
    _check_array(file, weights.dense, (width, outputs))
    _check_array(file, weights.dense_bias, (outputs,))


def _check_array(file: Path | None, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32 or 0 in shape or not np.isfinite(array).all():
        _refuse(file, f"{shape} float32, finite", f"{array.shape} {array.dtype}")


def _refuse(file: Path | None, expected: str, received: str) -> NoReturn:
    raise ModelError("holds weights that don't fit each other", file=file, expected=expected, received=received)


def write_npz(weights: TaggerWeights, path: Path) -> None:
    """Write the weights where `read_npz` reads them back; the file is complete or not there."""
    arrays: dict[str, np.ndarray] = {
        "format": np.asarray(_CLASSIC if _is_classic(weights) else _GENERAL),
        "head": np.asarray(weights.head),
        "mask_value": np.asarray([] if weights.mask_value is None else [weights.mask_value], dtype=np.float64),
        "layers": np.asarray(len(weights.layers)),
        "dense": weights.dense,
        "dense_bias": weights.dense_bias,
    }
    for i, layer in enumerate(weights.layers):
        if isinstance(layer, LstmWeights):
            own = {"kind": "lstm", "kernel": layer.kernel, "recurrent": layer.recurrent, "bias": layer.bias}
            own["merge"] = layer.merge
        elif isinstance(layer, DenseWeights):
            own = {"kind": "dense", "kernel": layer.kernel, "bias": layer.bias, "activation": layer.activation}
        else:
            own = {"kind": "norm", "gamma": layer.gamma, "beta": layer.beta, "epsilon": np.asarray(layer.epsilon)}
        if _is_classic(weights):
            del own["kind"], own["merge"]
        arrays |= {f"{name}_{i}": np.asarray(value) for name, value in own.items()}
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with partial.open("wb") as stream:
            # numpy's stub takes **arrays for allow_pickle
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        replace_durably(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _is_classic(weights: TaggerWeights) -> bool:
    # format 1 stays readable to earlier versions, which know no other
    return all(
        isinstance(layer, LstmWeights) and layer.directions == 2 and layer.merge == "concat" for layer in weights.layers
    )


def read_npz(path: Path) -> TaggerWeights:
    """Weights that `write_npz` wrote. Raises ModelError for a file that can't be read or holds anything else."""
    try:
        # numpy leaves a file it can't read open, so it is opened here
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = int(arrays["format"])
            if found not in (_CLASSIC, _GENERAL):
                raise ModelError(
                    "was written by another version",
                    file=path,
                    expected=f"{_CLASSIC} or {_GENERAL}",
                    received=str(found),
                )
            value = arrays["mask_value"]
            head = str(arrays["head"])
            if head not in get_args(HeadActivation):
                raise ValueError(f"head {head!r}")
            return TaggerWeights(
                mask_value=float(value[0]) if len(value) else None,
                layers=tuple(_read_layer(arrays, i, found) for i in range(int(arrays["layers"]))),
                dense=arrays["dense"],
                dense_bias=arrays["dense_bias"],
                head=cast("HeadActivation", head),
            )
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=path) from error
    except (ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(
            "does not hold weights of Maskscope", file=path, received=f"{type(error).__name__}: {error}"
        ) from error


def _read_layer(arrays: "np.lib.npyio.NpzFile", i: int, file_format: int) -> AnyLayerWeights:
    kind = "lstm" if file_format == _CLASSIC else str(arrays[f"kind_{i}"])
    if kind == "lstm":
        merge = "concat" if file_format == _CLASSIC else str(arrays[f"merge_{i}"])
        own = (arrays[f"kernel_{i}"], arrays[f"recurrent_{i}"], arrays[f"bias_{i}"])
        return LstmWeights(*own, merge=cast("Merge", merge))
    if kind == "dense":
        activation = cast("ActivationName", str(arrays[f"activation_{i}"]))
        return DenseWeights(arrays[f"kernel_{i}"], arrays[f"bias_{i}"], activation)
    if kind == "norm":
        return NormWeights(arrays[f"gamma_{i}"], arrays[f"beta_{i}"], float(arrays[f"epsilon_{i}"]))
    raise ValueError(f"kind {kind!r}")
