"""Made-up labels for a loss, and the same with other labels at padded positions."""

from typing import Literal, TypeAlias

import numpy as np

from maskscope.types import Floats, Mask

LabelKind: TypeAlias = Literal["class numbers", "one-hot", "binary", "values"]
"""What a loss takes: (B, T) class numbers, or (B, T, C) one-hot rows, zeros and ones, or numbers to be reproduced."""


def make_labels(kind: LabelKind, x_btd: Floats, outputs_btc: Floats) -> Floats:
    """Labels for a batch, drawn at random; the input itself for a model whose outputs have the input's shape.

    Args:
        kind: what the loss takes.
        x_btd: the batch.
        outputs_btc: the model's outputs for it.
    """
    rng = np.random.default_rng(0)
    n_sentences, n_positions, n_outputs = outputs_btc.shape
    if kind == "class numbers":
        return rng.integers(0, n_outputs, (n_sentences, n_positions)).astype(np.float32)
    if kind == "values":
        same = outputs_btc.shape == x_btd.shape
        return x_btd.copy() if same else rng.normal(size=outputs_btc.shape).astype(np.float32)
    if kind == "one-hot":
        labels: Floats = np.eye(n_outputs, dtype=np.float32)[rng.integers(0, n_outputs, (n_sentences, n_positions))]
        return labels
    return rng.integers(0, 2, outputs_btc.shape).astype(np.float32)


def flip_labels(kind: LabelKind, labels: Floats, mask_bt: Mask, n_classes: int) -> Floats:
    """The labels with another class, or a number that is larger by 1, wherever `mask_bt` (B, T) is False."""
    flipped = labels.copy()
    padding = ~mask_bt
    if kind == "class numbers":
        flipped[padding] = (labels[padding] + 1) % max(2, n_classes)
    elif kind == "values":
        flipped[padding] = labels[padding] + 1
    elif kind == "one-hot":
        flipped[padding] = np.roll(labels[padding], 1, axis=-1)
    else:
        flipped[padding] = 1 - labels[padding]
    return flipped
