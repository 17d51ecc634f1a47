"""run.json and the settings in it."""

import math
from pathlib import Path

import pytest

from maskscope.errors import ModelError
from maskscope.runs import EpochFigures, RunInfo, RunMetrics, TrainSettings
from maskscope.training.spec import TaggerSpec
from maskscope.types import TagScheme

RUN = RunInfo(
    name="BiLSTM 10",
    created=1_700_000_000.5,
    settings=TrainSettings(units=3, seed=7),
    scheme=TagScheme("multiclass", ("O", "a", "é")),
    dim=4,
    history=(EpochFigures(1, 0.5, 0.6, 0.1), EpochFigures(2, 0.4)),
    metrics=RunMetrics(0.1, 0.2, 0.3, 0.4, 0.5, 6),
    validation_sentences=(1, 5),
    fingerprint="f",
    keras="3.15.1",
    tensorflow="2.21.0",
    seconds=1.5,
)


def test_a_run_survives_its_file() -> None:
    text = RUN.to_json()
    assert RunInfo.from_json(text) == RUN
    assert RunInfo.from_json(text.replace('"seconds"', '"later_version": 1, "seconds"')) == RUN
    assert RUN.f1 == 0.1


def test_a_loss_that_diverged_is_null() -> None:
    run = RunInfo("x", 0.0, TrainSettings(), RUN.scheme, 4, history=(EpochFigures(1, math.nan),))
    assert "NaN" not in run.to_json()
    assert RunInfo.from_json(run.to_json()).history[0].loss is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, RUN.to_json().replace('"units": 3', '"units": -3'), '{"scheme": 3}']
)
def test_what_is_no_run_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"run\.json: is no run record"):
        RunInfo.from_json(text, Path("m1") / "run.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("units", 0),
        ("units", 2.5),
        ("layers", 9),
        ("epochs", True),
        ("batch_tokens", -1),
        ("seed", -1),
        ("dropout", 1.0),
        ("recurrent_dropout", -0.1),
        ("validation", math.nan),
        ("learning_rate", 0.0),
        ("learning_rate", "fast"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ModelError) as caught:
        TrainSettings(**{name: value})  # type: ignore[arg-type]
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_a_tagger_takes_its_sizes_from_the_settings() -> None:
    spec = TaggerSpec.from_settings(RUN.scheme, 4, TrainSettings(units=5, layers=2, dropout=0.1))
    assert (spec.units, spec.layers, spec.dropout, spec.recurrent_dropout) == (5, 2, 0.1, 0.3)
    assert spec.name == "BiLSTM 2 x 5"
    with pytest.raises(ModelError, match="dim"):
        TaggerSpec(RUN.scheme, 0)
