"""A layer of a `.keras` file as its readers see it: its config, where its weights are, and the steps that it becomes.

Weights are loaded later, when the whole model has been read and none of its layers is refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeAlias

from maskscope.engine.activations import ACTIVATION_NAMES, OVER_FEATURES, ActivationName
from maskscope.engine.weights import LayerWeights
from maskscope.errors import ModelError
from maskscope.types import Floats

MAX_WEIGHTS_BYTES = 1 << 30

SUPPORTED = (
    "Masking, LSTM, GRU, SimpleRNN, Bidirectional, Dense, TimeDistributed, LayerNormalization, BatchNormalization, "
    "Activation, Softmax, ReLU, Add, Concatenate, Dropout and the like"
)
_SYNONYMS = {"swish": "silu", "hard_swish": "hard_silu"}


class Arrays(Protocol):
    """The arrays of a file of weights."""

    def array(self, name: str, shape: tuple[int | None, ...], layer: str) -> Floats:
        """A float32 array by its path, of that shape (None: any size); raises ModelError, naming the layer."""


Loader: TypeAlias = Callable[[Arrays, Sequence[int | None]], LayerWeights]
"""Loads a layer's weights, given the widths of its inputs, None for embeddings of unknown width."""


@dataclass(frozen=True, slots=True)
class Step:
    """A layer that is computed, its weights not loaded yet.

    Attributes:
        name: of the layer in the file.
        inputs: as of `weights.Node`.
        load: gives its weights.
    """

    name: str
    inputs: tuple[int, ...]
    load: Loader


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """One layer of config.json, and where it goes.

    Attributes:
        file: for messages.
        kind: its class.
        name: its own.
        group: where its weights are.
        config: its settings.
        steps: what is computed; readers add to it.
        notes: sentences about what is done; readers add to it.
        rank: of its input, 3; 2 within a TimeDistributed.
    """

    file: Path
    kind: str
    name: str
    group: str
    config: Mapping[str, Any]
    steps: list[Step]
    notes: list[str] = field(default_factory=list)
    rank: int = 3

    def refuse(self, message: str, expected: str, received: object) -> NoReturn:
        """Raise ModelError."""
        raise ModelError(message, file=self.file, expected=expected, received=str(received))

    def add(self, inputs: tuple[int, ...], load: Loader) -> int:
        """Add a step; returns its place."""
        self.steps.append(Step(self.name, inputs, load))
        return len(self.steps) - 1

    def check_type(self, config: Mapping[str, Any] | None = None) -> None:
        """Refuse a layer that computes in another type than float32."""
        dtype = (self.config if config is None else config).get("dtype", "float32")
        policy = dtype["config"]["name"] if isinstance(dtype, Mapping) else dtype
        if policy != "float32":
            self.refuse(f"computes layer {self.name!r} in another type", "float32", policy)

    def check_axis(self, axis: Any) -> None:
        """Refuse an axis that is not the last one."""
        last = (-1, self.rank - 1)
        if axis not in (*last, *([place] for place in last)):
            self.refuse(f"works over another axis in layer {self.name!r}", "the last axis, -1", axis)

    def known_width(self, widths: Sequence[int | None]) -> int:
        """The width of the only input, where the layer's weights don't tell it."""
        width = widths[0]
        if width is None:
            self.refuse(
                f"does not give the width of the input of layer {self.name!r}", "an input (None, None, D)", "none"
            )
        if width * 4 > MAX_WEIGHTS_BYTES:
            self.refuse(f"has too wide an input of layer {self.name!r}", f"{MAX_WEIGHTS_BYTES} bytes", width)
        return width

    def activation(self, written: Any, *, of_cell: bool = False) -> ActivationName:
        """An activation by its name, written as a string or as an object of Keras; refuse those not supported."""
        if written is None:
            return "linear"
        name = str(written)
        if isinstance(written, Mapping):
            config, registered = written.get("config"), written.get("registered_name")
            own = written.get("class_name") == "function" and registered in (None, "function", config)
            name = str(config if own and isinstance(config, str) else registered or written["class_name"])
        name = _SYNONYMS.get(name, name)
        known = [each for each in ACTIVATION_NAMES if not of_cell or each not in OVER_FEATURES]
        if name not in known:
            words = f"has an activation in layer {self.name!r} that the built-in engine does not support"
            self.refuse(words, ", ".join(known), repr(name))
        return name


def snake_case(name: str) -> str:
    """A class name as Keras writes it in the weights' file and in names of losses: LayerNormalization, Conv1D, LSTM.

    They become layer_normalization, conv1d and lstm, as by `keras.src.utils.naming.to_snake_case`.
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
