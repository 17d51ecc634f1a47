"""``maskscope model``: lists a model's layers and where the mask is."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run

DEMO = "demo/binary/model.keras"


@pytest.mark.keras
@pytest.mark.usefixtures("jobs_in_process")
def test_the_layers_are_listed_with_their_masks(run: "Run") -> None:
    with resources.as_file(resources.files("maskscope_resources") / DEMO) as file:
        lines = run("model", file).out.splitlines()
        record = run("model", file, "--json").json()
    assert lines[0].split("  ")[0] == "layer"
    assert [line.split()[0] for line in lines[1:]] == ["embeddings", "masking", "bidirectional_1", "probabilities"]
    assert lines[-1].endswith("the same")
    assert set(record) == {"model", "layers", "edges", "picture"}
    assert record["picture"] is None
    assert [layer["mask"] for layer in record["layers"]] == ["none", "same", "same", "same"]
    assert record["edges"][-1] == {
        "source": "probabilities",
        "target": "loss",
        "mask": "same",
        "fault": False,
        "words": "mask",
    }


def test_a_missing_file_and_a_wrong_picture_are_refused(run: "Run", tmp_path: Path) -> None:
    assert "received nothing" in run("model", tmp_path / "none.keras").refused()
    refusal = run("model", tmp_path / "none.keras", "--picture", "x.gif").refused()
    assert "expected NAME.svg or NAME.png; received x.gif" in refusal
