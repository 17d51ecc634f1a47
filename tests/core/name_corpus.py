"""A small corpus whose labels can be learned, and settings that learn them quickly."""

import numpy as np

from maskscope.runs import TrainSettings
from maskscope.types import Floats, Labels, Offsets, TagScheme

DIM = 4
TYPED = TagScheme("multiclass", ("O", "a", "b"))
QUICK = TrainSettings(units=3, epochs=2, batch_tokens=40, validation=0.25)


def corpus(n_sentences: int = 24, seed: int = 0) -> tuple[Floats, Offsets, Labels]:
    """A token is a name (1) when its first number is positive, and 2 when its second is as well."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 9, n_sentences))]).astype(np.int64)
    x: Floats = rng.normal(size=(offsets[-1], DIM)).astype(np.float32)
    labels = np.where(x[:, 0] > 0, np.where(x[:, 1] > 0, 2, 1), 0).astype(np.int16)
    return x, offsets, labels
