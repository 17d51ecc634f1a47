"""Recurrent layers of a `.keras` file: their configs, and how their weights are loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from maskscope.engine.activations import ActivationName
from maskscope.engine.keras_pointwise import read_merge
from maskscope.engine.layer_config import Arrays, LayerConfig, Loader
from maskscope.engine.pointwise import MergeMode
from maskscope.engine.recurrence import N_GATES, CellKind, Merge, Reading, RecurrentWeights
from maskscope.types import Floats

CELLS: dict[str, CellKind] = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn"}
_OF_MERGE_MODE: dict[Merge, MergeMode] = {"concat": "concatenate", "sum": "add", "mul": "multiply", "ave": "average"}


def read_recurrent(layer: LayerConfig, inputs: tuple[int, ...]) -> tuple[int | None, ...]:
    """Add the step of a layer of one direction; returns the place of its outputs, and None for each last state."""
    direction = _direction(layer, f"layer {layer.name!r}", layer.kind, layer.config)
    reading: Reading = "reversed" if layer.config.get("go_backwards", False) else "forward"
    zeroes = bool(layer.config.get("zero_output_for_mask", False))
    place = layer.add(inputs, _loader(layer, [direction], ["cell"], "concat", reading, zeroes))
    return (place, None, None) if layer.config.get("return_state", False) else (place,)


@dataclass(frozen=True, slots=True)
class _Direction:
    """What one direction of a recurrent layer computes."""

    cell: CellKind
    units: int
    use_bias: bool
    activation: ActivationName
    recurrent_activation: ActivationName
    reset_after: bool


def _direction(layer: LayerConfig, words: str, kind: str, config: Mapping[str, Any]) -> _Direction:
    if not config.get("return_sequences", False):
        layer.refuse(f"gives no output for each token in {words}", "return_sequences=True", "False")
    if config.get("stateful", False):
        layer.notes.append(f"Layer {layer.name!r} is stateful: its state is reset for each sentence.")
    return _Direction(
        CELLS[kind],
        int(config["units"]),
        bool(config.get("use_bias", True)),
        layer.activation(config.get("activation", "tanh"), of_cell=True),
        layer.activation(config.get("recurrent_activation", "sigmoid"), of_cell=True),
        kind == "GRU" and bool(config.get("reset_after", True)),
    )


def read_bidirectional(layer: LayerConfig, inputs: tuple[int, ...]) -> tuple[int | None, ...]:
    """Add the steps of a layer of two directions; returns the places of its outputs, and None for each last state."""
    merge = layer.config.get("merge_mode", "concat")
    if merge is not None and merge not in get_args(Merge):
        ways = " or ".join(repr(way) for way in (*get_args(Merge), None))
        layer.refuse(f"merges the directions of layer {layer.name!r} in another way", ways, repr(merge))
    forward = layer.config["layer"]
    backward = layer.config.get("backward_layer") or forward
    directions = []
    for which, written, backwards in (("forward", forward, False), ("backward", backward, True)):
        kind, config = str(written["class_name"]), written["config"]
        if kind not in CELLS:
            layer.refuse(f"holds layer {layer.name!r} over another cell", " or ".join(CELLS), kind)
        layer.check_type(config)
        found = bool(config.get("go_backwards", False)) if written is not forward or not backwards else True
        if found != backwards:
            layer.refuse(
                f"has another go_backwards in the {which} layer of layer {layer.name!r}", str(backwards), found
            )
        directions.append(_direction(layer, f"the {which} layer of layer {layer.name!r}", kind, config))
    cells = ("forward_layer/cell", "backward_layer/cell")
    if merge is not None and directions[0] == directions[1]:
        outputs = [layer.add(inputs, _loader(layer, directions, cells, merge))]
    else:
        # two layers of one direction each
        outputs = [
            layer.add(inputs, _loader(layer, [direction], [cell], "concat", reading, zeroes=True))
            for direction, cell, reading in zip(directions, cells, get_args(Reading)[:2], strict=True)
        ]
        if merge is not None:
            outputs = [read_merge(replace(layer, kind=_OF_MERGE_MODE[merge].capitalize(), config={}), tuple(outputs))]
    return (*outputs, *([None] * 4 if forward["config"].get("return_state", False) else []))


def _loader(
    layer: LayerConfig,
    directions: Sequence[_Direction],
    cells: Sequence[str],
    merge: Merge,
    reading: Reading = "forward",
    zeroes: bool = False,
) -> Loader:
    first = directions[0]
    units, width = first.units, N_GATES[first.cell] * first.units
    biases = (2, width) if first.reset_after else (width,)

    def load(arrays: Arrays, widths: Sequence[int | None]) -> RecurrentWeights:
        wide = widths[0]
        kernels, recurrents, bias_rows = [], [], []
        for cell in cells:
            place = f"{layer.group}/{cell}/vars"
            kernels.append(arrays.array(f"{place}/0", (wide, width), layer.name))
            wide = len(kernels[-1])
            recurrents.append(arrays.array(f"{place}/1", (units, width), layer.name))
            row: Floats = np.zeros(biases, dtype=np.float32)
            bias_rows.append((arrays.array(f"{place}/2", biases, layer.name) if first.use_bias else row).reshape(-1))
        return RecurrentWeights(
            np.stack(kernels),
            np.stack(recurrents),
            np.stack(bias_rows),
            merge,
            cell=first.cell,
            activation=first.activation,
            recurrent_activation=first.recurrent_activation,
            reset_after=first.reset_after,
            reading=reading,
            zero_output_for_mask=zeroes,
        )

    return load
