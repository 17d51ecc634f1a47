"""``maskscope audit --repair``: writes a repaired copy of the model and audits it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run

pytestmark = [
    pytest.mark.keras,
    pytest.mark.usefixtures("jobs_in_process"),
    pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning"),
]


@pytest.mark.slow
def test_a_repaired_copy_is_written_and_both_audits_are_reported(run: "Run", tmp_path: Path) -> None:
    from maskscope.audit import gallery

    model = gallery.gallery_model("M13")
    assert model is not None
    model.build().save(tmp_path / "old.keras")
    x, lengths = model.data()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "n.npy", lengths)
    new, report = tmp_path / "new.keras", tmp_path / "a.html"
    files = {"--data": tmp_path / "x.npy", "--lengths": tmp_path / "n.npy", "--model": tmp_path / "old.keras"}
    arguments = ["audit", *(each for pair in files.items() for each in pair), "--repair", new]
    result = run(*arguments, "--json", "--report", report)
    assert result.code == 1
    record = json.loads(result.out)
    assert record["verdict"] == "failed"
    assert record["repairs"] == ["carry_mask"]
    repaired = record["repaired"]
    assert (repaired["path"], repaired["repairs"]) == (str(new), ["carry_mask"])
    assert "failed" not in {each["verdict"] for each in repaired["findings"]}
    assert new.exists()
    assert "--repair" in report.read_text(encoding="utf-8")
    # a file that is there is never overwritten
    assert "expected a new name NAME.keras" in run(*arguments).refused()
