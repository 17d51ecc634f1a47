"""Exact scoring in numpy, with no padding at all and no TensorFlow.

One matrix product serves all tokens and both directions; only the small recurrent step goes from token to token,
in lockstep over sentences of unlike length (`recurrence.py`). A masked step is left out: at a masked step Keras
carries the LSTM's state over, and `Bidirectional` puts zeros there, so leaving it out gives the same numbers, and
the head then prints its bias there.
"""

import os
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

import numpy as np

from maskscope import masks
from maskscope.errors import ModelError
from maskscope.files import replace_durably
from maskscope.jobs import Job, NullJob
from maskscope.tagger.keras_file import StackWeights, read_keras_file
from maskscope.tagger.recurrence import (
    LayerWeights,
    PreparedLayer,
    Scratch,
    inputs_above,
    inputs_of,
    prepare,
    run,
    schedule,
)
from maskscope.types import Embeddings, Floats, Mask, Offsets

MaskRule: TypeAlias = Literal["model", "lengths"]
"""Where a mask comes from: "model" is what the Masking layer sees, "lengths" says that every row is a token."""

_GROUP_TOKENS = 32_768
_GROUP_GATES = 8 << 20
_BLOCK_BYTES = 8 << 20
_NPZ_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    kernel: Floats
    bias: Floats
    activation: Literal["sigmoid", "softmax"]

    def __call__(self, logits_cn: Floats) -> Floats:
        """Probabilities (n, C) of logits (C, n), which are overwritten."""
        if self.activation == "sigmoid":
            # 1 / (1 + exp(-x)): exp overflows to infinity for x < -88, and the result is then 0, as it should be
            np.negative(logits_cn, out=logits_cn)
            np.exp(logits_cn, out=logits_cn)
            logits_cn += np.float32(1.0)
            np.divide(np.float32(1.0), logits_cn, out=logits_cn)
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
        _check(weights, file)
        self._weights = weights
        self._file = file
        self._layers = tuple(prepare(layer, first=not i) for i, layer in enumerate(weights.layers))
        # `hidden` arrays hold 2 h
        self._head = _Head(np.ascontiguousarray(weights.dense.T * np.float32(0.5)), weights.dense_bias, weights.head)

    @property
    def dim(self) -> int:
        """D, numbers in one embedding."""
        return int(self._weights.layers[0].kernel.shape[1])

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
        return self._weights.layers[0].units

    @property
    def layers(self) -> int:
        """How many bidirectional layers stand one above the other."""
        return len(self._weights.layers)

    @property
    def head(self) -> Literal["sigmoid", "softmax"]:
        """The activation of the last layer."""
        return self._weights.head

    @property
    def masked_output(self) -> Floats:
        """What the model prints at every masked position, (C,): act(bias). It is not a prediction."""
        return np.ascontiguousarray(self._head(self._weights.dense_bias[:, None].copy())[0])

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
                is a real token; or bool (n,), True = real token. Masked rows get `masked_output`.
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
            for turn, (begin, end) in enumerate(_groups(offsets, self.units)):
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
            out[~real] = self.masked_output
            out[real] = self.score_projected(projected[real], kept[:-1], np.diff(kept), scratch)

    def score_projected(
        self, projected: Floats, firsts: Offsets, lengths: Offsets, scratch: Scratch | None = None
    ) -> Floats:
        """Probabilities of sentences whose product with the lowest kernel is known already.

        Args:
            projected: (n, 8 units) float32, what `Projector.project` returns, real tokens only.
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
        for layer in self._layers[1:]:
            hidden = run(inputs_above(hidden, plan, layer, scratch), plan, layer, scratch)
        half = hidden.shape[1]
        logits = self._head.kernel[:, :half] @ hidden[0]
        logits += np.take(self._head.kernel[:, half:] @ hidden[1], plan.mirror, axis=1)
        logits += self._head.bias[:, None]
        return np.take(self._head(logits), plan.places, axis=0)

    @property
    def prepared(self) -> tuple[PreparedLayer, ...]:
        """The layers' weights, rearranged for `recurrence`, lowest first."""
        return self._layers

    def read_out(self, hidden: Floats) -> Floats:
        """Probabilities (T, C) of hidden = 2 h (2, units, T), positions in reading order in both directions."""
        logits = self._head.kernel @ hidden.reshape(-1, hidden.shape[2])
        logits += self._head.bias[:, None]
        return self._head(logits)

    def save_npz(self, path: Path) -> None:
        """Write the weights where `load` reads them back without h5py; the file is complete or not there."""
        weights = self._weights
        arrays: dict[str, np.ndarray] = {
            "format": np.asarray(_NPZ_FORMAT),
            "head": np.asarray(weights.head),
            "mask_value": np.asarray([] if weights.mask_value is None else [weights.mask_value], dtype=np.float64),
            "layers": np.asarray(len(weights.layers)),
            "dense": weights.dense,
            "dense_bias": weights.dense_bias,
        }
        for i, layer in enumerate(weights.layers):
            arrays[f"kernel_{i}"] = layer.kernel
            arrays[f"recurrent_{i}"] = layer.recurrent
            arrays[f"bias_{i}"] = layer.bias
        beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
        try:
            with beside.open("wb") as stream:
                # numpy's stub takes **arrays for allow_pickle
                np.savez(stream, **arrays)  # type: ignore[arg-type]
            replace_durably(beside, path)
        finally:
            beside.unlink(missing_ok=True)

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
    """Multiplies embeddings with the lowest kernel, block by block, and finds the rows a Masking layer masks.

    Args:
        tagger: whose kernel and mask value.
        dtype: of the embeddings.
    """

    def __init__(self, tagger: PackedTagger, dtype: np.dtype[np.generic]) -> None:
        self._kernel = tagger.prepared[0].kernel
        self._mask_value = tagger.mask_value
        dim = self._kernel.shape[0]
        self._block = max(64, _BLOCK_BYTES // (4 * dim))
        self._buffer: Floats | None = None
        if dtype == np.float16:
            self._buffer = np.empty((self._block, dim), dtype=np.float32)
        self._gates: Floats = np.empty((0, self._kernel.shape[1]), dtype=np.float32)

    def project(self, rows: Embeddings) -> Floats:
        """rows (n, D) @ kernel: (n, 8 units) float32, valid until the next call."""
        if len(rows) > len(self._gates):
            self._gates = np.empty((len(rows), self._kernel.shape[1]), dtype=np.float32)
        projected = self._gates[: len(rows)]
        if self._buffer is None:
            np.matmul(rows, self._kernel, out=projected)
            return projected
        for begin in range(0, len(rows), self._block):
            block = rows[begin : begin + self._block]
            wide = widen(cast("np.ndarray", block), self._buffer[: len(block)])
            np.matmul(wide, self._kernel, out=projected[begin : begin + self._block])
        return projected

    def real_rows(self, rows: Embeddings, projected: Floats) -> Mask | None:
        """What the model's Masking layer makes of rows (n, D): bool (n,), True = real token; None when all are.

        A masked row's product with one column is known within rounding, so only rows that come near it need
        the exact look at all their numbers: a pass over n products in place of one over n x D numbers.
        """
        if self._mask_value is None:
            return None
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
        return PackedTagger(_read_npz(path), path)
    raise ModelError(
        "is no model file that can be scored",
        file=path,
        expected="a .keras file (convert others in Keras with model.save('NAME.keras'))",
        received=repr(path.suffix),
    )


def _read_npz(path: Path) -> StackWeights:
    try:
        # numpy leaves a file it can't read open, so it is opened here
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = int(arrays["format"])
            if found != _NPZ_FORMAT:
                raise ModelError(
                    "was written by another version", file=path, expected=str(_NPZ_FORMAT), received=str(found)
                )
            value = arrays["mask_value"]
            head = str(arrays["head"])
            if head not in ("sigmoid", "softmax"):
                raise ValueError(f"head {head!r}")
            return StackWeights(
                mask_value=float(value[0]) if len(value) else None,
                layers=tuple(
                    LayerWeights(arrays[f"kernel_{i}"], arrays[f"recurrent_{i}"], arrays[f"bias_{i}"])
                    for i in range(int(arrays["layers"]))
                ),
                dense=arrays["dense"],
                dense_bias=arrays["dense_bias"],
                head=cast("Literal['sigmoid', 'softmax']", head),
            )
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=path) from error
    except (ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(
            "holds no weights of Maskscope", file=path, received=f"{type(error).__name__}: {error}"
        ) from error


def _check(weights: StackWeights, file: Path | None) -> None:
    """Raise ModelError unless all shapes fit."""
    if not weights.layers:
        raise ModelError("holds no recurrent layer", file=file)
    wide: int | None = None
    wanted: list[tuple[np.ndarray, tuple[int, ...]]] = []
    for layer in weights.layers:
        units = layer.recurrent.shape[1] if layer.recurrent.ndim == 3 else 0
        dim = layer.kernel.shape[1] if wide is None and layer.kernel.ndim == 3 else wide
        wanted += [
            (layer.kernel, (2, dim or 0, 4 * units)),
            (layer.recurrent, (2, units, 4 * units)),
            (layer.bias, (2, 4 * units)),
        ]
        wide = 2 * units
    outputs = len(weights.dense_bias) if weights.dense_bias.ndim == 1 else 0
    wanted += [(weights.dense, (wide or 0, outputs)), (weights.dense_bias, (outputs,))]
    for array, shape in wanted:
        if array.shape != shape or array.dtype != np.float32 or 0 in shape or not np.isfinite(array).all():
            raise ModelError(
                "holds weights that don't fit each other",
                file=file,
                expected=f"{shape} float32, finite",
                received=f"{array.shape} {array.dtype}",
            )


def _groups(offsets: Offsets, units: int) -> list[tuple[int, int]]:
    """Runs of whole sentences (begin, end), each of at most `_GROUP_TOKENS` tokens, or one sentence.

    Wide layers get smaller groups, so that the gates of a group stay within some tens of megabytes.
    """
    most = max(1, min(_GROUP_TOKENS, _GROUP_GATES // (8 * units)))
    groups = []
    begin, n_sentences = 0, len(offsets) - 1
    while begin < n_sentences:
        end = int(np.searchsorted(offsets, offsets[begin] + most, side="right")) - 1
        end = min(max(end, begin + 1), n_sentences)
        groups.append((begin, end))
        begin = end
    return groups
