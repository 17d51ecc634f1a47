"""Taggers with random weights, and offsets, for the tests of the engine."""

import numpy as np

from maskscope.engine.packed import PackedTagger
from maskscope.engine.pointwise import ColumnsWeights, DenseWeights, MergeWeights, NormWeights
from maskscope.engine.recurrence import Merge, RecurrentWeights
from maskscope.engine.weights import EMBEDDINGS, LayerWeights, Node, TaggerWeights
from maskscope.types import Floats, MaskValue, Offsets


def random_tagger(
    dim: int = 3, units: tuple[int, ...] = (2,), outputs: int = 1, mask_value: float | None = 0.0, seed: int = 0
) -> PackedTagger:
    """A tagger with random weights and biases that are not zero."""
    rng = np.random.default_rng(seed)
    layers, wide = [], dim
    for n in units:
        layers.append(
            RecurrentWeights(
                rng.normal(0, 1, (2, wide, 4 * n)).astype(np.float32),
                rng.normal(0, 1, (2, n, 4 * n)).astype(np.float32),
                rng.normal(0, 1, (2, 4 * n)).astype(np.float32),
            )
        )
        wide = 2 * n
    return PackedTagger(
        TaggerWeights.stack(
            mask_value,
            layers,
            rng.normal(0, 1, (wide, outputs)).astype(np.float32),
            rng.normal(0, 1, outputs).astype(np.float32),
            "sigmoid" if outputs == 1 else "softmax",
        )
    )


def general_tagger(merge: Merge = "mul", plain_last: bool = False, seed: int = 0) -> PackedTagger:
    """LayerNormalization, Dense, LSTM 2, BiLSTM 3, Dense, (LSTM 2,) and a softmax of 3, over embeddings of 4."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Floats:
        return rng.normal(0, 1, shape).astype(np.float32)

    def lstm(directions: int, wide: int, units: int) -> RecurrentWeights:
        own = draw(directions, wide, 4 * units), draw(directions, units, 4 * units), draw(directions, 4 * units)
        return RecurrentWeights(*own, merge=merge)

    layers: list[LayerWeights] = [NormWeights(draw(4), draw(4), 1e-3), DenseWeights(draw(4, 5), draw(5), "tanh")]
    second = lstm(2, 2, 3)
    layers += [lstm(1, 5, 2), second]
    layers.append(DenseWeights(draw(second.units(2), 4), draw(4), "gelu"))
    if plain_last:
        layers.append(lstm(1, 4, 2))
    wide = 2 if plain_last else 4
    layers.append(DenseWeights(draw(wide, 3), draw(3), "softmax"))
    return PackedTagger(TaggerWeights.chain(0.0, layers))


def branched_tagger(mask_value: MaskValue | None = 0.0) -> PackedTagger:
    """LSTM 2 and reversed GRU 3 over embeddings of 4, and a Dense 4 beside them; all concatenated below a softmax of 3.

    Of the three outputs the last two are given, with a column of zeros between them.
    """
    rng = np.random.default_rng(3)

    def draw(*shape: int) -> Floats:
        return rng.normal(0, 1, shape).astype(np.float32)

    gru = RecurrentWeights(draw(1, 4, 9), draw(1, 3, 9), draw(1, 18), cell="gru", reset_after=True, reading="reversed")
    nodes = (
        Node(RecurrentWeights(draw(1, 4, 8), draw(1, 2, 8), draw(1, 8)), (EMBEDDINGS,)),
        Node(gru, (EMBEDDINGS,)),
        Node(DenseWeights(draw(4, 4), draw(4), "relu"), (EMBEDDINGS,)),
        Node(MergeWeights("multiply"), (2, EMBEDDINGS)),
        Node(MergeWeights("concatenate"), (0, 1, 3)),
        Node(DenseWeights(draw(9, 3), draw(3), "softmax"), (4,)),
        Node(ColumnsWeights((1, -1, 2)), (5,)),
    )
    return PackedTagger(TaggerWeights(mask_value, 4, nodes))


def offsets_of(*lengths: int) -> Offsets:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
