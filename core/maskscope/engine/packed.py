"""Exact scoring in numpy, with no padding at all and no TensorFlow.

One matrix product serves all tokens and both directions; only the small recurrent step goes from token to token,
in lockstep over sentences of unlike length (`recurrence.py`). A masked step is left out: at a masked step Keras
carries the LSTM's state over, so leaving it out gives the same numbers at all others. What the model prints at the
masked step itself depends on its last LSTM: `Bidirectional` puts zeros there, so the layers above it make the same
of every masked position; a plain LSTM repeats its last output.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

import numpy as np

from maskscope import masks
from maskscope.engine.keras_file import read_keras_file
from maskscope.engine.pointwise import Pointwise, Product, sigmoid
from maskscope.engine.recurrence import (
    LayerWeights,
    PreparedLayer,
    Scratch,
    inputs_of,
    inputs_over,
    merged,
    prepare,
    run,
    schedule,
)
from maskscope.engine.weights import Head, StackWeights, check, read_npz, write_npz
from maskscope.errors import ModelError
from maskscope.jobs import Job, NullJob
from maskscope.types import Embeddings, Floats, Indices, Mask, Offsets

MaskRule: TypeAlias = Literal["model", "lengths"]
"""Where a mask comes from: "model" is what the Masking layer sees, "lengths" says that every row is a token."""

_GROUP_TOKENS = 32_768
_GROUP_GATES = 8 << 20
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    kernel: Floats
    bias: Floats
    activation: Head

    def __call__(self, logits_cn: Floats) -> Floats:
        """Probabilities (n, C) of logits (C, n), which are overwritten."""
        if self.activation == "sigmoid":
            sigmoid(logits_cn)
        else:
            logits_cn -= logits_cn.max(axis=0, keepdims=True, initial=-np.inf)
            np.exp(logits_cn, out=logits_cn)
            logits_cn /= logits_cn.sum(axis=0, keepdims=True)
        return logits_cn.T


class PackedTagger:
    """A trained tagger, ready to score without padding. Made by `load` or from `StackWeights`.

    Args:
        weights: the stack's weights. Raises ModelError when their shapes don't fit each other.
        file: where they came from, for messages.
    """

    def __init__(self, weights: StackWeights, file: Path | None = None) -> None:
        check(weights, file)
        self._weights = weights
        self._file = file
        below: list[Pointwise] = []
        layers: list[PreparedLayer] = []
        above: list[list[Pointwise]] = []
        times = 1
        for layer in weights.layers:
            if isinstance(layer, LayerWeights):
                layers.append(prepare(layer, times))
                above.append([])
                times = layers[-1].times
            else:
                (above[-1] if layers else below).append(Pointwise(layer, times))
                times = 1
        self._below = tuple(below)
        self._layers = tuple(layers)
        self._above = tuple(tuple(pointwise) for pointwise in above)
        kernel = np.ascontiguousarray(weights.dense.T * np.float32(1 / times))
        self._head = _Head(kernel, weights.dense_bias, weights.head)
        widths = [8 * layer.units for layer in layers]
        widths += [pointwise.units for row in (below, *above) for pointwise in row]
        self._widest = max(widths)

    @property
    def dim(self) -> int:
        """D, numbers in one embedding."""
        return self._weights.dim

    @property
    def n_outputs(self) -> int:
        """C, probabilities the model prints for each token."""
        return int(self._weights.dense.shape[1])

    @property
    def mask_value(self) -> float | None:
        """Of the Masking layer; None when the model has none, and so takes every row for a token."""
        return self._weights.mask_value

    @property
    def units(self) -> int:
        """LSTM units in each direction of the lowest layer."""
        return self._layers[0].units

    @property
    def layers(self) -> int:
        """How many LSTM layers, plain or bidirectional, stand one above the other."""
        return len(self._layers)

    @property
    def name(self) -> str:
        """The stack in a few words: "BiLSTM 10", "LSTM 32 + BiLSTM 16"."""
        return self._weights.name

    @property
    def head(self) -> Head:
        """The activation of the last layer."""
        return self._weights.head

    @property
    def masked_output(self) -> Floats:
        """What the model prints at a masked position before the first real token, (C,). It is not a prediction.

        It is what the layers above the last LSTM make of zeros: act(bias) when there is none but the last Dense.
        Unless the last LSTM `repeats`, the model prints it at every masked position.
        """
        last = self._layers[-1]
        zeros: Floats = np.zeros((last.directions, last.units, 1), dtype=np.float32)
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(self.read_out(zeros)[0])

    @property
    def repeats(self) -> bool:
        """Whether a masked position prints what the last real one before it does: the last LSTM is a plain one."""
        return self._layers[-1].directions == 1

    def padded_output(self, last_probs: Floats | None) -> Floats:
        """What the model prints at padded positions to the right of a sentence when they are masked, (C,).

        Args:
            last_probs: (C,), what it prints at the sentence's last position; None for a sentence of none.
        """
        return last_probs if self.repeats and last_probs is not None else self.masked_output

    def score(
        self,
        embeddings: Embeddings,
        offsets: Offsets,
        mask: MaskRule | Mask = "model",
        job: Job | None = None,
    ) -> Floats:
        """Probabilities (n, C) float32 of every token.

        Args:
            embeddings: (n, D) float16 or float32, sentences one after another; a memory map is read in blocks.
            offsets: (n_sentences + 1,) where each sentence begins, and n at the end.
            mask: "model": what the model's Masking layer makes of the rows, equal to Keras; "lengths": every row
                is a real token; or bool (n,), True = real token. Masked rows get what the model prints there.
            job: is told how many tokens are done.

        Raises:
            ModelError: the arrays don't fit the model or each other.
            Cancelled: the job was cancelled.
        """
        job = NullJob() if job is None else job
        n_tokens = self._check_input(embeddings, offsets, mask)
        probs_nc: Floats = np.empty((n_tokens, self.n_outputs), dtype=np.float32)
        # The recurrent part of one group goes on beside the product of the next, which it never waits for:
        # it fills what the product's threads leave idle. Each has its own of two projectors' memory.
        projectors = (Projector(self, embeddings.dtype), Projector(self, embeddings.dtype))
        scratch = Scratch()
        job.progress(0, n_tokens, "tokens")
        with ThreadPoolExecutor(1) as beside, np.errstate(over="ignore", invalid="ignore"):
            running: Future[None] | None = None
            done = 0
            for turn, (begin, end) in enumerate(_groups(offsets, self._widest)):
                first, last = int(offsets[begin]), int(offsets[end])
                rows = embeddings[first:last]
                projector = projectors[turn % 2]
                projected = projector.project(rows)
                if isinstance(mask, str):
                    real = projector.real_rows(rows, projected) if mask == "model" else None
                else:
                    real = mask[first:last]
                bounds = np.asarray(offsets[begin : end + 1], dtype=np.int64) - first
                if running is not None:
                    running.result()
                    job.progress(done, n_tokens, "tokens")
                group = (projected, bounds, real, scratch, probs_nc[first:last])
                if last == n_tokens:
                    self._score_group(*group)
                    break
                running, done = beside.submit(self._score_group, *group), last
        job.progress(n_tokens, n_tokens, "tokens")
        return probs_nc

    def _score_group(
        self, projected: Floats, bounds: Offsets, real: Mask | None, scratch: Scratch, out: Floats
    ) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            if real is None or real.all():
                out[:] = self.score_projected(projected, bounds[:-1], np.diff(bounds), scratch)
                return
            kept = np.concatenate([[0], np.cumsum(real)]).astype(np.int64)[bounds]
            probs = self.score_projected(projected[real], kept[:-1], np.diff(kept), scratch)
            out[real] = probs
            masked = ~real
            out[masked] = self.masked_output
            if self.repeats and len(probs):
                # how many real tokens stand before each masked one, and before its sentence
                before = np.cumsum(real)[masked]
                others = np.repeat(kept[:-1], np.diff(bounds))[masked]
                out[masked] = np.where((before > others)[:, None], probs[before - 1], self.masked_output)

    def score_projected(
        self, projected: Floats, firsts: Offsets, lengths: Offsets, scratch: Scratch | None = None
    ) -> Floats:
        """Probabilities of sentences whose product with the lowest LSTM's kernel is known already.

        Args:
            projected: (n, directions * 4 units) float32, what `Projector.project` returns, real tokens only.
            firsts: (B,) row of each sentence's first token; sentences may share rows.
            lengths: (B,) tokens of each sentence.
            scratch: memory to use again from call to call.

        Returns:
            (sum of lengths, C) float32, the sentences one after another.
        """
        scratch = Scratch() if scratch is None else scratch
        plan = schedule(firsts, lengths)
        lowest = self._layers[0]
        hidden = run(inputs_of(projected, plan, lowest, scratch), plan, lowest, scratch)
        for i, layer in enumerate(self._layers[1:]):
            features = self.features_above(i, hidden, plan.mirror)
            hidden = run(inputs_over(features, plan, layer, scratch), plan, layer, scratch)
        if self._layers[-1].joins and not self._above[-1]:
            # the far direction is put in order after the product: it has fewer rows then
            half = hidden.shape[1]
            logits = self._head.kernel[:, :half] @ hidden[0]
            logits += np.take(self._head.kernel[:, half:] @ hidden[1], plan.mirror, axis=1)
        else:
            logits = self._head.kernel @ self.features_above(-1, hidden, plan.mirror)
        logits += self._head.bias[:, None]
        return np.take(self._head(logits), plan.places, axis=0)

    @property
    def prepared(self) -> tuple[PreparedLayer, ...]:
        """The LSTM layers' weights, rearranged for `recurrence`, lowest first."""
        return self._layers

    def features_below(self, embeddings: Floats, product: Product = np.matmul) -> Floats:
        """What reaches the lowest LSTM, (W, n), of embeddings (n, D) float32; `product` multiplies matrices."""
        features = embeddings.T
        for pointwise in self._below:
            features = pointwise(features, product)
        return features

    @property
    def starts_recurrent(self) -> bool:
        """Whether the lowest LSTM reads the embeddings themselves: no Dense or LayerNormalization stands below it."""
        return not self._below

    def features_above(self, layer: int, hidden: Floats, mirror: Indices | None = None) -> Floats:
        """What the kernel next above LSTM `layer` is multiplied with, (W, N), of hidden = 2 h (directions, units, N).

        `mirror` is the schedule's; None when both directions stand in the same order. It puts the directions
        together and applies the Dense and LayerNormalization layers that stand between.
        """
        features = merged(hidden, mirror, self._layers[layer])
        for pointwise in self._above[layer]:
            features = pointwise(features)
        return features

    def read_out(self, hidden: Floats) -> Floats:
        """Probabilities (T, C) of the last LSTM's hidden = 2 h (directions, units, T), in reading order in both."""
        logits = self._head.kernel @ self.features_above(-1, hidden)
        logits += self._head.bias[:, None]
        return self._head(logits)

    def save_npz(self, path: Path) -> None:
        """Write the weights where `load` reads them back without h5py; the file is complete or not there."""
        write_npz(self._weights, path)

    def _check_input(self, embeddings: Embeddings, offsets: Offsets, mask: MaskRule | Mask) -> int:
        kinds = (np.float16, np.float32)
        if embeddings.ndim != 2 or embeddings.shape[1] != self.dim or embeddings.dtype not in kinds:
            raise ModelError(
                "the embeddings don't fit the model",
                file=self._file,
                expected=f"(n, {self.dim}) float16 or float32",
                received=f"{embeddings.shape} {embeddings.dtype}",
            )
        n_tokens = len(embeddings)
        if (
            offsets.ndim != 1
            or not len(offsets)
            or offsets[0] != 0
            or offsets[-1] != n_tokens
            or (np.diff(offsets) < 0).any()
        ):
            raise ModelError(
                "the offsets don't fit the embeddings",
                file=self._file,
                expected=f"whole numbers rising from 0 to {n_tokens}",
                received=f"{offsets.shape} from {offsets[:1].tolist()} to {offsets[-1:].tolist()}",
            )
        if isinstance(mask, str):
            if mask not in ("model", "lengths"):
                raise ModelError("there is no such mask rule", expected="model or lengths", received=mask)
        elif mask.shape != (n_tokens,) or mask.dtype != np.bool_:
            raise ModelError(
                "the mask does not fit the embeddings",
                expected=f"({n_tokens},) bool",
                received=f"{mask.shape} {mask.dtype}",
            )
        return n_tokens


