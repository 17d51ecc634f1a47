"""Train the tagger in numpy: batches of real tokens with no padding in them, Adam, early stopping.

The result are the weights of a plain Keras model (`Parameters.to_keras`). TensorFlow is not imported.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskscope import masks
from maskscope.engine.packed import PackedTagger
from maskscope.errors import Cancelled, ModelError
from maskscope.evaluation import token_scores
from maskscope.jobs import Job, NullJob
from maskscope.runs import EpochFigures, TrainSettings
from maskscope.training.backprop import Batch
from maskscope.training.dropouts import Dropouts, drop_inputs
from maskscope.training.optimizer import Adam
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Embeddings, Floats, Indices, Labels, Mask, Offsets

_PROGRESS_STEPS = 10_000
_SCORE_TOKENS = 8192
_POOL_BATCHES = 64
"""Batches among which sentences of like length are put together."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The result of training so far.

    Attributes:
        parameters: the weights of the epoch that was kept.
        history: one entry for each finished epoch.
        validation_sentences: ids of the sentences held back, rising.
        best_epoch: the epoch whose weights were kept, counted from 1.
        complete: False when it was cancelled before its last epoch. A run that stopped early by itself is complete.
    """

    parameters: Parameters
    history: tuple[EpochFigures, ...]
    validation_sentences: tuple[int, ...]
    best_epoch: int
    complete: bool


def train(
    embeddings: Embeddings,
    offsets: Offsets,
    labels: Labels,
    spec: TaggerSpec,
    settings: TrainSettings,
    job: Job | None = None,
    *,
    reviewed: Mask | None = None,
    after_epoch: Callable[[Trained], None] | None = None,
) -> Trained:
    """Train a new tagger.

    The loss is cross-entropy per real, labelled token. There is no padding; a token that the Masking layer masks is
    left out of its sentence, and one without a label (or marked as ignored) has no weight in the loss. Given the
    same arguments on the same machine, the result is the same.

    Args:
        embeddings: (n, D) float16 or float32, sentences one after another; may be a memory map.
        offsets: (n_sentences + 1,) where each begins, and n at the end.
        labels: (n,) int16 class ids, negative where there is none.
        spec: what to train.
        settings: how; sizes and dropouts are taken from `spec`.
        job: gets progress after each batch, and "loss", "val_loss", "f1" and, for a span scheme, "entity_f1" after
            each epoch.
        reviewed: (n_sentences,) bool, accepted by a person; their tokens weigh `settings.reviewed_weight`.
        after_epoch: called after each epoch with the result if training ended now.

    Raises:
        ModelError: no token has a label, labels and scheme don't fit, or training diverged.
        Cancelled: the job was cancelled before the first epoch ended. Later, the result so far is returned.
    """
    job = NullJob() if job is None else job
    run = _TrainingRun(_Corpus(embeddings, offsets, labels, spec), settings, reviewed)
    reached: Trained | None = None
    try:
        job.progress(0, _PROGRESS_STEPS, "epoch 1")
        for epoch in range(1, settings.epochs + 1):
            loss = run.train_epoch(epoch, job)
            if not np.isfinite(run.parameters.flat).all():
                return run.kept_before_divergence(reached)
            reached = run.end_epoch(epoch, loss)
            if after_epoch is not None:
                after_epoch(reached)
            _report(job, reached.history[-1])
            if reached.complete:
                break
    except Cancelled:
        if reached is None:
            raise
    assert reached is not None
    return reached


def split(usable: Indices, share: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Sentence ids for training and for validation, both rising; at least one stays for training.

    A share above 0 gives at least one validation sentence as soon as there are two sentences.
    """
    held_back = round(share * len(usable))
    if share > 0:
        held_back = max(1, held_back)
    held_back = min(held_back, len(usable) - 1)
    chosen = np.sort(rng.permutation(len(usable))[:held_back])
    return np.delete(usable, chosen), usable[chosen]


def batches_of_tokens(
    lengths: Indices, ids: Indices, batch_tokens: int, rng: np.random.Generator | None
) -> list[Indices]:
    """Cut sentences `ids` into batches of at most `batch_tokens` tokens; one sentence at least.

    With `rng` they are shuffled, and those of like length among some thousands come into one batch, since a batch takes
    as many steps as its longest sentence; then the batches are shuffled. Without, they stay in their order.
    """
    if rng is not None:
        ids = rng.permutation(ids)
        pools = np.array_split(ids, max(1, round(int(lengths[ids].sum()) / (batch_tokens * _POOL_BATCHES))))
        ids = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    ends = np.cumsum(lengths[ids])
    batches = []
    begin = 0
    while begin < len(ids):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + batch_tokens, side="right")))
        batches.append(ids[begin:end])
        begin = end
    return batches if rng is None else [batches[i] for i in rng.permutation(len(batches))]


