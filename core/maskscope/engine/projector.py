"""The product of embeddings with the kernel of the lowest LSTM, which takes most of the time of scoring."""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from maskscope import masks
from maskscope.engine.pointwise import Pointwise, apply_all
from maskscope.types import Embeddings, Floats, Mask, MaskValue

_BLOCK_BYTES = 8 << 20


class Projector:
    """Multiplies embeddings with the lowest LSTM's kernel, block by block, and finds the rows that are masked.

    Args:
        kernel: (W, m) float32, of the lowest LSTM.
        below: the layers below that LSTM, which are applied first.
        mask_value: of the model's Masking layer; None for a model without one.
        dim: D of the embeddings.
        dtype: of the embeddings.
    """

    def __init__(
        self,
        kernel: Floats,
        below: Sequence[Pointwise],
        mask_value: MaskValue | None,
        dim: int,
        dtype: np.dtype[np.generic],
    ) -> None:
        self._kernel = kernel
        self._below = below
        self._mask_value = mask_value
        self._block = max(64, _BLOCK_BYTES // (4 * dim))
        self._buffer: Floats | None = None
        if dtype == np.float16:
            self._buffer = np.empty((self._block, dim), dtype=np.float32)
        self._gates: Floats = np.empty((0, kernel.shape[1]), dtype=np.float32)

    def project(self, rows: Embeddings) -> Floats:
        """Product (n, m) float32 of the kernel and rows (n, D), after the layers below; valid until the next call."""
        if len(rows) > len(self._gates):
            self._gates = np.empty((len(rows), self._kernel.shape[1]), dtype=np.float32)
        projected = self._gates[: len(rows)]
        if self._buffer is None and not self._below:
            np.matmul(rows, self._kernel, out=projected)
            return projected
        for begin in range(0, len(rows), self._block):
            block = rows[begin : begin + self._block]
            wide = cast("Floats", block)
            if self._buffer is not None:
                wide = widen(cast("np.ndarray", block), self._buffer[: len(block)])
            np.matmul(apply_all(self._below, wide.T).T, self._kernel, out=projected[begin : begin + self._block])
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
        if self._below:
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