class Projector:
    """Multiplies embeddings with the lowest LSTM's kernel, block by block, after whatever stands below that layer,
    and finds the rows a Masking layer masks.

    Args:
        tagger: whose layers and mask value.
        dtype: of the embeddings.
    """

    def __init__(self, tagger: PackedTagger, dtype: np.dtype[np.generic]) -> None:
        self._kernel = tagger.prepared[0].kernel
        self._mask_value = tagger.mask_value
        # None when the kernel is multiplied with the embeddings themselves
        self._features_below = None if tagger.starts_recurrent else tagger.features_below
        dim = tagger.dim
        self._block = max(64, _BLOCK_BYTES // (4 * dim))
        self._buffer: Floats | None = None
        if dtype == np.float16:
            self._buffer = np.empty((self._block, dim), dtype=np.float32)
        self._gates: Floats = np.empty((0, self._kernel.shape[1]), dtype=np.float32)

    def project(self, rows: Embeddings) -> Floats:
        """rows (n, D) @ kernel: (n, directions * 4 units) float32, valid until the next call."""
        if len(rows) > len(self._gates):
            self._gates = np.empty((len(rows), self._kernel.shape[1]), dtype=np.float32)
        projected = self._gates[: len(rows)]
        if self._buffer is None and self._features_below is None:
            np.matmul(rows, self._kernel, out=projected)
            return projected
        for begin in range(0, len(rows), self._block):
            block = rows[begin : begin + self._block]
            wide = cast("Floats", block)
            if self._buffer is not None:
                wide = widen(cast("np.ndarray", block), self._buffer[: len(block)])
            if self._features_below is not None:
                wide = self._features_below(wide).T
            np.matmul(wide, self._kernel, out=projected[begin : begin + self._block])
        return projected

    def real_rows(self, rows: Embeddings, projected: Floats) -> Mask | None:
        """What the model's Masking layer makes of rows (n, D): bool (n,), True = real token; None when all are.

        A masked row's product with one column is known within rounding, so only rows that come near it need
        the exact look at all their numbers: a pass over n products in place of one over n x D numbers.
        """
        if self._mask_value is None:
            return None
        if self._features_below is not None:
            starts = range(0, len(rows), self._block)
            blocks = [masks.masking_layer(rows[begin : begin + self._block], self._mask_value) for begin in starts]
            return np.concatenate(blocks) if blocks else None
        column = self._kernel[:, 0].astype(np.float64)
        dim = len(column)
        known = self._mask_value * column.sum()
        tiny = float(np.finfo(np.float32).tiny)
        room = 4 * dim * float(np.finfo(np.float32).eps) * abs(self._mask_value) * np.abs(column).sum()
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


def load(path: Path | str) -> PackedTagger:
    """A tagger from a `.keras` file or from weights that `save_npz` wrote, told apart by the file's ending.

    Raises ModelError for a file that is damaged, or holds anything but the known stack.
    """
    path = Path(path)
    if path.suffix == ".keras":
        return PackedTagger(read_keras_file(path), path)
    if path.suffix == ".npz":
        return PackedTagger(read_npz(path), path)
    raise ModelError(
        "is no model file that can be scored",
        file=path,
        expected="a .keras file (convert others in Keras with model.save('NAME.keras'))",
        received=repr(path.suffix),
    )


def _groups(offsets: Offsets, widest: int) -> list[tuple[int, int]]:
    """Runs of whole sentences (begin, end), each of at most `_GROUP_TOKENS` tokens, or one sentence.

    Wide layers, of `widest` numbers a token, get smaller groups: a group's arrays stay within tens of megabytes.
    """
    most = max(1, min(_GROUP_TOKENS, _GROUP_GATES // widest))
    groups = []
    begin, n_sentences = 0, len(offsets) - 1
    while begin < n_sentences:
        end = int(np.searchsorted(offsets, offsets[begin] + most, side="right")) - 1
        end = min(max(end, begin + 1), n_sentences)
        groups.append((begin, end))
        begin = end
    return groups
