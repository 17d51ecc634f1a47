"""Exact scoring in numpy, with no padding at all and no TensorFlow.

One matrix product serves all tokens and both directions; only the small recurrent step goes from token to token,
in lockstep over sentences of unlike length (`recurrence.py`). A masked step is left out: at a masked step Keras
carries the LSTM's state over, so leaving it out gives the same numbers at all others. The output at the masked
step itself depends on the last LSTM: `Bidirectional` puts zeros there, so the layers above it give the same at
every masked position; a plain LSTM repeats its last output.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from maskscope.engine.keras_file import read_keras_file
from maskscope.engine.pointwise import Pointwise, Product, apply_all, output_probabilities
from maskscope.engine.projector import Projector
from maskscope.engine.recurrence import (
    LstmWeights,
    PreparedLstm,
    Scratch,
    inputs_of,
    inputs_over,
    merged,
    prepare,
    run,
    schedule,
)
from maskscope.engine.weights import TaggerWeights, check, read_npz, write_npz
from maskscope.errors import ModelError
from maskscope.jobs import Job, NullJob
from maskscope.types import Embeddings, Floats, Indices, Mask, MaskValue, Offsets

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
        below: list[Pointwise] = []
        lstms: list[PreparedLstm] = []
        above: list[list[Pointwise]] = []
        for layer in weights.layers:
            if isinstance(layer, LstmWeights):
                lstms.append(prepare(layer))
                above.append([])
            else:
                (above[-1] if lstms else below).append(Pointwise(layer))
        self._below = tuple(below)
        self._lstms = tuple(lstms)
        self._above = tuple(tuple(layers) for layers in above)
        self._dense: Floats = np.ascontiguousarray(weights.dense.T)
        widths = [8 * lstm.units for lstm in lstms]
        widths += [layer.units for layers in (below, *above) for layer in layers]
        self._widest = max(widths)

    @property
    def dim(self) -> int:
        """D, numbers in one embedding."""
        return self._weights.dim

    @property
    def n_outputs(self) -> int:
        """C, probabilities for each token."""
        return int(self._weights.dense.shape[1])

    @property
    def mask_value(self) -> MaskValue | None:
        """Of the Masking layer; None when the model has none, and so takes every row for a token."""
        return self._weights.mask_value

    @property
    def masked_output(self) -> Floats:
        """The output at a masked position before the first real token, (C,). It is not a prediction.

        The last LSTM gives zeros there, so with no layer but the last Dense above it this is the activation of the
        bias. Unless the tagger `repeats_last_output`, it is the output at every masked position.
        """
        last = self._lstms[-1]
        zeros: Floats = np.zeros((last.directions, last.units, 1), dtype=np.float32)
        return np.ascontiguousarray(self.probabilities(zeros)[0])

    @property
    def repeats_last_output(self) -> bool:
        """Whether the output at a masked position is that of the last real one: the last LSTM has one direction."""
        return self._lstms[-1].directions == 1

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
            mask: "model": what the model's Masking layer computes from the rows, equal to Keras; "lengths": every
                row is a real token; or bool (n,), True = real token. Masked rows get the model's output there.
            job: gets the number of tokens done.

        Raises:
            ModelError: the arrays don't fit the model or each other.
            Cancelled: the job was cancelled.
        """
        job = NullJob() if job is None else job
        n_tokens = self._check_input(embeddings, offsets, mask)
        probs_nc: Floats = np.empty((n_tokens, self.n_outputs), dtype=np.float32)
        # The recurrent part of one group runs in a thread during the matrix product of the next, which leaves
        # processor time unused. Two projectors, since each result has to stay until its group is scored.
        projectors = (self.projector(embeddings.dtype), self.projector(embeddings.dtype))
        scratch = Scratch()
        job.progress(0, n_tokens, "tokens")
        with ThreadPoolExecutor(1) as background, np.errstate(over="ignore", invalid="ignore"):
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
                running, done = background.submit(self._score_group, *group), last
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
            if self.repeats_last_output and len(probs):
                # how many real tokens are before each masked one, and before its sentence
                before = np.cumsum(real)[masked]
                others = np.repeat(kept[:-1], np.diff(bounds))[masked]
                out[masked] = np.where((before > others)[:, None], probs[before - 1], self.masked_output)

    def score_projected(
        self, projected: Floats, firsts: Offsets, lengths: Offsets, scratch: Scratch | None = None
    ) -> Floats:
        """Probabilities of sentences whose product with the lowest LSTM's kernel has been computed already.

        Args:
            projected: (n, directions * 4 units) float32, from `Projector.project`, real tokens only.
            firsts: (B,) row of each sentence's first token; sentences may share rows.
            lengths: (B,) tokens of each sentence.
            scratch: memory that is used again from call to call.

        Returns:
            (sum of lengths, C) float32, the sentences one after another.
        """
        scratch = Scratch() if scratch is None else scratch
        plan = schedule(firsts, lengths)
        lowest = self._lstms[0]
        hidden = run(inputs_of(projected, plan, lowest, scratch), plan, lowest, scratch)
        for i, lstm in enumerate(self._lstms[1:]):
            features = self.features_above(i, hidden, plan.mirror)
            hidden = run(inputs_over(features, plan, lstm, scratch), plan, lstm, scratch)
        if self._lstms[-1].concatenates and not self._above[-1]:
            # the backward direction is put in order after the product: it has fewer rows then
            units = hidden.shape[1]
            logits = self._dense[:, :units] @ hidden[0]
            logits += np.take(self._dense[:, units:] @ hidden[1], plan.mirror, axis=1)
        else:
            logits = self._dense @ self.features_above(-1, hidden, plan.mirror)
        return np.take(self._activated(logits), plan.places, axis=0)

    @property
    def lstms(self) -> tuple[PreparedLstm, ...]:
        """The LSTM layers, arranged for `recurrence`, lowest first."""
        return self._lstms

    def features_below(self, embeddings: Floats, product: Product = np.matmul) -> Floats:
        """The input of the lowest LSTM, (W, n), for embeddings (n, D) float32; `product` multiplies matrices."""
        return apply_all(self._below, embeddings.T, product)

    def projector(self, dtype: np.dtype[np.generic]) -> Projector:
        """The product with the lowest LSTM's kernel, for embeddings of `dtype`."""
        return Projector(self._lstms[0].kernel, self._below, self.mask_value, self.dim, dtype)

    @property
    def starts_recurrent(self) -> bool:
        """Whether the lowest LSTM reads the embeddings themselves: no Dense or LayerNormalization is below it."""
        return not self._below

    def features_above(self, place: int, hidden: Floats, mirror: Indices | None = None) -> Floats:
        """The input (W, N) of the LSTM or of the last Dense layer that comes next above an LSTM.

        Combines the directions and applies the Dense and LayerNormalization layers in between.

        Args:
            place: which LSTM, counted from the lowest.
            hidden: (directions, units, N), its outputs.
            mirror: of the schedule; None when both directions are in the same order.
        """
        return apply_all(self._above[place], merged(hidden, mirror, self._lstms[place]))

    def probabilities(self, hidden: Floats) -> Floats:
        """Probabilities (T, C) for the last LSTM's outputs (directions, units, T), both in reading order."""
        return self._activated(self._dense @ self.features_above(-1, hidden))

    def _activated(self, logits_cn: Floats) -> Floats:
        """Probabilities (n, C) of the last layer's sums (C, n) without the bias, which are overwritten."""
        logits_cn += self._weights.dense_bias[:, None]
        return output_probabilities(logits_cn, self._weights.head, class_axis=0).T

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