def score(
    parameters: Parameters, embeddings: Embeddings, offsets: Offsets, ids: Indices
) -> tuple[Floats, Indices, Offsets]:
    """Probabilities of some sentences, by the built-in engine.

    Returns:
        Probabilities (n, C) float32, the token rows (n,) that they belong to, and the offsets (k + 1,) of the chosen
        sentences among these rows. A token that the Masking layer masks gets the model's output at padding.
    """
    tagger = PackedTagger(parameters.to_weights())
    rows, own_offsets = masks.token_rows(ids, offsets)
    probs_nc: Floats = np.empty((len(rows), tagger.n_outputs), dtype=np.float32)
    done = 0
    for part in batches_of_tokens(np.diff(offsets), ids, _SCORE_TOKENS, None):
        part_rows, part_offsets = masks.token_rows(part, offsets)
        probs_nc[done : done + len(part_rows)] = tagger.score(embeddings[part_rows], part_offsets)
        done += len(part_rows)
    return probs_nc, rows, own_offsets


def validate(
    parameters: Parameters, embeddings: Embeddings, offsets: Offsets, labels: Labels, ids: Indices
) -> token_scores.Evaluation:
    """Scores over the real, labelled tokens of some sentences; real is what the offsets say."""
    probs_nc, rows, own = score(parameters, embeddings, offsets, ids)
    return token_scores.evaluate(labels[rows], probs_nc, parameters.spec.scheme, None, own)


class _Corpus:
    """Embeddings and labels of the project, and the sentences among them that can be trained on."""

    def __init__(self, embeddings: Embeddings, offsets: Offsets, labels: Labels, spec: TaggerSpec) -> None:
        self.embeddings, self.offsets, self.labels, self.spec = embeddings, offsets, labels, spec
        if len(labels) and labels.max() >= len(spec.scheme.classes):
            raise ModelError(
                "the labels don't fit the scheme",
                expected=f"ids below {len(spec.scheme.classes)}",
                received=str(int(labels.max())),
            )
        self.lengths: Indices = np.diff(offsets).astype(np.int64)
        labelled = np.add.reduceat(np.append(labels >= 0, False), offsets[:-1]) * (self.lengths > 0)
        self.usable: Indices = np.flatnonzero(labelled)
        if not len(self.usable):
            raise ModelError("there is nothing to train on", expected="tokens with labels", received="none")

    def token_weights(self, ids: Indices, settings: TrainSettings, reviewed: Mask | None) -> Floats:
        """(n,) float32, 0 where there is no label; about 1 on average over the training sentences."""
        n_classes = len(self.spec.scheme.classes)
        known = self.labels >= 0
        weights: Floats = known.astype(np.float32)
        if settings.class_weights != "none":
            own = self.labels[masks.token_rows(ids, self.offsets)[0]]
            counts = np.bincount(own[own >= 0], minlength=n_classes)
            # n / (C n_c), as scikit-learn's "balanced"; a class that never occurs does not count
            rarity = counts.sum() / (max(1, (counts > 0).sum()) * np.maximum(counts, 1))
            by_class = rarity if settings.class_weights == "balanced" else np.sqrt(rarity)
            by_class *= counts.sum() / (by_class @ counts)
            weights[known] *= by_class.astype(np.float32)[self.labels[known]]
        if reviewed is not None and settings.reviewed_weight != 1:
            weights *= np.where(np.repeat(reviewed, self.lengths), np.float32(settings.reviewed_weight), np.float32(1))
        return weights

    def batch(self, ids: Indices) -> tuple[Indices, Floats, Indices]:
        """Rows (n,), embeddings (n, D) float32 and lengths of the sentences, without the tokens that are masked."""
        parts = [self.embeddings[self.offsets[i] : self.offsets[i + 1]] for i in ids]
        x_nd: Floats = np.concatenate(parts, dtype=np.float32)
        rows, lengths = masks.token_rows(ids, self.offsets)[0], self.lengths[ids]
        real = masks.masking_layer(x_nd, self.spec.mask_value)
        if real.all():
            return rows, x_nd, lengths
        kept = np.add.reduceat(real, np.cumsum(lengths) - lengths).astype(np.int64)
        return rows[real], x_nd[real], kept[kept > 0]


