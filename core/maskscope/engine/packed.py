"""Exact scoring in numpy, with no padding at all and no TensorFlow.

One matrix product serves all tokens and both directions; only the small recurrent step goes from token to token,
in lockstep over sentences of unlike length (`recurrence.py`). A masked step is left out: at a masked step Keras
carries the state over, so leaving it out gives the same numbers at all others. The output at the masked step itself
depends on the recurrent layers: `Bidirectional` puts zeros there, so the layers above it give the same at every masked
position; a plain layer repeats its last output. Where both come together, or a layer leaves its outputs in reversed
order, the sentences that have masked tokens are stepped through as Keras does it.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from maskscope.engine.arrangement import Arrangement
from maskscope.engine.keras_file import read_keras_file
from maskscope.engine.pointwise import Product
from maskscope.engine.projector import Projector
from maskscope.engine.recurrence import Scratch, schedule
from maskscope.engine.weights import TaggerWeights, check
from maskscope.engine.weights_file import read_npz, write_npz
from maskscope.errors import ModelError
from maskscope.jobs import Job, NullJob
from maskscope.types import Embeddings, Floats, Mask, MaskValue, Offsets

MaskRule: TypeAlias = Literal["model", "lengths"]
"""Where a mask comes from: "model" is what the Masking layer computes, "lengths" takes every row for a token."""

_GROUP_TOKENS = 32_768
_GROUP_GATES = 8 << 20


class PackedTagger:
    """A trained tagger, ready to score without padding. Made by `load` or from `TaggerWeights`.

    Args:
        weights: of all layers. Raises ModelError when their shapes don't fit each other.
        file: where they came from, for messages.
    """

    def __init__(self, weights: TaggerWeights, file: Path | None = None) -> None:
        check(weights, file)
        self._weights = weights
        self._file = file
        self._arrangement = Arrangement(weights)
        self._n_outputs = weights.n_outputs
        # Masking sets masked rows to zeros
        self._masked_row: Floats = np.empty((1, self._arrangement.width), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            self._arrangement.project(np.zeros((self.dim, 1), dtype=np.float32), self._masked_row, masked=True)
        first, length, masked = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
        self._masked_output: Floats = self.score_projected(self._masked_row, first, length, real=masked)[0]

    @property
    def dim(self) -> int:
        """D, numbers in one embedding."""
        return self._weights.dim

    @property
    def n_outputs(self) -> int:
        """C, scores of each token."""
        return self._n_outputs

    @property
    def mask_value(self) -> MaskValue | None:
        """Of the Masking layer; None when the model has none, and so takes every row for a token."""
        return self._weights.mask_value

    @property
    def masked_output(self) -> Floats:
        """The output at a masked position before the first real token, (C,). It is not a prediction.

        It is the output at every masked position where the tagger is `same_at_masked`: with a Dense layer on a
        bidirectional one, the activation of the bias.
        """
        return self._masked_output

    @property
    def same_at_masked(self) -> bool:
        """Whether the output at every masked position is `masked_output`."""
        return self._arrangement.same_at_masked

    @property
    def repeats_last_output(self) -> bool:
        """Whether the output at a masked position is that of the last real one, as a plain LSTM gives it."""
        return self._arrangement.repeats_last

    @property
    def skips_masked(self) -> bool:
        """Whether the outputs at real tokens are those of the sentence without its masked ones.

        False for a model with a layer that leaves its outputs in reversed order.
        """
        return not self._arrangement.reverses

    def score(
        self,
        embeddings: Embeddings,
        offsets: Offsets,
        mask: MaskRule | Mask = "model",
        job: Job | None = None,
    ) -> Floats:
        """Scores (n, C) float32 of every token: the model's outputs, converted as its weights say.

        Args:
            embeddings: (n, D) float16 or float32, sentences one after another; a memory map is read in blocks.
            offsets: (n_sentences + 1,) where each sentence begins, and n at the end.
            mask: "model": what the model's Masking layer computes from the rows, equal to Keras; "lengths": every
                row is a real token; or bool (n,), True = real token. Masked rows get the model's output there.
            job: gets the number of tokens done.

        Raises:
            ModelError: the arrays don't fit the model or each other.
            Cancelled: the job was cancelled.
        """
        job = NullJob() if job is None else job
        n_tokens = self._check_input(embeddings, offsets, mask)
        scores_nc: Floats = np.empty((n_tokens, self.n_outputs), dtype=np.float32)
        # The recurrent part of one group runs in a thread during the matrix product of the next, which leaves
        # processor time unused. Two projectors, since each result has to stay until its group is scored.
        projectors = (self.projector(embeddings.dtype), self.projector(embeddings.dtype))
        scratch = Scratch()
        job.progress(0, n_tokens, "tokens")
        with ThreadPoolExecutor(1) as background, np.errstate(over="ignore", invalid="ignore"):
            running: Future[None] | None = None
            done = 0
            for turn, (begin, end) in enumerate(_groups(offsets, self._arrangement.widest)):
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
                group = (projected, bounds, real, scratch, scores_nc[first:last])
                if last == n_tokens:
                    self._score_group(*group)
                    break
                running, done = background.submit(self._score_group, *group), last
        job.progress(n_tokens, n_tokens, "tokens")
        return scores_nc

    def score_padding(self, embeddings: Embeddings, offsets: Offsets, scores_nc: Floats) -> Floats | None:
        """The scores at the masked position right behind each sentence. They are no predictions.

        Args:
            embeddings: (n, D) float16 or float32, as for `score`.
            offsets: (n_sentences + 1,).
            scores_nc: (n, C), what `score` gives for them.

        Returns:
            (C,) when they are the same everywhere; else (n_sentences, C); None for a tagger that masks nothing, which
            takes padding for tokens.
        """
        value = self.mask_value
        if value is None or np.isnan(value).any():
            return None
        if self.same_at_masked:
            return self.masked_output
        padding: Floats = np.repeat(self.masked_output[None], len(offsets) - 1, axis=0)
        if self.repeats_last_output:
            filled = np.flatnonzero(np.diff(offsets))
            padding[filled] = scores_nc[offsets[1:][filled] - 1]
            return padding
        with np.errstate(over="ignore", invalid="ignore"):
            self._step_through_padding(embeddings, offsets, padding)
        return padding

    def _step_through_padding(self, embeddings: Embeddings, offsets: Offsets, out: Floats) -> None:
        """Score each sentence with one masked position behind it; `out` gets the outputs there."""
        projector = self.projector(embeddings.dtype)
        for begin, end in _groups(offsets, self._arrangement.widest):
            rows = embeddings[offsets[begin] : offsets[end]]
            projected = projector.project(rows)
            real = projector.real_rows(rows, projected)
            ends = offsets[begin + 1 : end + 1] - offsets[begin]
            projected = np.insert(projected, ends, self._masked_row, axis=0)
            real = np.insert(np.ones(len(rows), dtype=np.bool_) if real is None else real, ends, False)
            lengths = np.diff(offsets[begin : end + 1]) + 1
            scores = self.score_projected(projected, np.cumsum(lengths) - lengths, lengths, real=real)
            out[begin:end] = scores[np.cumsum(lengths) - 1]

    def _score_group(
        self, projected: Floats, bounds: Offsets, real: Mask | None, scratch: Scratch, out: Floats
    ) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            if real is None or real.all():
                out[:] = self.score_projected(projected, bounds[:-1], np.diff(bounds), scratch)
                return
            arrangement = self._arrangement
            if not arrangement.same_at_masked and not arrangement.repeats_last:
                self._step_through_masked(projected, bounds, real, scratch, out)
                return
            kept = np.concatenate([[0], np.cumsum(real)]).astype(np.int64)[bounds]
            scores = self.score_projected(projected[real], kept[:-1], np.diff(kept), scratch)
            out[real] = scores
            masked = ~real
            out[masked] = self.masked_output
            if arrangement.repeats_last and len(scores):
                # how many real tokens are before each masked one, and before its sentence
                before = np.cumsum(real)[masked]
                others = np.repeat(kept[:-1], np.diff(bounds))[masked]
                out[masked] = np.where((before > others)[:, None], scores[before - 1], self.masked_output)

    def _step_through_masked(
        self, projected: Floats, bounds: Offsets, real: Mask, scratch: Scratch, out: Floats
    ) -> None:
        """Score the sentences with masked tokens as Keras does it, the others as usual."""
        firsts, lengths = bounds[:-1], np.diff(bounds)
        n_real = np.concatenate([[0], np.cumsum(real)])[bounds]
        has_masked = np.diff(n_real) < lengths
        for group, mask in ((~has_masked, None), (has_masked, real)):
            places = np.repeat(group, lengths)
            out[places] = self.score_projected(projected, firsts[group], lengths[group], scratch, mask)

    def project_few(self, rows: Floats, product: Product = np.matmul) -> Floats:
        """Projected rows of a few embeddings (n, D), without memory of their own; `product` multiplies matrices."""
        projected: Floats = np.empty((len(rows), self._arrangement.width), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            self._arrangement.project(rows.T, projected, product)
        return projected

    def projector(self, dtype: np.dtype[np.generic]) -> Projector:
        """What computes projected rows, for embeddings of `dtype`."""
        return Projector(self._arrangement, self.mask_value, self.dim, dtype)

    @property
    def starts_recurrent(self) -> bool:
        """Whether the projected rows are one product of the embeddings themselves."""
        return self._arrangement.kernel is not None

    def score_projected(
        self,
        projected: Floats,
        firsts: Offsets,
        lengths: Offsets,
        scratch: Scratch | None = None,
        real: Mask | None = None,
    ) -> Floats:
        """Scores of sentences whose projected rows have been computed already.

        Args:
            projected: (n, width) float32, from `Projector.project` or `project_few`.
            firsts: (B,) row of each sentence's first token; sentences may share rows.
            lengths: (B,) tokens of each sentence.
            scratch: memory that is used again from call to call.
            real: (n,) bool, True = real token: masked rows are stepped through as Keras does it, whatever they hold;
                None when all are real.

        Returns:
            (sum of lengths, C) float32, the sentences one after another.
        """
        if real is not None:
            projected = np.where(real[:, None], projected, self._masked_row)
        plan = schedule(firsts, lengths)
        scores = self._arrangement.evaluate(projected, plan, Scratch() if scratch is None else scratch, real)
        return np.take(scores.T, plan.places, axis=0)

    def save_npz(self, path: Path) -> None:
        """Write the weights to a file that `load` reads without h5py; the file is complete or not there."""
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


def load(path: Path | str) -> PackedTagger:
    """A tagger from a `.keras` file or from weights that `save_npz` wrote, distinguished by the file's ending.

    Raises ModelError for a file that is damaged, or holds other layers than the known ones.
    """
    path = Path(path)
    if path.suffix == ".keras":
        return PackedTagger(read_keras_file(path), path)
    if path.suffix == ".npz":
        return PackedTagger(read_npz(path), path)
    raise ModelError(
        "is not a model file that can be scored",
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
