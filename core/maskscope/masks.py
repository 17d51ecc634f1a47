"""Lengths and masks (True = real token), padding a ragged batch, and collisions.

The rule of `keras.layers.Masking(v)` is ``any(x != v, axis=-1)``, exact, after the cast to float32; TensorFlow
flushes denormals, so a row of 1e-40 is masked by Masking(0) and a row of 1e-30 is not (measured, Keras 3.15.1).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from maskscope.types import Embeddings, Floats, Mask, Offsets, PaddedBatch

_TINY = np.finfo(np.float32).tiny


def mask_from_lengths(lengths: npt.NDArray[np.integer] | Sequence[int], n_positions: int) -> Mask:
    """Mask (B, n_positions), True at the first `lengths[b]` positions of row b."""
    return np.asarray(np.arange(n_positions)[None, :] < np.asarray(lengths)[:, None])


def masking_layer(x: Embeddings, mask_value: float | None) -> Mask:
    """What the model's Masking layer makes of rows: x (..., D) -> mask (...), True = real token.

    `mask_value` None stands for a model with no Masking layer: everything is a real token.
    """
    if mask_value is None:
        return np.ones(x.shape[:-1], dtype=np.bool_)
    if mask_value == 0.0 and x.dtype == np.float16:
        return np.asarray((x != 0).any(axis=-1))
    rows = np.asarray(x, dtype=np.float32)
    value = np.float32(mask_value)
    if abs(value) < _TINY:
        return np.asarray(~(np.abs(rows) < _TINY).all(axis=-1))
    return np.asarray((rows != value).any(axis=-1))


def collisions(embeddings: Embeddings, mask_value: float | None = 0.0) -> npt.NDArray[np.int64]:
    """Rows (k,) of real tokens `embeddings` (n, D) that a Masking layer takes for padding, in order."""
    return np.flatnonzero(~masking_layer(embeddings, mask_value)).astype(np.int64)


def trailing_lengths(x_btd: Embeddings) -> npt.NDArray[np.int64]:
    """Lengths (B,) inferred from trailing zero rows of a right-padded array (B, T, D).

    A sentence that ends in tokens whose embedding is all zeros comes out too short: nothing in the array
    can tell the two apart, so a caller that has a better source of lengths must not use this one.
    """
    real = masking_layer(x_btd, 0.0)
    n_positions = real.shape[1]
    last = n_positions - np.argmax(real[:, ::-1], axis=1)
    return np.where(real.any(axis=1), last, 0).astype(np.int64)


def pad(embeddings: Embeddings, offsets: Offsets, n_positions: int | None = None) -> PaddedBatch:
    """A ragged batch, embeddings (n, D) cut by offsets (B + 1), padded right with zeros to `n_positions`.

    Raises ValueError when a sentence is longer than `n_positions`.
    """
    lengths = np.diff(offsets).astype(np.int64)
    longest = int(lengths.max(initial=0))
    n_positions = longest if n_positions is None else n_positions
    if longest > n_positions:
        raise ValueError(f"expected sentences of at most {n_positions} tokens; received one of {longest}")
    x_btd: Floats = np.zeros((len(lengths), n_positions, embeddings.shape[1]), dtype=np.float32)
    mask_bt = mask_from_lengths(lengths, n_positions)
    x_btd[mask_bt] = embeddings[offsets[0] : offsets[-1]]
    return PaddedBatch(x_btd, mask_bt, lengths)
