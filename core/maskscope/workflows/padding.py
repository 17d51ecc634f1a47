"""What padding would do to one sentence, for models that only Keras runs: `whatif` for the worker.

The packed engine can step through a sentence under any mask. Keras is only asked as it stands: the model on the
sentence with k padded positions behind it, under the mask that it makes itself.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from maskscope.engine.padding_probe import MAX_PADDING, Fill, PaddedRun, largest_change, padding_rows
from maskscope.errors import ModelError, WorkerError
from maskscope.jobs import Job
from maskscope.project import Project
from maskscope.types import Embeddings, Floats, Mask, TagScheme
from maskscope.workflows.open_model import check_shapes, fit_columns
from maskscope.workflows.padding_answer import PaddingAnswer


class KerasPaddingProbe:
    """As `whatif.PaddingProbe`, of a loaded model under its own mask.

    Args:
        forward: x (1, T, D) float32 -> (1, T, C), in inference mode.
        mask_of: the same x -> (1, T), True = real token; None for a model that has no Masking layer.
        scheme: of the project, which the outputs are brought to.
        embeddings, fill, previous, seed: the sentence and what stands behind it, as in `padding_rows`.
    """

    def __init__(
        self,
        forward: Callable[[Floats], Floats],
        mask_of: Callable[[Floats], Mask] | None,
        scheme: TagScheme,
        embeddings: Embeddings,
        fill: Fill = "zeros",
        previous: Embeddings | None = None,
        seed: int = 0,
    ) -> None:
        self._forward, self._mask_of, self._scheme = forward, mask_of, scheme
        self._n_tokens = len(embeddings)
        own: Floats = np.asarray(embeddings, dtype=np.float32)
        self._rows: Floats = np.concatenate([own, padding_rows(own, fill, previous, seed)])
        self._alone: tuple[Floats, Mask] | None = None

    def run(self, k: int) -> PaddedRun:
        """The sentence with k padded positions, 0 to `MAX_PADDING`, under the model's own mask.

        Raises ValueError for a k out of range; ModelError when the model prints what is no number.
        """
        if not 0 <= k <= MAX_PADDING:
            raise ValueError(f"expected 0 to {MAX_PADDING} padded positions; received {k}")
        if self._alone is None:
            self._alone = self._printed(0)
        alone_tc, real = self._alone
        probs_tc, mask = self._printed(k) if k else self._alone
        change, at = largest_change(probs_tc, alone_tc, np.flatnonzero(real).tolist())
        return PaddedRun(probs_tc, mask, change, at)

    def _printed(self, k: int) -> tuple[Floats, Mask]:
        n_positions = self._n_tokens + k
        if not n_positions:
            # not every layer takes a sentence of no positions
            return np.zeros((0, self._scheme.n_outputs), dtype=np.float32), np.zeros(0, dtype=np.bool_)
        x_btd = self._rows[None, :n_positions]
        mask: Mask = np.ones(n_positions, dtype=np.bool_) if self._mask_of is None else self._mask_of(x_btd)[0]
        printed = np.asarray(self._forward(x_btd), dtype=np.float32)
        if printed.ndim != 3 or printed.shape[:2] != (1, n_positions) or not np.isfinite(printed).all():
            raise ModelError(
                f"the model does not give one prediction a position with {k} padded positions",
                expected=f"(1, {n_positions}, C), all of them numbers",
                received=f"{printed.shape}, {np.count_nonzero(~np.isfinite(printed))} of them no numbers",
            )
        return fit_columns(printed[0], self._scheme.n_outputs), mask


def answer(
    project: Project, model: Path, sentence: int, fill: Fill, added: Sequence[int], shown: int | None, job: Job
) -> PaddingAnswer:
    """Run a `.keras` file on one sentence with padding. Model and sentence are kept for the next call.

    Args:
        project: its embeddings and its scheme.
        model: loaded anew when the file has changed.
        sentence: its id.
        fill: what padded positions contain.
        added: numbers of added padded positions, each 0 to `MAX_PADDING`.
        shown: the one of `added` whose probabilities are wanted; None for none.
        job: gets each change as it is found, as the figure "change" with the number of positions as its step.

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
    probe = _KEPT.probe(project, model, sentence, fill)
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


def forget() -> None:
    """Let go of the model that is kept: another job needs the memory."""
    _KEPT.clear()


class _Kept:
    """The last model that was asked about, ready to run, and the last sentence."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._file: tuple[object, ...] = ()
        self._place: tuple[object, ...] = ()
        self._forward: Callable[[Floats], Floats] | None = None
        self._mask_of: Callable[[Floats], Mask] | None = None
        self._probe: KerasPaddingProbe | None = None

    def probe(self, project: Project, model: Path, sentence: int, fill: Fill) -> KerasPaddingProbe:
        told = model.stat() if model.is_file() else None
        stamp = (told.st_mtime_ns, told.st_size, told.st_ino) if told is not None else ()
        file = (model, stamp, project.dim, project.scheme)
        place = (project.path, project.fingerprint, sentence, fill)
        if self._forward is None or not stamp or file != self._file:
            self.clear()
            self._load(model, project)
            self._file = file
        if self._probe is None or place != self._place:
            assert self._forward is not None
            previous = project.rows(sentence - 1) if fill == "previous" and sentence else None
            rows = project.rows(sentence)
            self._probe = KerasPaddingProbe(self._forward, self._mask_of, project.scheme, rows, fill, previous)
            self._place = place
        return self._probe

    def _load(self, model: Path, project: Project) -> None:
        from maskscope.keras_io import keras_model

        loaded = keras_model.load(model)
        check_shapes(loaded, project.dim, project.scheme, model)
        self._forward = keras_model.inference_function(loaded, project.dim)
        self._mask_of = keras_model.mask_function(loaded, project.dim)


_KEPT = _Kept()
