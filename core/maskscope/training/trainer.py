"""Train the classic stack in numpy: batches of real tokens with no padding in them, Adam, early stopping.

What comes out are the weights of a plain Keras stack (`Parameters.to_keras`). TensorFlow is not imported.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskscope import masks
from maskscope.errors import Cancelled, ModelError
from maskscope.evaluation import token_scores
from maskscope.jobs import Job, NullJob
from maskscope.runs import EpochFigures, TrainSettings
from maskscope.training.backprop import Batch, Dropouts
from maskscope.training.optimizer import Adam
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Embeddings, Floats, Indices, Labels, Mask, Offsets

_STEPS = 10_000
_SCORE_TOKENS = 8192
_POOL = 64
"""Batches among which sentences of like length are put together."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training has reached.

    Attributes:
        parameters: the weights of the epoch that was kept.
        history: one entry a finished epoch.
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
        after_epoch: is given what would be kept if training ended now, after each epoch.

    Raises:
        ModelError: no token has a label, labels and scheme don't fit, or training diverged.
        Cancelled: the job was cancelled before the first epoch ended. Later, what was reached is returned.
    """
    job = NullJob() if job is None else job
    corpus = _Corpus(embeddings, offsets, labels, spec)
    rng = np.random.default_rng(settings.seed)
    train_ids, validation_ids = split(corpus.usable, settings.validation, rng)
    weights = corpus.token_weights(train_ids, settings, reviewed)
    parameters = Parameters.fresh(spec, rng)
    adam = Adam(parameters, settings, int(corpus.lengths[train_ids].sum()))
    gradients = Parameters(spec)
    reached: Trained | None = None
    history: list[EpochFigures] = []
    best: tuple[float, float] | None = None
    try:
        job.progress(0, _STEPS, "epoch 1")
        for epoch in range(1, settings.epochs + 1):
            total, counted = 0.0, 0.0
            batches = batches_of_tokens(corpus.lengths, train_ids, settings.batch_tokens, rng)
            for done, ids in enumerate(batches, start=1):
                rows, x_nd, lengths = corpus.batch(ids)
                if len(rows):
                    dropouts = Dropouts.draw(spec, len(rows), len(lengths), rng)
                    batch = Batch(parameters, dropped_input(x_nd, spec, rng), lengths, dropouts)
                    known = (labels[rows] >= 0).astype(np.float32)
                    own = np.maximum(labels[rows], 0)
                    batch.gradients(own, weights[rows], gradients)
                    total += batch.loss(own, known)
                    counted += float(known.sum())
                    adam.step(gradients)
                share = (epoch - 1 + done / len(batches)) / settings.epochs
                job.progress(round(share * _STEPS), _STEPS, f"epoch {epoch}")
            figures = _figures(corpus, parameters, validation_ids, epoch, total / counted if counted else 0.0)
            history.append(figures)
            # higher is better; equal ones are told apart by the loss
            value = _value(figures, settings, spec)
            if reached is None or best is None or value > best:
                best = value
                kept, best_epoch = Parameters(spec, parameters.flat.copy()), epoch
            reached = Trained(
                kept,
                tuple(history),
                tuple(validation_ids.tolist()),
                best_epoch,
                complete=epoch == settings.epochs or _stops(epoch, best_epoch, settings, validation_ids),
            )
            if not np.isfinite(parameters.flat).all():
                break
            if after_epoch is not None:
                after_epoch(reached)
            _report(job, figures)
            if reached.complete:
                break
    except Cancelled:
        if reached is None:
            raise
    assert reached is not None
    if not np.isfinite(reached.parameters.flat).all():
        raise ModelError("training diverged", expected="a lower learning_rate", received=str(settings.learning_rate))
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
        pools = np.array_split(ids, max(1, round(int(lengths[ids].sum()) / (batch_tokens * _POOL))))
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


def dropped_input(x_nd: Floats, spec: TaggerSpec, rng: np.random.Generator) -> Floats:
    """Embeddings (n, D) with `spec.input_dropout` of their numbers dropped, as a Dropout layer does it."""
    if spec.input_dropout <= 0:
        return x_nd
    kept = rng.random(x_nd.shape, dtype=np.float32) >= spec.input_dropout
    x_nd *= kept
    x_nd *= np.float32(1 / (1 - spec.input_dropout))
    return x_nd


def score(
    parameters: Parameters, embeddings: Embeddings, offsets: Offsets, ids: Indices
) -> tuple[Floats, Indices, Offsets]:
    """Probabilities of some sentences: (n, C), the token rows they belong to (n,), their own offsets (B + 1,).

    A token that the Masking layer masks gets what Keras prints there: the head's bias.
    """
    spec = parameters.spec
    lengths = np.diff(offsets)
    probs: list[Floats] = []
    for part in batches_of_tokens(lengths, ids, _SCORE_TOKENS, None):
        rows, _ = masks.token_rows(part, offsets)
        x_nd: Floats = np.asarray(embeddings[rows], dtype=np.float32)
        real = masks.masking_layer(x_nd, spec.mask_value)
        own = np.add.reduceat(real, np.cumsum(lengths[part]) - lengths[part]) if len(rows) else np.zeros(0, np.int64)
        printed = Batch.of_nothing(parameters, len(rows))
        if real.any():
            batch = Batch(parameters, x_nd[real], own[own > 0].astype(np.int64), Dropouts.none(spec))
            printed[real] = batch.probabilities
        probs.append(printed)
    found: Floats = np.concatenate(probs) if probs else np.zeros((0, spec.scheme.n_outputs), dtype=np.float32)
    return (found, *masks.token_rows(ids, offsets))


def validate(
    parameters: Parameters, embeddings: Embeddings, offsets: Offsets, labels: Labels, ids: Indices
) -> token_scores.Evaluation:
    """Scores over the real, labelled tokens of some sentences; real is what the offsets say."""
    probs_nc, rows, own = score(parameters, embeddings, offsets, ids)
    return token_scores.evaluate(labels[rows], probs_nc, parameters.spec.scheme, None, own)


class _Corpus:
    """What is trained on."""

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
            # n / (C n_c), as scikit-learn's "balanced"; a class that never occurs has no say
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


def _figures(corpus: _Corpus, parameters: Parameters, validation_ids: Indices, epoch: int, loss: float) -> EpochFigures:
    known = loss if np.isfinite(loss) else None
    if not len(validation_ids):
        return EpochFigures(epoch, known)
    found = validate(parameters, corpus.embeddings, corpus.offsets, corpus.labels, validation_ids)
    spans = parameters.spec.scheme.spans is not None
    return EpochFigures(
        epoch, known, found.metrics.loss, found.metrics.micro.f1, found.metrics.entities.micro.f1 if spans else None
    )


def _value(figures: EpochFigures, settings: TrainSettings, spec: TaggerSpec) -> tuple[float, float]:
    """What the epoch to keep is chosen by; later epochs win where nothing was held back."""
    if figures.val_loss is None or settings.keep_by == "last":
        return (float(figures.epoch), 0.0)
    loss = -figures.val_loss if np.isfinite(figures.val_loss) else -np.inf
    if settings.keep_by == "loss":
        return (loss, 0.0)
    f1 = figures.f1 if figures.entity_f1 is None else figures.entity_f1
    return (0.0 if f1 is None else f1, loss)


def _stops(epoch: int, best_epoch: int, settings: TrainSettings, validation_ids: Indices) -> bool:
    return bool(len(validation_ids)) and 0 < settings.patience <= epoch - best_epoch


def _report(job: Job, figures: EpochFigures) -> None:
    job.figure("loss", figures.epoch, float("nan") if figures.loss is None else figures.loss)
    for name in ("val_loss", "f1", "entity_f1"):
        value = getattr(figures, name)
        if value is not None:
            job.figure(name, figures.epoch, value)
