"""Metrics of a model's probabilities against labels, over real, labelled tokens only.

Padding, masked and unlabelled tokens never count. On request the same metrics are computed as if padding were counted,
a common mistake in notebooks. No padded array is made for that, since it may not fit in memory: each padded position
is counted as often as it would occur.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np

from maskscope.evaluation import spans
from maskscope.evaluation.calibration import N_BINS, BinSums, Calibration, bin_sums
from maskscope.evaluation.curves import PrecisionRecallCurve, precision_recall
from maskscope.evaluation.decoding import Decoding, predict, violations
from maskscope.evaluation.scores import ClassScores, from_counts, macro, ratio
from maskscope.evaluation.spans import EntityScores
from maskscope.jobs import Job, NullJob
from maskscope.types import NO_LABEL, Floats, Indices, Labels, Mask, Offsets, TagScheme

_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of predictions against labels.

    Attributes:
        accuracy: share of counted tokens whose label was predicted.
        loss: cross-entropy per counted token, in nats.
        micro: over all classes except outside; for "binary" the scores of the one label.
        macro: mean over the classes except outside that occur or are predicted.
        per_class: one entry for each class, outside included.
        confusion: confusion[label][prediction], counted tokens.
        entities: scores of whole entities.
        calibration: of the label's probability for "binary", else of the largest one, whatever the decoding.
        curve: precision against recall for "binary"; None for "multiclass", and where no counted token has the label.
    """

    accuracy: float
    loss: float
    micro: ClassScores
    macro: ClassScores
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    entities: EntityScores
    calibration: Calibration
    curve: PrecisionRecallCurve | None


@dataclass(frozen=True, slots=True)
class ArgmaxMetrics:
    """Metrics of the same probabilities when each token is decided by itself.

    Attributes:
        accuracy: share of counted tokens whose label was predicted.
        micro_f1: over all classes except outside.
        entity_f1: of whole entities, micro average, default reading.
        differing: counted tokens for which the likeliest allowed sequence predicts another label.
        violations: counted tokens whose predicted label the span scheme does not allow after the one before it.
    """

    accuracy: float
    micro_f1: float
    entity_f1: float
    differing: int
    violations: int


