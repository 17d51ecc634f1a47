"""The weights of a tagger that packed scoring can run: a small graph of layers, and whether they fit together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from maskscope.engine.activations import HeadActivation
from maskscope.engine.pointwise import (
    ActivationWeights,
    AffineWeights,
    ColumnsWeights,
    DenseWeights,
    NormWeights,
    PointwiseWeights,
)
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.errors import ModelError
from maskscope.runs import OutputMap
from maskscope.types import Floats, MaskValue

LayerWeights: TypeAlias = RecurrentWeights | PointwiseWeights

EMBEDDINGS = -1
"""In `Node.inputs`: the embeddings, zeros where they are masked."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A layer, and what it reads.

    Attributes:
        layer: its weights.
        inputs: places of earlier nodes in `TaggerWeights.nodes`, or `EMBEDDINGS`.
    """

    layer: LayerWeights
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TaggerWeights:
    """All weights of a tagger.

    Attributes:
        mask_value: of the Masking layer, which reads the embeddings; None for a model without one.
        dim: D, numbers in one embedding.
        nodes: the layers behind Masking, each after those that it reads; the last one gives the output.
        notes: what is done to run the model, a sentence each; not kept in a file of weights.
    """

    mask_value: MaskValue | None
    dim: int
    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def chain(cls, mask_value: MaskValue | None, layers: Sequence[LayerWeights]) -> "TaggerWeights":
        """Layers of which each reads the one before; the first one's weights tell D.

        Raises ModelError for no layer, or a first one that has no weights.
        """
        lowest = layers[0] if layers else None
        if isinstance(lowest, NormWeights):
            dim = len(lowest.gamma)
        elif isinstance(lowest, RecurrentWeights | DenseWeights):
            dim = int(lowest.kernel.shape[-2])
        else:
            raise ModelError("does not tell how wide its embeddings are", expected="weights in its first layer")
        return cls(mask_value, dim, tuple(Node(layer, (place - 1,)) for place, layer in enumerate(layers)))

    @classmethod
    def stack(
        cls,
        mask_value: MaskValue | None,
        recurrent: Sequence[RecurrentWeights],
        dense: Floats,
        dense_bias: Floats,
        head: HeadActivation,
    ) -> "TaggerWeights":
        """The tagger that Maskscope trains: recurrent layers one above the other, then a Dense layer.

        Args:
            mask_value: of the Masking layer.
            recurrent: lowest first.
            dense: (W, C) float32, the Dense layer's kernel.
            dense_bias: (C,) float32.
            head: its activation.
        """
        return cls.chain(mask_value, [*recurrent, DenseWeights(dense, dense_bias, head)])

    @property
    def recurrent(self) -> tuple[RecurrentWeights, ...]:
        """The recurrent layers, lowest first."""
        return tuple(node.layer for node in self.nodes if isinstance(node.layer, RecurrentWeights))

    @property
    def activation(self) -> str:
        """The activation that gives the output, by its name in Keras; "linear" for that of a normalization.

        "" where the output is not that of an activation, as in a model that ends in an LSTM.
        """
        last = self.nodes[-1].layer
        if isinstance(last, DenseWeights | ActivationWeights):
            return last.activation
        return "linear" if isinstance(last, NormWeights | AffineWeights) else ""

    @property
    def widths(self) -> tuple[int, ...]:
        """Outputs of each node at each position. Raises ValueError for weights that don't fit each other."""
        found: list[int] = []
        for place, node in enumerate(self.nodes):
            if not all(EMBEDDINGS <= source < place for source in node.inputs):
                raise ValueError(f"expected inputs of layer {place} before it; received {node.inputs}")
            found.append(node.layer.units(*(self.dim if at == EMBEDDINGS else found[at] for at in node.inputs)))
        return tuple(found)

    @property
    def n_outputs(self) -> int:
        """C, outputs at each position."""
        return self.widths[-1]


def check(weights: TaggerWeights, file: Path | None = None) -> None:
    """Raise ModelError unless there is a layer and all shapes fit each other; `file` is where they came from."""
    if not weights.nodes:
        raise ModelError("holds no layer with weights", file=file)
    value = weights.mask_value
    if isinstance(value, tuple) and len(value) != weights.dim:
        raise ModelError(
            "has a mask value that does not fit its embeddings",
            file=file,
            expected=f"a number, or {weights.dim} of them",
            received=f"{len(value)} numbers",
        )
    try:
        _ = weights.widths
    except ValueError as error:
        expected, _, received = str(error).removeprefix("expected ").partition("; received ")
        raise ModelError(
            "holds weights that don't fit each other", file=file, expected=expected, received=received
        ) from error


def output_layers(output: OutputMap) -> list[PointwiseWeights]:
    """What makes a project's scores of a model's outputs, as layers: first the conversion, then the choice of columns.

    Logits are converted by the map's activation over all of the model's outputs, log probabilities by the exponential.
    """
    layers: list[PointwiseWeights] = []
    if output.kind == "logits" and output.activation:
        layers.append(ActivationWeights(output.activation))
    elif output.kind == "log":
        layers.append(ActivationWeights("exponential"))
    if output.columns:
        layers.append(ColumnsWeights(output.columns))
    return layers


def with_output(weights: TaggerWeights, output: OutputMap) -> TaggerWeights:
    """The tagger whose outputs are a project's scores: `weights` as read from a model, with an output map applied.

    Raises ModelError for columns that the model does not have.
    """
    nodes = list(weights.nodes)
    for layer in output_layers(output):
        nodes.append(Node(layer, (len(nodes) - 1,)))
    converted = replace(weights, nodes=tuple(nodes))
    check(converted)
    return converted


def to_scores(outputs: Floats, output: OutputMap) -> Floats:
    """A project's scores (..., K) of a model's outputs (..., C) by an output map, as `with_output` has them computed.

    Raises ModelError for columns that there are not.
    """
    features: Floats = outputs.reshape(-1, outputs.shape[-1]).T
    for layer in output_layers(output):
        try:
            layer.units(len(features))
        except ValueError as error:
            raise ModelError(f"the columns don't fit the model's outputs: {error}") from error
        # a sigmoid far below 0 is 0, by way of infinity
        with np.errstate(over="ignore", invalid="ignore"):
            features = layer.apply(features)
    return features.T.reshape(*outputs.shape[:-1], len(features))
