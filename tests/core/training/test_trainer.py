"""Training without TensorFlow: what may enter the loss, what is kept, and that it repeats itself."""

import os
import subprocess
import sys
from typing import Literal

import numpy as np
import pytest

from maskscope.errors import Cancelled, ModelError
from maskscope.jobs import NullJob
from maskscope.runs import TrainSettings
from maskscope.training import trainer
from maskscope.training.optimizer import Adam
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import NO_LABEL, TagScheme
from tests.core.name_corpus import DIM, QUICK, TYPED, corpus

BINARY = TagScheme("binary", ("O", "name"))
SPANS = TagScheme("multiclass", ("O", "B-a", "I-a"))


class Watch(NullJob):
    """Keeps what is reported, and cancels after an epoch of choice."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.shares: list[float] = []
        self.figures: list[tuple[str, int, float]] = []
        self.stop_after = stop_after

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.shares.append(done / total)
        if self.stop_after is not None and self.figures and self.figures[-1][1] >= self.stop_after:
            raise Cancelled

    def figure(self, name: str, step: int, value: float) -> None:
        self.figures.append((name, step, value))


@pytest.mark.parametrize("scheme", [BINARY, TYPED])
def test_ignored_unlabelled_and_masked_tokens_never_enter_training(scheme: TagScheme) -> None:
    """An ignored token has no label, whatever gold says beneath; a collision has one that the loss must not see."""
    x, offsets, labels = corpus(12)
    labels = np.minimum(labels, len(scheme.classes) - 1).astype(np.int16)
    spec = TaggerSpec(scheme, DIM, units=3)
    settings = TrainSettings(units=3, epochs=2, batch_tokens=40, validation=0.0, class_weights="balanced")
    hidden = np.arange(len(labels)) % 3 == 0
    labels[hidden] = NO_LABEL
    collided = (np.arange(len(labels)) % 7 == 1) & ~hidden
    x[collided] = 0
    watch, other = Watch(), Watch()
    trained = trainer.train(x, offsets, labels, spec, settings, watch)
    flipped = labels.copy()
    # two at a time, so that the counts that give the classes their weights stay
    first, second = np.flatnonzero(collided & (labels == 0))[0], np.flatnonzero(collided & (labels == 1))[0]
    flipped[[first, second]] = flipped[[second, first]]
    again = trainer.train(x, offsets, flipped, spec, settings, other)
    assert np.array_equal(trained.parameters.flat, again.parameters.flat)
    assert watch.figures == other.figures
    assert (watch.shares[0], watch.shares[-1]) == (0, 1)
    assert watch.shares == sorted(watch.shares)


def test_the_loss_is_a_mean_over_real_tokens() -> None:
    x, offsets, labels = corpus(6)
    spec = TaggerSpec(TYPED, DIM, units=3, recurrent_dropout=0.0)
    settings = TrainSettings(epochs=1, batch_tokens=1000, validation=0.0, learning_rate=1e-9)
    trained = trainer.train(x, offsets, labels, spec, settings)
    probs, _, _ = trainer.score(trained.parameters, x, offsets, np.arange(6))
    assert trained.history[0].loss == pytest.approx(-np.log(probs[np.arange(len(labels)), labels]).mean(), abs=1e-5)
    assert trained.history[0].val_loss is None
    assert trained.validation_sentences == ()


def test_training_learns_and_repeats_itself() -> None:
    x, offsets, labels = corpus(60)
    settings = TrainSettings(units=4, epochs=12, batch_tokens=60, learning_rate=0.03, validation=0.2, seed=3)
    spec = TaggerSpec.from_settings(TYPED, DIM, settings)
    halves = x.astype(np.float16)
    trained = trainer.train(halves, offsets, labels, spec, settings)
    again = trainer.train(halves, offsets, labels, spec, settings)
    assert np.array_equal(trained.parameters.flat, again.parameters.flat)
    assert trained.validation_sentences == again.validation_sentences
    assert len(trained.validation_sentences) == 12
    assert trained.history == again.history
    best = trained.history[trained.best_epoch - 1]
    losses = [epoch.val_loss for epoch in trained.history if epoch.val_loss is not None]
    assert len(losses) == 12
    assert best.val_loss == min(losses)
    assert best.f1 is not None
    assert best.f1 > 0.8
    ids = np.array(trained.validation_sentences)
    assert trainer.validate(trained.parameters, halves, offsets, labels, ids).metrics.loss == pytest.approx(
        best.val_loss
    )


def test_a_span_scheme_is_judged_by_its_entities() -> None:
    x, offsets, labels = corpus(40)
    settings = TrainSettings(units=3, epochs=6, batch_tokens=60, validation=0.3, learning_rate=0.05, keep_by="f1")
    watch = Watch()
    trained = trainer.train(x, offsets, labels, TaggerSpec.from_settings(SPANS, DIM, settings), settings, watch)
    f1s = [epoch.entity_f1 for epoch in trained.history if epoch.entity_f1 is not None]
    assert len(f1s) == len(trained.history)
    assert f1s[trained.best_epoch - 1] == max(f1s)
    assert [name for name, _, _ in watch.figures[:4]] == ["loss", "val_loss", "f1", "entity_f1"]


def test_it_stops_when_nothing_gets_better() -> None:
    x, offsets, labels = corpus(30)
    labels = np.random.default_rng(5).permutation(labels)
    settings = TrainSettings(units=3, epochs=200, learning_rate=0.05, validation=0.4, patience=3)
    trained = trainer.train(x, offsets, labels, TaggerSpec.from_settings(TYPED, DIM, settings), settings)
    assert trained.complete
    assert len(trained.history) == trained.best_epoch + 3 < 200


def test_cancelling_keeps_the_best_epoch_so_far() -> None:
    x, offsets, labels = corpus(30)
    spec = TaggerSpec(TYPED, DIM, units=3)
    seen: list[trainer.Trained] = []
    trained = trainer.train(x, offsets, labels, spec, TrainSettings(), Watch(stop_after=4), after_epoch=seen.append)
    assert not trained.complete
    assert len(trained.history) == len(seen) == 4
    assert np.array_equal(trained.parameters.flat, seen[trained.best_epoch - 1].parameters.flat)
    with pytest.raises(Cancelled):
        trainer.train(x, offsets, labels, spec, TrainSettings(), CancelAtOnce())


class CancelAtOnce(NullJob):
    def progress(self, done: int, total: int, text: str = "") -> None:
        raise Cancelled


def test_rare_classes_and_reviewed_sentences_count_more_when_asked_to() -> None:
    x, offsets, labels = corpus(60)
    labels[(labels == 2) & (np.arange(len(labels)) % 5 > 0)] = 0
    share = {}
    for name in ("none", "balanced"):
        settings = TrainSettings(units=3, epochs=8, batch_tokens=60, validation=0.0, class_weights=name)
        trained = trainer.train(x, offsets, labels, TaggerSpec.from_settings(TYPED, DIM, settings), settings)
        probs, _, _ = trainer.score(trained.parameters, x, offsets, np.arange(60))
        share[name] = float((probs.argmax(axis=1) == 2).mean())
    assert share["balanced"] > share["none"]
    # a corpus in which the reviewed half says the opposite of the other
    reviewed = np.arange(60) % 2 == 0
    labels = np.where(np.repeat(reviewed, np.diff(offsets)), x[:, 0] > 0, x[:, 0] <= 0).astype(np.int16)
    agrees = {}
    for weight in (1.0, 20.0):
        settings = TrainSettings(units=3, epochs=8, batch_tokens=60, validation=0.0, reviewed_weight=weight)
        spec = TaggerSpec.from_settings(BINARY, DIM, settings)
        trained = trainer.train(x, offsets, labels, spec, settings, reviewed=reviewed)
        probs, _, _ = trainer.score(trained.parameters, x, offsets, np.arange(60))
        agrees[weight] = float(((probs[:, 0] > 0.5) == (x[:, 0] > 0)).mean())
    assert agrees[20.0] > agrees[1.0] + 0.1


def test_what_can_not_be_trained_is_refused() -> None:
    x, offsets, labels = corpus(3)
    spec = TaggerSpec(BINARY, DIM)
    with pytest.raises(ModelError, match="nothing to train on"):
        trainer.train(x, offsets, np.full_like(labels, NO_LABEL), spec, QUICK)
    with pytest.raises(ModelError, match="ids below 2; received 2"):
        trainer.train(x, offsets, labels, spec, QUICK)
    with pytest.raises(ModelError, match="expected none or sqrt or balanced; received 'rare'"):
        TrainSettings(class_weights="rare")  # type: ignore[arg-type]


@pytest.mark.parametrize(("validation", "keep_by"), [(0.3, "loss"), (0.0, "loss"), (0.3, "last")])
def test_weights_that_are_no_longer_finite_are_never_kept(
    monkeypatch: pytest.MonkeyPatch, validation: float, keep_by: Literal["loss", "last"]
) -> None:
    x, offsets, labels = corpus(20)
    spec = TaggerSpec(TYPED, DIM, units=3)
    settings = TrainSettings(units=3, epochs=5, batch_tokens=1000, validation=validation, keep_by=keep_by)
    take_step, steps = Adam.step, []

    def diverge(adam: Adam, gradients: Parameters) -> None:
        steps.append(1)
        if len(steps) == 2:
            gradients.flat[:] = np.nan
        take_step(adam, gradients)

    monkeypatch.setattr(Adam, "step", diverge)
    if validation == 0 or keep_by == "last":
        with pytest.raises(ModelError, match="training diverged"):
            trainer.train(x, offsets, labels, spec, settings)
        return
    trained = trainer.train(x, offsets, labels, spec, settings)
    assert np.isfinite(trained.parameters.flat).all()
    assert (trained.best_epoch, len(trained.history), trained.complete) == (1, 1, False)


def test_batches_hold_tokens_within_their_limit_and_every_sentence_once() -> None:
    lengths = np.array([5, 1, 30, 2, 5, 4, 5, 1, 2])
    ids = np.array([0, 1, 2, 3, 4, 5, 6, 8])
    batches = trainer.batches_of_tokens(lengths, ids, 10, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == ids.tolist()
    for batch in batches:
        assert lengths[batch].sum() <= 10 or len(batch) == 1


def test_sentences_of_like_length_share_a_batch_and_each_epoch_has_its_own_order() -> None:
    lengths = np.random.default_rng(1).integers(1, 60, 3000)
    rng = np.random.default_rng(0)
    first, second = (trainer.batches_of_tokens(lengths, np.arange(3000), 500, rng) for _ in range(2))
    steps = sum(int(lengths[batch].max()) for batch in first)
    assert steps < 1.2 * sum(lengths[batch].mean() for batch in first)
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=False))
    means = [lengths[batch].mean() for batch in first]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3, "batches come in no order of length"


def test_splitting_holds_back_whole_sentences() -> None:
    rng = np.random.default_rng(0)
    usable = np.array([2, 5, 6, 9])
    train, held = trainer.split(usable, 0.1, rng)
    assert len(held) == 1
    assert sorted([*train, *held]) == usable.tolist()
    assert trainer.split(usable, 0.0, rng)[1].size == 0
    assert trainer.split(usable[:1], 0.5, rng)[0].tolist() == [2]


def test_sentences_that_are_masked_whole_do_no_harm() -> None:
    x, offsets, labels = corpus(6)
    x[offsets[2] : offsets[3]] = 0
    settings = TrainSettings(units=2, epochs=2, batch_tokens=1, validation=0.5)
    trained = trainer.train(x, offsets, labels, TaggerSpec.from_settings(TYPED, DIM, settings), settings)
    assert np.isfinite(trained.parameters.flat).all()


def test_training_needs_no_tensorflow() -> None:
    code = "import sys, maskscope.training.trainer; print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert printed.stdout.strip() == "False"
