"""Measure how padding changes the outputs of one sentence, for models that only Keras can run.

The built-in engine can step through a sentence under any mask (`engine.padding_probe`). A Keras model is run as it is:
on the sentence with k padded positions after it, under the mask that the model computes itself.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskscope.engine.padding_probe import MAX_PADDING, Fill, PaddedRun, largest_change, padding_rows
from maskscope.errors import ModelError, WorkerError
from maskscope.jobs import Job
from maskscope.padding import Side, padded_with
from maskscope.project import Project
from maskscope.types import Embeddings, Floats, Mask
from maskscope.workflows.fit_model import EngineChoice, FittedModel, fit_model
from maskscope.workflows.model_description import OpenOptions
from maskscope.workflows.padding_answer import PaddingAnswer


class KerasPaddingProbe:
    """As `padding_probe.PaddingProbe`, for a loaded Keras model under its own mask.

    Args:
        model: the model in Keras.
        embeddings, fill, previous: the sentence and the content of padded positions, as in `padding_rows`.
        side: where padding is added, as for `PaddingProbe`.
    """

    def __init__(
        self,
        model: FittedModel,
        embeddings: Embeddings,
        fill: Fill = "zeros",
        previous: Embeddings | None = None,
        side: Side = "back",
    ) -> None:
        self._model = model
        self._side = side
        self._n_tokens = len(embeddings)
        own: Floats = np.asarray(embeddings, dtype=np.float32)
        self._rows: Floats = np.concatenate([own, padding_rows(own, fill, previous)])
        self._alone: tuple[Floats, Mask] | None = None

    def run(self, k: int) -> PaddedRun:
        """The sentence with k padded positions, 0 to `MAX_PADDING`, under the model's own mask.

        Raises ValueError for a k out of range; ModelError when an output of the model is not finite.
        """
        if not 0 <= k <= MAX_PADDING:
            raise ValueError(f"expected 0 to {MAX_PADDING} padded positions; received {k}")
        if self._alone is None:
            self._alone = self._outputs(0)
        alone_tc, real = self._alone
        probs_tc, mask = self._outputs(k) if k else self._alone
        change, at = largest_change(probs_tc, alone_tc, np.flatnonzero(real).tolist())
        return PaddedRun(probs_tc, mask, change, at)

    def _outputs(self, k: int) -> tuple[Floats, Mask]:
        """Scores (T + k, C) and mask (T + k,) with k padded positions."""
        n_positions = self._n_tokens + k
        if not n_positions:
            # not every layer accepts a sentence without positions
            return np.zeros((0, len(self._model.column_names)), dtype=np.float32), np.zeros(0, dtype=np.bool_)
        order = np.arange(n_positions)
        if self._side == "front":
            order = np.concatenate([order[self._n_tokens :][::-1], order[: self._n_tokens]])
        x_btd = self._rows[None, order]
        mask, scores = np.empty(n_positions, dtype=np.bool_), self._model.predict(x_btd)[0]
        mask[order] = self._model.compute_mask(x_btd)[0]
        scores[order] = scores.copy()
        if not np.isfinite(scores).all():
            raise ModelError(
                f"the model does not give finite outputs with {k} padded positions",
                expected=f"({n_positions}, C), all of them finite",
                received=f"{np.count_nonzero(~np.isfinite(scores))} that are not finite",
            )
        return scores, mask


def measure_padding(
    project: Project,
    model: Path,
    sentence: int,
    fill: Fill,
    added: Sequence[int],
    shown: int | None,
    job: Job,
    options: OpenOptions | None = None,
) -> PaddingAnswer:
    """Run a `.keras` file on one sentence with padding. The model and the sentence are cached for the next call.

    Args:
        project: its embeddings and its scheme.
        model: loaded anew when the file has changed.
        sentence: its id.
        fill: what padded positions contain.
        added: numbers of added padded positions, each 0 to `MAX_PADDING`.
        shown: the one of `added` whose probabilities are wanted; None for none.
        job: gets each change as it is found, as the figure "change" with the number of positions as its step.
        options: what a person says about the model.

    Raises:
        ModelError: the file is refused, or the model can't be run so.
        WorkerError: there is no such sentence or number of positions.
        Cancelled: the job was cancelled.
    """
    if not all(0 <= k <= MAX_PADDING for k in added) or not 0 <= sentence < project.n_sentences:
        raise WorkerError(
            "there is no such sentence or number of padded positions",
            expected=f"a sentence below {project.n_sentences}, 0 to {MAX_PADDING} positions",
            received=f"sentence {sentence}, {', '.join(map(str, added))} positions",
        )
    job.progress(0, len(added), "loading the model")
    probe = _CACHE.probe(project, model, sentence, fill, options or OpenOptions())
    changes: Floats = np.zeros(len(added), dtype=np.float32)
    at = np.full(len(added), -1, dtype=np.int64)
    shown_run: PaddedRun | None = None
    for place, k in enumerate(added):
        job.progress(place, len(added), "positions")
        run = probe.run(k)
        changes[place] = run.largest_change
        at[place] = -1 if run.at is None else run.at
        shown_run = run if k == shown else shown_run
        job.figure("change", k, run.largest_change)
    return PaddingAnswer(np.asarray(added, dtype=np.int64), changes, at, shown_run)


def release_model() -> None:
    """Release the cached model, whose memory another job needs."""
    _CACHE.clear()


class _Cache:
    """The last model that was loaded, ready to run, and the last sentence."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._model_key: tuple[object, ...] = ()
        self._sentence_key: tuple[object, ...] = ()
        self._model: FittedModel | None = None
        self._probe: KerasPaddingProbe | None = None

    def probe(
        self, project: Project, model: Path, sentence: int, fill: Fill, options: OpenOptions
    ) -> KerasPaddingProbe:
        stat = model.stat() if model.is_file() else None
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat is not None else ()
        model_key = (model, stamp, project.path, project.fingerprint, options)
        sentence_key = (project.path, project.fingerprint, sentence, fill)
        if self._model is None or not stamp or model_key != self._model_key:
            self.clear()
            self._model = fit_model(project, model, options, EngineChoice("keras"))
            self._model_key = model_key
        if self._probe is None or sentence_key != self._sentence_key:
            assert self._model is not None
            previous = project.rows(sentence - 1) if fill == "previous" and sentence else None
            padding = padded_with(project.padding, self._model.mask_value, project.dim)
            previous = padding.rows if fill == "source" else previous
            rows = project.rows(sentence)
            self._probe = KerasPaddingProbe(self._model, rows, fill, previous, padding.side)
            self._sentence_key = sentence_key
        return self._probe


_CACHE = _Cache()
