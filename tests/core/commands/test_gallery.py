"""``maskscope audit --gallery``: shows models that the audit must pass and mutants that it must reject."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


@pytest.mark.keras
@pytest.mark.usefixtures("jobs_in_process")
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
def test_one_model_is_shown_with_its_findings(run: "Run") -> None:
    result = run("audit", "--gallery", "m13")
    assert result.code == 0
    assert "M13: autoencoder with RepeatVector; it must be rejected by LOSS, TRACE" in result.out
    assert "repeat (RepeatVector) loses the mask" in result.out


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("expected P0, P1", ("--gallery", "M99")),
        ("can't be combined with --gallery", ("--gallery", "M1", "--model", "m1")),
        ("give one of a project", ("--gallery", "M1", "--data", "x.npy")),
        ("needs one model of the gallery", ("--gallery", "--report", "x.html")),
    ],
)
def test_wrong_arguments_are_refused(run: "Run", message: str, arguments: tuple[str, ...]) -> None:
    assert message in run("audit", *arguments).refused()
