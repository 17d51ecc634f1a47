"""Taggers with random weights, and offsets, for the tests of the engine."""

import numpy as np

from maskscope.engine.packed import PackedTagger
from maskscope.engine.pointwise import DenseWeights, NormWeights
from maskscope.engine.recurrence import LstmWeights, Merge
from maskscope.engine.weights import AnyLayerWeights, TaggerWeights
from maskscope.types import Floats, Offsets


def random_tagger(
    dim: int = 3, units: tuple[int, ...] = (2,), outputs: int = 1, mask_value: float | None = 0.0, seed: int = 0
) -> PackedTagger:
    """A tagger with random weights and biases that are not zero."""
    rng = np.random.default_rng(seed)
    layers, wide = [], dim
    for n in units:
        layers.append(
            LstmWeights(
                rng.normal(0, 1, (2, wide, 4 * n)).astype(np.float32),
                rng.normal(0, 1, (2, n, 4 * n)).astype(np.float32),
                rng.normal(0, 1, (2, 4 * n)).astype(np.float32),
            )
        )
        wide = 2 * n
    return PackedTagger(
        TaggerWeights(
            mask_value,
            tuple(layers),
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

    def lstm(directions: int, wide: int, units: int) -> LstmWeights:
        own = draw(directions, wide, 4 * units), draw(directions, units, 4 * units), draw(directions, 4 * units)
        return LstmWeights(*own, merge=merge)

    layers: list[AnyLayerWeights] = [NormWeights(draw(4), draw(4), 1e-3), DenseWeights(draw(4, 5), draw(5), "tanh")]
    second = lstm(2, 2, 3)
    layers += [lstm(1, 5, 2), second]
    layers.append(DenseWeights(draw(second.width, 4), draw(4), "gelu"))
    if plain_last:
        layers.append(lstm(1, 4, 2))
    wide = 2 if plain_last else 4
    return PackedTagger(TaggerWeights(0.0, tuple(layers), draw(wide, 3), draw(3), "softmax"))


def offsets_of(*lengths: int) -> Offsets:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
