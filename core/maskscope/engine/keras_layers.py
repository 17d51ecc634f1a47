"""Which layers of a `.keras` file the engine supports."""

from pathlib import Path
from typing import NoReturn

from maskscope.engine.keras_pointwise import MERGES, POINTWISE, read_merge
from maskscope.engine.keras_recurrent import CELLS, read_bidirectional, read_recurrent
from maskscope.engine.layer_config import SUPPORTED, LayerConfig
from maskscope.engine.pointwise import AffineWeights, DenseWeights, NormWeights, RectifierWeights
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import LayerWeights
from maskscope.errors import ModelError

_DROPOUTS = frozenset({"Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"})
_PASS_THROUGH = frozenset({"Identity", "ActivityRegularization"}) | _DROPOUTS


def is_known(kind: str) -> bool:
    """Whether a layer of that class can be read."""
    return kind in MERGES or kind in CELLS or kind in POINTWISE or kind in _PASS_THROUGH or kind == "Bidirectional"


def refuse_kind(file: Path, name: str, kind: str) -> NoReturn:
    """Raise ModelError for a layer of another class."""
    words = f"holds layer {name!r}, which the built-in engine does not support"
    raise ModelError(words, file=file, expected=SUPPORTED, received=kind)


def read_layer(layer: LayerConfig, inputs: tuple[int, ...]) -> tuple[int | None, ...]:
    """Add the steps of a layer that reads `inputs`.

    Returns the places of its outputs, None for those that are not supported. Raises ModelError for a layer that is
    not.
    """
    layer.check_type()
    if layer.kind in MERGES:
        return (read_merge(layer, inputs),)
    if len(inputs) != 1:
        layer.refuse(f"gives layer {layer.name!r} more than one input", SUPPORTED, f"{len(inputs)} inputs")
    if layer.kind in _PASS_THROUGH:
        return inputs
    if layer.kind in CELLS or layer.kind == "Bidirectional":
        if layer.rank != 3:
            words = f"holds layer {layer.name!r} within a TimeDistributed"
            layer.refuse(words, "a layer of single positions", layer.kind)
        return read_recurrent(layer, inputs) if layer.kind in CELLS else read_bidirectional(layer, inputs)
    if layer.kind not in POINTWISE:
        refuse_kind(layer.file, layer.name, layer.kind)
    return (POINTWISE[layer.kind](layer, inputs),)


def input_width(layer: LayerWeights) -> int | None:
    """The width of a layer's only input as its weights tell it; None where it has none."""
    if isinstance(layer, RecurrentWeights | DenseWeights):
        return int(layer.kernel.shape[-2])
    if isinstance(layer, NormWeights):
        return len(layer.gamma)
    if isinstance(layer, AffineWeights):
        return len(layer.scale)
    return len(layer.slope) if isinstance(layer, RectifierWeights) else None
