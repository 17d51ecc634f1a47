"""Lengths and masks (True = real token), choosing and padding sentences of a ragged corpus, and collisions.

`keras.layers.Masking(v)` computes ``any(x != v, axis=-1)``, exactly, after casting x to its compute dtype; v is
float32, and TensorFlow flushes denormal float32 numbers to zero. So Masking(0) masks a row of 1e-40 and not one of
1e-30; under mixed_float16 it masks 1e-9; under mixed_bfloat16 Masking(-999) masks nothing, because no bfloat16 is -999
(measured with Keras 3.15.1, TensorFlow 2.21).
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from maskscope.types import Embeddings, Floats, Indices, Mask, MaskValue, Offsets, PaddedBatch

ComputeType: TypeAlias = Literal["float32", "float16", "bfloat16", "float64"]
COMPUTE_TYPES: tuple[str, ...] = get_args(ComputeType)

_TINY = np.finfo(np.float32).tiny
_BLOCK_BYTES = 2**20
_SMALL = 2**13


def mask_from_lengths(lengths: npt.NDArray[np.integer] | Sequence[int], n_positions: int) -> Mask:
    """Mask (B, n_positions), True at the first `lengths[b]` positions of row b."""
    return np.asarray(np.arange(n_positions)[None, :] < np.asarray(lengths)[:, None])


def computed(x: npt.NDArray[Any], compute_dtype: str = "float32") -> npt.NDArray[Any]:
    """Cast numbers as a layer with `compute_dtype` does: x (...) -> the same shape, float32 (float64 for "float64").

    float16 and bfloat16 numbers are returned as the float32 numbers that equal them. Numbers that are too large become
    infinite, and denormal ones become zero, as in TensorFlow. Raises ValueError for any other compute dtype.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if compute_dtype == "float64":
            return np.asarray(x, dtype=np.float64)
        if compute_dtype not in COMPUTE_TYPES:
            raise ValueError(f"expected one of {', '.join(COMPUTE_TYPES)}; received {compute_dtype}")
        if compute_dtype == "float16":
            # Keras's input layer casts to float32 first, and only then the policy casts to its compute dtype.
            half = x if x.dtype == np.float16 else np.asarray(x, dtype=np.float32).astype(np.float16)
            return half.astype(np.float32)
        numbers = np.asarray(x, dtype=np.float32)
    if compute_dtype == "bfloat16":
        numbers = _as_bfloat16(numbers)
    elif x.dtype == np.float16:
        # Its smallest number is not denormal in float32.
        return numbers
    tiny = np.abs(numbers) < _TINY
    return np.where(tiny, np.float32(0), numbers) if tiny.any() else numbers


def _as_bfloat16(numbers: Floats) -> Floats:
    """Round to the nearest bfloat16, ties to even, returned as float32; NaN stays NaN."""
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(numbers), numbers, rounded.view(np.float32))