@dataclass(frozen=True, slots=True)
class PaddedMetrics:
    """Metrics as if padding were counted: all sentences padded to the longest, padding labelled outside.

    Real tokens keep their predictions; each padded position is decided by itself from the model's output there.
    Sentences without any labelled token are left out. These metrics say nothing about the model.

    Attributes:
        padded_positions: how many of the counted positions hold no token.
        positions: how many are counted, tokens and padding.
        metrics: over all of them.
    """

    padded_positions: int
    positions: int
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's probabilities compared with labels.

    Attributes:
        tokens: how many were counted: real and labelled.
        masked: labelled tokens left out because they are masked.
        unlabelled: real tokens left out because they have no label.
        metrics: over the counted tokens.
        decoding: how labels came from probabilities; "argmax" where the class names follow no span scheme.
        argmax: metrics without decoding; None where the class names follow no span scheme.
        if_padding_counted: None when it was not requested, or the model's output at padded positions is not known.
    """

    tokens: int
    masked: int
    unlabelled: int
    metrics: Metrics
    decoding: Decoding
    argmax: ArgmaxMetrics | None
    if_padding_counted: PaddedMetrics | None

    def to_json(self) -> str:
        """One JSON object, keys in snake_case as the attributes are named, ending in a line feed.

        The keys of `metrics` are on the level of the others.
        """
        record = asdict(self)
        record |= record.pop("metrics")
        padded = record["if_padding_counted"]
        if padded is not None:
            padded |= padded.pop("metrics")
        return json.dumps(record, ensure_ascii=False) + "\n"


def evaluate(
    labels: Labels,
    probs_nc: Floats,
    scheme: TagScheme,
    mask: Mask | None = None,
    offsets: Offsets | None = None,
    decoding: Decoding = "viterbi",
    padding: Floats | None = None,
    job: Job | None = None,
) -> Evaluation:
    """Compare probabilities with labels.

    Args:
        labels: (n,) int16 class ids, negative for a token without a label.
        probs_nc: (n, C) float32, the model's output.
        scheme: the label set.
        mask: (n,) bool, True = real token; None when all are.
        offsets: (n_sentences + 1,) where each sentence begins, since no entity crosses its end; None for one sentence.
        decoding: "viterbi" for the likeliest sequence that a span scheme allows, "argmax" for each token by itself.
        padding: the model's output at padded positions, (C,) for all or (n_sentences, C), of which the rows of
            the longest sentences and of those without a labelled token don't matter; None when the metrics with
            padding counted are not wanted.
        job: receives the number of tokens done.

    Raises:
        ValueError: the arrays don't fit each other or the scheme.
        Cancelled: the job was cancelled.
    """
    return evaluate_predictions(labels, probs_nc, scheme, mask, offsets, decoding, padding, job)[0]


def evaluate_predictions(
    labels: Labels,
    probs_nc: Floats,
    scheme: TagScheme,
    mask: Mask | None = None,
    offsets: Offsets | None = None,
    decoding: Decoding = "viterbi",
    padding: Floats | None = None,
    job: Job | None = None,
) -> tuple[Evaluation, Labels]:
    """What `evaluate` returns, and the predictions (n,) int16 that were compared with the labels."""
    job = NullJob() if job is None else job
    n_tokens = len(labels)
    bounds = np.asarray([0, n_tokens] if offsets is None else offsets, dtype=np.int64)
    real = np.ones(n_tokens, dtype=np.bool_) if mask is None else mask
    _check(labels, probs_nc, scheme, real, bounds, padding)
    job.progress(0, n_tokens, "tokens")
    labelled = labels >= 0
    counted = np.asarray(real & labelled)
    predicted = predict(scheme, probs_nc, bounds, mask, decoding)
    if scheme.spans is None:
        decoding = "argmax"
    tally = _Tally.none(len(scheme.classes))
    for begin in range(0, n_tokens, _BLOCK):
        job.progress(begin, n_tokens, "tokens")
        rows = begin + np.flatnonzero(counted[begin : begin + _BLOCK])
        tally += _tally(labels[rows], probs_nc[rows], predicted[rows], scheme)
    tokens = _Tokens(scheme, bounds, counted, _only(labels, counted), probs_nc)
    job.progress(n_tokens, n_tokens, "tokens")
    entities = tokens.entity_scores(predicted)
    job.progress(n_tokens, n_tokens, "tokens")
    curve = precision_recall(probs_nc[counted, 0], labels[counted] == 1) if scheme.kind == "binary" else None
    metrics = tally.metrics(scheme, entities, curve)
    padded = None if padding is None else _padded_metrics(tokens, predicted, tally, padding)
    job.progress(n_tokens, n_tokens, "tokens")
    evaluation = Evaluation(
        tokens=tally.tokens,
        masked=int((labelled & ~real).sum()),
        unlabelled=int((real & ~labelled).sum()),
        metrics=metrics,
        decoding=decoding,
        argmax=_argmax_metrics(tokens, predicted, mask, decoding, metrics),
        if_padding_counted=padded,
    )
    return evaluation, predicted


@dataclass(frozen=True, slots=True, eq=False)
class _Tokens:
    """The tokens of an evaluation.

    Attributes:
        scheme: the label set.
        offsets: (n_sentences + 1,) where each sentence begins.
        counted: (n,) bool, True = the token counts.
        labels: (n,) int16, NO_LABEL where the token does not count.
        probs_nc: (n, C) float32.
    """

    scheme: TagScheme
    offsets: Offsets
    counted: Mask
    labels: Labels
    probs_nc: Floats

    def entity_scores(self, predicted: Labels) -> EntityScores:
        """Scores of the entities of predicted labels (n,); a token that does not count belongs to none."""
        return spans.score_labels(self.labels, _only(predicted, self.counted), self.scheme, self.offsets)


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Sums that the metrics of tokens are computed from; those of parts of a corpus add up."""

    confusion: Indices
    loss: float
    bins: BinSums

    @classmethod
    def none(cls, n_classes: int) -> "_Tally":
        zeros = np.zeros(N_BINS, dtype=np.int64)
        return cls(np.zeros((n_classes, n_classes), dtype=np.int64), 0.0, BinSums(zeros, zeros, np.zeros(N_BINS)))

    def __add__(self, other: "_Tally") -> "_Tally":
        return _Tally(self.confusion + other.confusion, self.loss + other.loss, self.bins + other.bins)

    @property
    def tokens(self) -> int:
        """How many tokens were counted."""
        return int(self.confusion.sum())

    def metrics(self, scheme: TagScheme, entities: EntityScores, curve: PrecisionRecallCurve | None) -> Metrics:
        """The metrics of the counted tokens."""
        right = np.diagonal(self.confusion)
        support, guesses = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        per_class = tuple(
            from_counts(name, int(right[i]), int(support[i]), int(guesses[i])) for i, name in enumerate(scheme.classes)
        )
        inside = [i for i in range(len(scheme.classes)) if i != scheme.outside]
        return Metrics(
            accuracy=ratio(int(right.sum()), self.tokens),
            loss=ratio(self.loss, self.tokens),
            micro=from_counts(
                "micro", int(right[inside].sum()), int(support[inside].sum()), int(guesses[inside].sum())
            ),
            macro=macro([per_class[i] for i in inside]),
            per_class=per_class,
            confusion=tuple(tuple(row) for row in self.confusion.tolist()),
            entities=entities,
            calibration=self.bins.calibration("label" if scheme.kind == "binary" else "largest"),
            curve=curve,
        )


