"""Measure how padding changes the outputs of one sentence, for the padding panel of the window.

The projected rows of the sentence, and those of the rows that may be added to it, are computed once; each further
question takes only the recurrent steps and the layers above.

The sentence with k padded positions is compared with the sentence alone *under the same mask rule*, so that the
change shows padding and nothing else. (Under "none" a zero row inside the sentence is a real token in
both; under "model" it is masked in both.) Real tokens that a person masked by clicking are unmasked in the
sentence alone: the change then shows what masking them does to the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from maskscope import masks
from maskscope.engine.packed import PackedTagger
from maskscope.padding import Side
from maskscope.types import Embeddings, Floats, Indices, Mask

Fill: TypeAlias = Literal["zeros", "noise", "previous", "source"]
MaskSource: TypeAlias = Literal["model", "lengths", "none"]

MAX_PADDING = 200
_NOISE_SEED = 0
_ONE_THREAD = 1 << 18
_CHECKED = (0, 1, 7, 64, 200)


def padding_rows(embeddings: Embeddings, fill: Fill = "zeros", previous: Embeddings | None = None) -> Floats:
    """The content of padded positions: rows (`MAX_PADDING`, D) float32, of which k padded positions take the first k.

    Args:
        embeddings: (T, D) float16 or float32, the sentence.
        fill: "zeros"; "noise", N(0, s) with s the root mean square of the sentence's numbers; "previous", the rows
            of the sentence before, repeated; "source", the rows that the source was padded with, repeated.
        previous: (Tp, D), the rows for "previous" and "source"; without them (or with Tp = 0) these give zeros.
    """
    if fill == "noise":
        return _noise(embeddings.shape[1]) * _spread(embeddings)
    if fill in ("previous", "source") and previous is not None and len(previous):
        rows: Floats = np.asarray(previous[:MAX_PADDING], dtype=np.float32)
        return rows[_repeated(rows)]
    zeros: Floats = np.zeros((MAX_PADDING, embeddings.shape[1]), dtype=np.float32)
    return zeros


def largest_change(probs_tc: Floats, alone_tc: Floats, compared: Sequence[int]) -> tuple[float, int | None]:
    """Largest |change| over `compared` tokens and over classes, and its position; (0, None) where none is compared.

    Args:
        probs_tc: (T + k, C), with padding.
        alone_tc: (T, C), the sentence alone.
        compared: positions, all below T, in rising order.
    """
    if not len(compared):
        return 0.0, None
    change = np.abs(probs_tc[compared] - alone_tc[compared]).max(axis=1)
    place = int(change.argmax())
    return float(change[place]), int(compared[place])


@dataclass(frozen=True, slots=True, eq=False)
class PaddedRun:
    """One sentence with k padded positions.

    Attributes:
        probs_tc: (T + k, C) float32, the model's output at every position: at the tokens, then at the padding, wherever
            the padding was.
        mask: (T + k,) bool, True = real token, as it was used.
        largest_change: largest |change| over the tokens compared and over classes, against the sentence alone;
            compared are the tokens that are real in the sentence alone, but those masked by clicking.
        at: the position of that change; None when no token was compared.
    """

    probs_tc: Floats
    mask: Mask
    largest_change: float
    at: int | None


class PaddingProbe:
    """Adds padded positions to one sentence and measures what changes.

    Args:
        tagger: the model.
        embeddings: (T, D) float16 or float32, the sentence.
        fill, previous: content of the padded positions, see `padding_rows`.
        side: where padding is added. In front of the tokens, the first of its rows is next to them.
    """

    def __init__(
        self,
        tagger: PackedTagger,
        embeddings: Embeddings,
        fill: Fill = "zeros",
        previous: Embeddings | None = None,
        side: Side = "back",
    ) -> None:
        self._tagger = tagger
        self._side = side
        self._n_tokens = len(embeddings)
        own: Floats = np.asarray(embeddings, dtype=np.float32)
        at_zeros = _projected_few(tagger, np.zeros((1, tagger.dim), dtype=np.float32))
        self._projected: Floats = np.concatenate(
            [_projected_few(tagger, own), np.repeat(at_zeros, MAX_PADDING, axis=0)]
        )
        padding = self._projected[self._n_tokens :]
        zero_is_real = bool(masks.masking_layer(np.zeros((1, tagger.dim), dtype=np.float32), tagger.mask_value)[0])
        padding_seen: Mask = np.full(MAX_PADDING, zero_is_real)
        if fill == "noise":
            if tagger.starts_recurrent:
                np.multiply(_projected_noise(tagger), _spread(own), out=padding)
            else:
                noise = padding_rows(own, fill)
                padding[:] = tagger.projector(noise.dtype).project(noise)
            padding_seen[:] = True
        elif fill in ("previous", "source") and previous is not None and len(previous):
            rows: Floats = np.asarray(previous[:MAX_PADDING], dtype=np.float32)
            again = _repeated(rows)
            padding[:] = _projected_few(tagger, rows)[again]
            padding_seen = masks.masking_layer(rows, tagger.mask_value)[again]
        self._model_mask: Mask = np.concatenate([masks.masking_layer(own, tagger.mask_value), padding_seen])
        self._alone: dict[MaskSource, Floats] = {}

    def run(self, k: int, mask_source: MaskSource = "model", masked: frozenset[int] = frozenset()) -> PaddedRun:
        """The sentence with k padded positions, stepped through one by one as Keras does, masked ones too.

        Args:
            k: 0 to `MAX_PADDING`.
            mask_source: "model": the mask that the Masking layer computes; "lengths": the sentence's own tokens;
                "none": the same weights without a mask.
            masked: real tokens that a person masked, counted from 0.

        Raises ValueError for a k out of range.
        """
        if not 0 <= k <= MAX_PADDING:
            raise ValueError(f"expected 0 to {MAX_PADDING} padded positions; received {k}")
        mask = self._mask(k, mask_source, masked)
        probs_tc = self._step_through(mask)
        change, at = self._largest_change(probs_tc, mask_source, masked)
        return PaddedRun(probs_tc, mask, change, at)

    def curve(
        self,
        mask_source: MaskSource = "model",
        max_k: int = MAX_PADDING,
        masked: frozenset[int] = frozenset(),
    ) -> Floats:
        """Largest |change| for each number of padded positions, (max_k + 1,) float32: `run(k).largest_change`.

        k = 0, 1, 7, 64 and 200 are stepped through as `run` does it. The others go in lockstep, with their masked
        positions left out where the tagger skips them; those that then hold the same tokens are one computation.
        """
        if not 0 <= max_k <= MAX_PADDING:
            raise ValueError(f"expected 0 to {MAX_PADDING} padded positions; received {max_k}")
        curve: Floats = np.zeros(max_k + 1, dtype=np.float32)
        compared = self._compared(mask_source, masked)
        if not len(compared):
            return curve
        order = self._order(self._n_tokens + max_k)
        mask = self._mask(max_k, mask_source, masked)[order]
        # the rows that the lanes, one for each number of padded positions, are made of
        kept = np.flatnonzero(mask) if self._tagger.skips_masked else np.arange(len(mask))
        in_front = max_k if self._side == "front" else 0
        # lane k holds the kept rows from begins[k] to before ends[k]
        added = np.arange(max_k + 1)
        begins = np.searchsorted(kept, in_front - added if in_front else 0 * added, side="left")
        ends = np.searchsorted(kept, in_front + self._n_tokens + (0 * added if in_front else added), side="left")
        bounds, lane_of = np.unique(np.stack([begins, ends], axis=1), axis=0, return_inverse=True)
        firsts, lengths = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
        alone = self._without_padding(mask_source)
        places = np.searchsorted(kept, in_front + np.asarray(compared))
        real = None if self._tagger.skips_masked else mask
        with np.errstate(over="ignore", invalid="ignore"):
            probs = self._tagger.score_projected(self._projected[order][kept], firsts, lengths, real=real)
        starts = np.cumsum(lengths) - lengths - firsts
        lanes = probs[starts[:, None] + places[None, :]]
        changes = np.abs(lanes - alone[compared][None]).max(axis=(1, 2))
        curve[:] = changes[lane_of]
        for k in _CHECKED:
            if k <= max_k:
                curve[k] = self.run(k, mask_source, masked).largest_change
        # lanes that hold the same tokens as a checked one get the same value, to the last bit
        for k in (k for k in _CHECKED if k <= max_k):
            curve[lane_of == lane_of[k]] = curve[k]
        return curve

    def _mask(self, k: int, mask_source: MaskSource, masked: frozenset[int]) -> Mask:
        """The mask (T + k,) that a rule gives, True = real token; `masked` tokens are False under any rule."""
        n_positions = self._n_tokens + k
        if mask_source == "model":
            mask = self._model_mask[:n_positions].copy()
        elif mask_source == "lengths":
            mask = np.arange(n_positions) < self._n_tokens
        elif mask_source == "none":
            mask = np.ones(n_positions, dtype=np.bool_)
        else:
            raise ValueError(f"expected model, lengths or none; received {mask_source!r}")
        mask[[token for token in masked if 0 <= token < self._n_tokens]] = False
        return mask

    def _without_padding(self, mask_source: MaskSource) -> Floats:
        if mask_source not in self._alone:
            self._alone[mask_source] = self._step_through(self._mask(0, mask_source, frozenset()))
        return self._alone[mask_source]

    def _compared(self, mask_source: MaskSource, masked: frozenset[int]) -> Sequence[int]:
        real = self._mask(0, mask_source, masked)
        return np.flatnonzero(real).tolist()

    def _largest_change(
        self, probs_tc: Floats, mask_source: MaskSource, masked: frozenset[int]
    ) -> tuple[float, int | None]:
        compared = self._compared(mask_source, masked)
        return largest_change(probs_tc, self._without_padding(mask_source), compared)

    def _order(self, n_positions: int) -> Indices:
        """The rows of tokens and padding in the order in which the model reads them."""
        if self._side == "back":
            return np.arange(n_positions)
        return np.concatenate([np.arange(n_positions - 1, self._n_tokens - 1, -1), np.arange(self._n_tokens)])

    def _step_through(self, mask: Mask) -> Floats:
        order = self._order(len(mask))
        first, length = np.zeros(1, dtype=np.int64), np.array([len(mask)])
        with np.errstate(over="ignore", invalid="ignore"):
            read = self._tagger.score_projected(self._projected[order], first, length, real=mask[order])
        if self._side == "back":
            return read
        probs_tc = np.empty_like(read)
        probs_tc[order] = read
        return probs_tc


def _projected_few(tagger: PackedTagger, rows: Floats) -> Floats:
    """As `Projector.project`, for the rows (n, D) of one sentence, on one thread."""
    return tagger.project_few(rows, _small_product)


def _small_product(rows: Floats, kernel: Floats) -> Floats:
    """Multiply rows (n, D) by kernel (D, m), in slices of D so small that BLAS stays on one thread.

    For one sentence, waking threads costs more than the product: on a busy machine, some frames of the screen.
    OpenBLAS stays on one thread up to n·m·d = 2^18 (interface/gemm.c).
    """
    product: Floats = np.zeros((len(rows), kernel.shape[1]), dtype=np.float32)
    step = max(1, _ONE_THREAD // max(1, product.size))
    for begin in range(0, len(kernel), step):
        product += rows[:, begin : begin + step] @ kernel[begin : begin + step]
    return product


@lru_cache(maxsize=4)
def _projected_noise(tagger: PackedTagger) -> Floats:
    """N(0, 1) rows (MAX_PADDING, D) times the lowest kernel: the same for every sentence but for a factor."""
    noise = _noise(tagger.dim)
    return tagger.projector(noise.dtype).project(noise)


def _noise(dim: int) -> Floats:
    return np.random.default_rng(_NOISE_SEED).standard_normal((MAX_PADDING, dim), dtype=np.float32)


def _spread(embeddings: Embeddings) -> np.float32:
    own: Floats = np.asarray(embeddings, dtype=np.float32)
    return np.float32(np.sqrt(np.mean(own * own, dtype=np.float64))) if own.size else np.float32(1)


def _repeated(rows: Floats) -> Indices:
    """Which of the rows (n, D) is at each of the padded positions, (MAX_PADDING,)."""
    return np.arange(MAX_PADDING) % len(rows)