def as_mask_value(value: Any) -> MaskValue:
    """The `mask_value` of a Masking layer as one number, or as D different ones.

    Args:
        value: a number, or a list, tuple or array of numbers that `Masking` compares with each row; or one of these as
            Keras writes it to config.json.

    Raises ValueError for anything else.
    """
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner.get("value") if isinstance(inner, Mapping) else inner
    try:
        # None would become NaN
        numbers = np.asarray([] if value is None else value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a number or a row of numbers as mask_value; received {value!r:.80}") from error
    if not numbers.size or (numbers.ndim and numbers.size != numbers.shape[-1]):
        raise ValueError(f"expected a number or a row of numbers as mask_value; received shape {numbers.shape}")
    flat = numbers.reshape(-1)
    same = np.isnan(flat).all() if np.isnan(flat[0]) else bool((flat == flat[0]).all())
    return float(flat[0]) if same else tuple(flat.tolist())


def mask_value_notes(value: MaskValue) -> tuple[str, ...]:
    """What is special about a mask value, a sentence each; nothing about a finite one."""
    if np.isnan(value).any():
        return ("Masking(nan) masks nothing, since NaN equals nothing, not even itself.",)
    if np.isinf(value).any():
        return (
            "Masking(inf) masks rows of infinity alone and sets them to 0; whatever reads such padding before it"
            " gives NaN.",
        )
    return ()


def mask_value_text(value: MaskValue) -> str:
    """What a Masking layer with that value masks, as a part of a sentence."""
    if isinstance(value, tuple):
        return f"tokens whose embedding is one row of {len(value)} numbers are masked"
    if math.isnan(value):
        return "Masking(nan) masks nothing"
    return f"tokens whose embedding is {value:g} throughout are masked"


@lru_cache(maxsize=64)
def _compared(value: MaskValue, compute_dtype: str) -> npt.NDArray[Any]:
    """The mask value as the layer compares it: (1,), or (D,) for a row of numbers."""
    return computed(np.atleast_1d(np.asarray(value)), "float64" if compute_dtype == "float64" else "float32")


def equal_rows(rows: npt.NDArray[Any], value: MaskValue, compute_dtype: str = "float32") -> Mask:
    """Rows that ``Masking(value)`` takes for padding: rows (n, D) -> (n,), True = padding.

    NaN equals nothing, so ``Masking(nan)`` takes no row for padding. Raises ValueError for a row of numbers that is not
    as long as a row.
    """
    held = np.ones(len(rows), dtype=np.bool_)
    if rows.shape[1] == 0 or not len(rows):
        return held
    wanted = _compared(value, compute_dtype)
    if len(wanted) not in (1, rows.shape[1]):
        raise ValueError(f"expected a mask value of {rows.shape[1]} numbers; received {len(wanted)}")
    if rows.size < _SMALL:
        return np.asarray((computed(rows, compute_dtype) == wanted).all(axis=1))
    # Hardly any other row has the value in its first and last column, so few rows are compared as a whole.
    for column in (0, -1):
        held &= computed(rows[:, column], compute_dtype) == wanted[column if len(wanted) > 1 else 0]
    places = np.flatnonzero(held)
    step = max(1, _BLOCK_BYTES // (rows.shape[1] * 4))
    for begin in range(0, len(places), step):
        some = places[begin : begin + step]
        whole = some[-1] - some[0] + 1 == len(some)
        block = rows[some[0] : some[-1] + 1] if whole else rows[some]
        held[some] = (computed(block, compute_dtype) == wanted).all(axis=1)
    return held


def masking_layer(x: npt.NDArray[Any], mask_value: MaskValue | None, compute_dtype: str = "float32") -> Mask:
    """The mask that a model's Masking layer computes: x (..., D) -> mask (...), True = real token.

    Args:
        x: embeddings.
        mask_value: of the layer; None for a model without one, for which every position is real.
        compute_dtype: of the layer ("float16" under mixed_float16).

    Raises ValueError when `compute_dtype` is not one of `COMPUTE_TYPES`, or as `equal_rows`.
    """
    if mask_value is None:
        return np.ones(x.shape[:-1], dtype=np.bool_)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return np.asarray(~equal_rows(rows, mask_value, compute_dtype).reshape(x.shape[:-1]))


def collisions(embeddings: Embeddings, mask_value: MaskValue | None = 0.0, compute_dtype: str = "float32") -> Indices:
    """Collisions: rows (k,), ascending, of real tokens (n, D) that a Masking layer takes for padding."""
    return np.flatnonzero(~masking_layer(embeddings, mask_value, compute_dtype)).astype(np.int64)


def token_rows(ids: Indices, offsets: Offsets) -> tuple[Indices, Offsets]:
    """The tokens of some sentences, one sentence after another.

    Args:
        ids: (k,) the sentences.
        offsets: (n_sentences + 1,) of the whole corpus.

    Returns:
        The rows (n,) of the tokens, and the offsets (k + 1,) of the chosen sentences among them.
    """
    lengths = np.diff(offsets)[ids]
    own = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.arange(own[-1]) + np.repeat(offsets[ids] - own[:-1], lengths), own


def token_places(rows: Indices, offsets: Offsets) -> Indices:
    """Sentence and position (k, 2) int64 of tokens.

    Args:
        rows: (k,) the tokens, as rows of the corpus.
        offsets: (n_sentences + 1,) of the corpus.
    """
    sentences = np.searchsorted(offsets, rows, side="right") - 1
    return np.stack([sentences, rows - offsets[sentences]], axis=1).astype(np.int64)


def pad(embeddings: Embeddings, offsets: Offsets, n_positions: int | None = None) -> PaddedBatch:
    """Pad sentences on the right with zeros to `n_positions`, the longest one's length when None.

    Args:
        embeddings: (n, D), the sentences one after another.
        offsets: (B + 1,) where each sentence begins.
        n_positions: T of the batch.

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
