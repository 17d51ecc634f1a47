"""The command line as a whole: help, wrong arguments, exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import maskscope
from maskscope import cli
from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_help_names_every_command(run: Run) -> None:
    result = run("--help")
    assert result.code == 0
    for command in cli.COMMANDS:
        assert f"\n    {command}" in result.out


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert f"  maskscope {command}" in result.out


def test_version(run: Run) -> None:
    assert run("--version").out == f"maskscope {maskscope.__version__}\n"


def test_a_misspelt_command(run: Run) -> None:
    assert "did you mean maskscope import?" in run("improt").refused()
    assert "see maskscope --help" in run("xyzzy").refused()


@pytest.mark.parametrize(
    "arguments",
    [
        ("import",),
        ("info",),
        ("info", "a", "b"),
        ("info", ""),
        ("train", "p", "--units", "ten"),
        ("export", "p", "f"),
        ("export", "p", "f", "--format", "conll", "--labels", "mine"),
        ("import", "p", "s", "--layer", "-1"),
        ("import", "p", "s", "--layer", "top"),
        ("screenshot", "p", "f.png", "--size", "big"),
        ("screenshot", "p", "f.png", "--size", "1x1"),
        ("--frobnicate",),
    ],
)
def test_wrong_arguments_are_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    assert "--help" in run(*arguments).refused()


def test_settings_out_of_range(run: Run, project: Path) -> None:
    assert "units is out of range" in run("train", project, "--units", 0).refused()
    assert "dropout is out of range" in run("train", project, "--dropout", 1).refused()


def test_a_project_that_is_not_there(run: Run, tmp_path: Path) -> None:
    assert "gone.maskscope: there is no such project" in run(tmp_path / "gone.maskscope").refused()
    for command in ("info", "train", "score", "evaluate"):
        assert "there is no such project" in run(command, tmp_path / "gone").refused()


def test_the_window_takes_one_project(run: Run, project: Path) -> None:
    assert "--json" in run(project, "--json").refused()


def test_an_unexpected_error_is_not_a_failed_check(run: Run, monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Project, "open", broken)
    result = run("info", project)
    assert result.code == 2
    assert "error in Maskscope" in result.err


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "open", interrupted)
    result = run("info", project)
    assert (result.code, result.out) == (130, "")
    assert "cancelled" in result.err