class _TrainingRun:
    """The state of one training: weights, optimizer, the split of the sentences, and the best epoch so far."""

    def __init__(self, corpus: _Corpus, settings: TrainSettings, reviewed: Mask | None) -> None:
        self._corpus, self._settings = corpus, settings
        self._rng = np.random.default_rng(settings.seed)
        self._train_ids, self._validation_ids = split(corpus.usable, settings.validation, self._rng)
        self._weights = corpus.token_weights(self._train_ids, settings, reviewed)
        self.parameters = Parameters.fresh(corpus.spec, self._rng)
        self._gradients = Parameters(corpus.spec)
        self._adam = Adam(self.parameters, settings, int(corpus.lengths[self._train_ids].sum()))
        self._history: list[EpochFigures] = []
        self._best: tuple[float, float] | None = None
        self._best_epoch = 0
        self._kept = self.parameters

    def train_epoch(self, epoch: int, job: Job) -> float:
        """Take one step of the optimizer for each batch. Returns the mean loss of the real, labelled tokens."""
        corpus, spec, rng = self._corpus, self._corpus.spec, self._rng
        total, counted = 0.0, 0.0
        batches = batches_of_tokens(corpus.lengths, self._train_ids, self._settings.batch_tokens, rng)
        for done, ids in enumerate(batches, start=1):
            rows, x_nd, lengths = corpus.batch(ids)
            if len(rows):
                dropouts = Dropouts.draw(spec, len(rows), len(lengths), rng)
                batch = Batch(self.parameters, drop_inputs(x_nd, spec, rng), lengths, dropouts)
                known = (corpus.labels[rows] >= 0).astype(np.float32)
                labels = np.maximum(corpus.labels[rows], 0)
                batch.gradients(labels, self._weights[rows], self._gradients)
                total += batch.loss(labels, known)
                counted += float(known.sum())
                self._adam.step(self._gradients)
            share = (epoch - 1 + done / len(batches)) / self._settings.epochs
            job.progress(round(share * _PROGRESS_STEPS), _PROGRESS_STEPS, f"epoch {epoch}")
        return total / counted if counted else 0.0

    def end_epoch(self, epoch: int, loss: float) -> Trained:
        """Evaluate the weights on the validation sentences, and keep them when they are the best so far."""
        figures = self._figures(epoch, loss)
        self._history.append(figures)
        value = self._value(figures)
        if self._best is None or value > self._best:
            self._best, self._best_epoch = value, epoch
            self._kept = Parameters(self._corpus.spec, self.parameters.flat.copy())
        return Trained(
            self._kept,
            tuple(self._history),
            tuple(self._validation_ids.tolist()),
            self._best_epoch,
            complete=epoch == self._settings.epochs or self._stops_early(epoch),
        )

    def kept_before_divergence(self, reached: Trained | None) -> Trained:
        """The result when the weights are no longer finite: the best epoch before, where epochs are compared."""
        if reached is None or self._keeps_last:
            rate = str(self._settings.learning_rate)
            raise ModelError("training diverged", expected="a lower learning_rate", received=rate)
        return reached

    @property
    def _keeps_last(self) -> bool:
        return not len(self._validation_ids) or self._settings.keep_by == "last"

    def _figures(self, epoch: int, loss: float) -> EpochFigures:
        corpus = self._corpus
        known = loss if np.isfinite(loss) else None
        if not len(self._validation_ids):
            return EpochFigures(epoch, known)
        evaluation = validate(self.parameters, corpus.embeddings, corpus.offsets, corpus.labels, self._validation_ids)
        metrics = evaluation.metrics
        entity_f1 = metrics.entities.micro.f1 if corpus.spec.scheme.spans is not None else None
        return EpochFigures(epoch, known, metrics.loss, metrics.micro.f1, entity_f1)

    def _value(self, figures: EpochFigures) -> tuple[float, float]:
        """What the epoch to keep is chosen by, higher is better; the loss decides between equal F1 scores."""
        if self._keeps_last or figures.val_loss is None:
            return (float(figures.epoch), 0.0)
        loss = -figures.val_loss if np.isfinite(figures.val_loss) else -np.inf
        if self._settings.keep_by == "loss":
            return (loss, 0.0)
        f1 = figures.f1 if figures.entity_f1 is None else figures.entity_f1
        return (0.0 if f1 is None else f1, loss)

    def _stops_early(self, epoch: int) -> bool:
        return bool(len(self._validation_ids)) and 0 < self._settings.patience <= epoch - self._best_epoch


def _report(job: Job, figures: EpochFigures) -> None:
    job.figure("loss", figures.epoch, float("nan") if figures.loss is None else figures.loss)
    for name in ("val_loss", "f1", "entity_f1"):
        value = getattr(figures, name)
        if value is not None:
            job.figure(name, figures.epoch, value)
