"""run.json, and the settings of a training run: each field has metadata, which decides what is allowed."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from maskscope.commands.parser import parse
from maskscope.errors import ModelError
from maskscope.runs import (
    ChoiceSetting,
    EpochFigures,
    NumberSetting,
    RunInfo,
    RunMetrics,
    TrainSettings,
    train_settings,
)
from maskscope.types import TagScheme

NAMES = [field.name for field in fields(TrainSettings)]
DOCS = Path(__file__).parents[2] / "docs"
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


def settings_with(name: str, value: object) -> TrainSettings:
    chosen: dict[str, Any] = {name: value}
    return TrainSettings(**chosen)


def help_of_train(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        parse(["train", "--help"])
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", NAMES)
def test_each_field_has_a_label_a_help_text_and_a_command_line_option(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = train_settings()[name]
    assert setting.label.count("&") == 1
    assert setting.help
    text = help_of_train(capsys)
    assert f"--{name.replace('_', '-')} " in text
    assert setting.help in text


def test_the_documentation_lists_each_option_with_its_default() -> None:
    (row,) = (
        line for line in (DOCS / "command-line.md").read_text("utf-8").splitlines() if line.startswith("| `train")
    )
    for name, setting in train_settings().items():
        option, default = f"--{name.replace('_', '-')}", getattr(TrainSettings(), name)
        value = r"\|".join(setting.values) if isinstance(setting, ChoiceSetting) else f"{default:g}"
        assert f"[{option} {value}]" in row


@pytest.mark.parametrize("name", [name for name, each in train_settings().items() if isinstance(each, NumberSetting)])
def test_a_number_out_of_range_is_refused(name: str) -> None:
    setting = train_settings()[name]
    assert isinstance(setting, NumberSetting)
    whole = setting.decimals == 0
    kind: type[int] | type[float] = int if whole else float
    too_small = setting.minimum if setting.above_minimum else setting.minimum - 1
    too_large = setting.maximum if setting.below_maximum else setting.maximum + 1
    for value in (kind(too_small), kind(too_large), "1", True, float("nan"), float("inf")):
        with pytest.raises(ModelError, match=f"{name} is out of range"):
            settings_with(name, value)
    if whole:
        with pytest.raises(ModelError, match=f"{name} is out of range"):
            settings_with(name, setting.minimum + 0.5)


@pytest.mark.parametrize("name", [name for name, each in train_settings().items() if isinstance(each, ChoiceSetting)])
def test_a_text_that_is_no_choice_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"there is no such {name}; expected .* or .*; received 'often'"):
        settings_with(name, "often")


def test_a_run_is_read_as_it_was_written() -> None:
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
def test_a_file_that_is_no_run_record_is_refused(text: str) -> None:
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
        settings_with(name, value)
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)
