"""Settings of a training run: each field has metadata, and the metadata decides what is allowed."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from maskscope.commands.parser import parse
from maskscope.errors import ModelError
from maskscope.runs import ChoiceSetting, NumberSetting, TrainSettings, train_settings

NAMES = [field.name for field in fields(TrainSettings)]
DOCS = Path(__file__).parents[2] / "docs"


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
