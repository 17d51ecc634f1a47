"""The product of embeddings with the lowest kernels, which takes most of the time of scoring."""

import math
from typing import cast

import numpy as np

from maskscope import masks
from maskscope.engine.arrangement import Arrangement
from maskscope.types import Embeddings, Floats, Mask, MaskValue

_BLOCK_BYTES = 8 << 20


class Projector:
    """Computes the projected rows of embeddings, block by block, and finds the rows that are masked.

    Args:
        arrangement: the layers.
        mask_value: of the model's Masking layer; None for a model without one.
        dim: D of the embeddings.
        dtype: of the embeddings.
    """

    def __init__(
        self, arrangement: Arrangement, mask_value: MaskValue | None, dim: int, dtype: np.dtype[np.generic]
    ) -> None:
        self._arrangement = arrangement
        self._kernel = arrangement.kernel
        self._mask_value = mask_value
        self._block = max(64, _BLOCK_BYTES // (4 * dim))
        self._buffer: Floats | None = None
        if dtype == np.float16:
            self._buffer = np.empty((self._block, dim), dtype=np.float32)
        self._memory: Floats = np.empty((0, arrangement.width), dtype=np.float32)

    def project(self, rows: Embeddings) -> Floats:
        """Projected rows (n, width) float32 of rows (n, D); valid until the next call."""
        if len(rows) > len(self._memory):
            self._memory = np.empty((len(rows), self._arrangement.width), dtype=np.float32)
        projected = self._memory[: len(rows)]
        if self._buffer is None and self._kernel is not None:
            np.matmul(rows, self._kernel, out=projected)
            return projected
        for begin in range(0, len(rows), self._block):
            block = rows[begin : begin + self._block]
            wide = cast("Floats", block)
            if self._buffer is not None:
                wide = widen(cast("np.ndarray", block), self._buffer[: len(block)])
            out = projected[begin : begin + self._block]
            if self._kernel is not None:
                np.matmul(wide, self._kernel, out=out)
            else:
                self._arrangement.project(wide.T, out)
        return projected

    def real_rows(self, rows: Embeddings, projected: Floats) -> Mask | None:
        """The mask that the model's Masking layer computes from rows (n, D): bool (n,), True = real token.

        None when all are real. A masked row's product with one column is known within rounding, so only rows that
        come near it need the exact comparison of all their numbers: a pass over n products in place of one over
        n x D numbers.
        """
        if self._mask_value is None or (isinstance(self._mask_value, float) and math.isnan(self._mask_value)):
            # Masking(nan) masks nothing, since NaN equals nothing
            return None
        if self._kernel is None:
            starts = range(0, len(rows), self._block)
            blocks = [masks.masking_layer(rows[begin : begin + self._block], self._mask_value) for begin in starts]
            return np.concatenate(blocks) if blocks else None
        column = self._kernel[:, 0].astype(np.float64)
        dim = len(column)
        value = np.broadcast_to(np.asarray(self._mask_value, dtype=np.float64), (dim,))
        known = value @ column
        tiny = float(np.finfo(np.float32).tiny)
        room = 4 * dim * float(np.finfo(np.float32).eps) * float(np.abs(value) @ np.abs(column))
        room += 4 * tiny * (np.abs(column).sum() + dim)
        near = np.flatnonzero(~(np.abs(projected[:, 0] - known) > room))
        masked = [
            part[~masks.masking_layer(rows[part], self._mask_value)]
            for part in np.split(near, range(self._block, len(near), self._block))
        ]
        if not any(len(part) for part in masked):
            return None
        real: Mask = np.ones(len(rows), dtype=np.bool_)
        real[np.concatenate(masked)] = False
        return real


def widen(half: np.ndarray, out: Floats) -> Floats:
    """float16 (n, D), finite, to float32 in `out`, exactly; four times as fast as numpy's own cast.

    A float16 is sign, 5 bits of exponent, 10 of fraction; set into the bits of a float32 it lacks only the
    difference of the exponents' biases, 2^112 (IEEE 754-2008, table 3.5). Infinity and NaN don't survive.
    """
    if not half.flags.c_contiguous:
        np.copyto(out, half)
        return out
    bits = half.view(np.int16)
    keep = np.int32(0x8FFFE000 - (1 << 32))
    step = max(1, 65_536 // max(1, half.shape[1]))
    for begin in range(0, len(half), step):
        part = out[begin : begin + step]
        whole = part.view(np.int32)
        np.copyto(whole, bits[begin : begin + step])
        np.left_shift(whole, 13, out=whole)
        np.bitwise_and(whole, keep, out=whole)
        np.multiply(part, np.float32(2.0**112), out=part)
    return out