def _tally(
    labels: Labels, probs_nc: Floats, predicted: Labels, scheme: TagScheme, weights: Indices | None = None
) -> _Tally:
    """Sums over tokens (n,), all labelled, each counted `weights` times (None: once)."""
    n_classes = len(scheme.classes)
    counts = np.ones(len(labels), dtype=np.int64) if weights is None else weights
    pairs = labels.astype(np.int64) * n_classes + predicted
    # whole numbers stay exact in float64 up to 2^53
    confusion = np.bincount(pairs, weights=counts, minlength=n_classes * n_classes).astype(np.int64)
    if scheme.kind == "binary":
        confidence = probs_nc[:, 0]
        true = labels == 1
        chosen = np.where(true, confidence.astype(np.float64), 1.0 - confidence.astype(np.float64))
    else:
        confidence = probs_nc.max(axis=1)
        true = scheme.predicted(probs_nc) == labels
        chosen = probs_nc[np.arange(len(labels)), labels].astype(np.float64)
    # as Keras clips at its epsilon
    losses = -np.log(np.maximum(chosen, 1e-7))
    return _Tally(confusion.reshape(n_classes, n_classes), float(losses @ counts), bin_sums(confidence, true, counts))


def _only(labels: Labels, counted: Mask) -> Labels:
    kept: Labels = np.where(counted, labels, NO_LABEL).astype(np.int16)
    return kept


def _argmax_metrics(
    tokens: _Tokens, predicted: Labels, mask: Mask | None, decoding: Decoding, metrics: Metrics
) -> ArgmaxMetrics | None:
    scheme, counted = tokens.scheme, tokens.counted
    if scheme.spans is None:
        return None
    if decoding == "argmax":
        raw = predicted
        decoded = predict(scheme, tokens.probs_nc, tokens.offsets, mask, "viterbi")
        accuracy, micro_f1, entity_f1 = metrics.accuracy, metrics.micro.f1, metrics.entities.micro.f1
    else:
        raw = predict(scheme, tokens.probs_nc, tokens.offsets, mask, "argmax")
        decoded = predicted
        labels, guesses = tokens.labels[counted], raw[counted]
        right = labels == guesses
        named, called = labels != scheme.outside, guesses != scheme.outside
        accuracy = ratio(int(right.sum()), len(labels))
        micro_f1 = ratio(2 * int((right & named).sum()), int(named.sum()) + int(called.sum()))
        entity_f1 = tokens.entity_scores(raw).micro.f1
    return ArgmaxMetrics(
        accuracy,
        micro_f1,
        entity_f1,
        differing=int((counted & (raw != decoded)).sum()),
        violations=int((counted & violations(raw, scheme, tokens.offsets)).sum()),
    )


def _padded_metrics(tokens: _Tokens, predicted: Labels, tally: _Tally, padding: Floats) -> PaddedMetrics:
    """The metrics as if padding were counted, from the `tally` of the tokens and the output at `padding`."""
    scheme, offsets, counted = tokens.scheme, tokens.offsets, tokens.counted
    lengths = np.diff(offsets)
    before = np.concatenate([[0], np.cumsum(counted)])
    used = before[offsets[1:]] > before[offsets[:-1]]
    longest = int(lengths[used].max(initial=0))
    pads: Indices = np.where(used, longest - lengths, 0).astype(np.int64)
    padded = np.flatnonzero(pads)
    # one row for all padded positions, or one for each sentence with padding
    rows = padding[None][: len(padded)] if padding.ndim == 1 else padding[padded]
    weights = pads.sum(keepdims=True)[: len(padded)] if padding.ndim == 1 else pads[padded]
    at_padding = scheme.predicted(rows)
    by_sentence: Labels = np.full(len(pads), scheme.outside, dtype=np.int16)
    by_sentence[padded] = at_padding
    outside = np.full(len(rows), scheme.outside, dtype=np.int16)
    both = tally + _tally(outside, rows, at_padding, scheme, weights)
    entities = _padded_entities(tokens, _only(predicted, counted), pads, by_sentence)
    curve: PrecisionRecallCurve | None = None
    if scheme.kind == "binary":
        scores = tokens.probs_nc[counted, 0]
        curve = precision_recall(
            np.concatenate([scores, rows[:, 0]]),
            np.concatenate([tokens.labels[counted] == 1, np.zeros(len(rows), dtype=np.bool_)]),
            np.concatenate([np.ones(len(scores), dtype=np.int64), weights]),
        )
    return PaddedMetrics(int(pads.sum()), both.tokens, both.metrics(scheme, entities, curve))


def _padded_entities(tokens: _Tokens, guesses: Labels, pads: Indices, at_padding: Labels) -> EntityScores:
    """Entity scores as if sentence i had pads[i] more positions, labelled outside and predicted as at_padding[i].

    Two padded positions are enough: the first may continue the last token's entity, and every later one follows one
    of its own class as the second does. No gold entity is at padding, so an entity that reaches into it is wrong
    wherever it ends.
    """
    scheme, lengths = tokens.scheme, np.diff(tokens.offsets)
    bounds = np.concatenate([[0], np.cumsum(lengths + np.minimum(pads, 2))]).astype(np.int64)
    rows = np.arange(len(guesses)) + np.repeat(bounds[:-1] - tokens.offsets[:-1], lengths)
    longer_labels: Labels = np.full(int(bounds[-1]), scheme.outside, dtype=np.int16)
    longer_guesses: Labels = np.repeat(at_padding, np.diff(bounds)).astype(np.int16)
    longer_labels[rows], longer_guesses[rows] = tokens.labels, guesses
    further = np.flatnonzero(pads > 2)
    seconds = bounds[1:][further] - 1

    def scored(reading: spans.Reading) -> spans.SpanScores:
        found = spans.find(longer_guesses, scheme, bounds, reading)
        if not len(found):
            return spans.score(spans.find(longer_labels, scheme, bounds, reading), found)
        at = np.minimum(np.searchsorted(found.first, seconds), len(found) - 1)
        begins = found.first[at] == seconds
        more = np.bincount(found.kind[at[begins]], pads[further[begins]] - 2, len(found.kinds)).astype(np.int64)
        return spans.score(spans.find(longer_labels, scheme, bounds, reading), found, more)

    return spans.both_readings(scheme, scored("default"), None if scheme.spans is None else scored("strict"))


def _check(
    labels: Labels, probs_nc: Floats, scheme: TagScheme, real: Mask, offsets: Offsets, padding: Floats | None
) -> None:
    n_tokens, n_classes = len(labels), len(scheme.classes)
    if probs_nc.shape != (n_tokens, scheme.n_outputs):
        raise ValueError(f"expected probabilities ({n_tokens}, {scheme.n_outputs}); received {probs_nc.shape}")
    if n_tokens and labels.max() >= n_classes:
        raise ValueError(f"expected labels below {n_classes}; received {labels.max()}")
    if real.shape != (n_tokens,) or real.dtype != np.bool_:
        raise ValueError(f"expected a mask ({n_tokens},) bool; received {real.shape} {real.dtype}")
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != n_tokens or (np.diff(offsets) < 0).any():
        raise ValueError(f"expected offsets rising from 0 to {n_tokens}; received {offsets[:1]} to {offsets[-1:]}")
    shapes = ((scheme.n_outputs,), (len(offsets) - 1, scheme.n_outputs))
    if padding is not None and padding.shape not in shapes:
        raise ValueError(f"expected the output at padding as {shapes[0]} or {shapes[1]}; received {padding.shape}")
