"""maskscope audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give one of a project"),
        (("p", "--data", "x.npy"), "give one of a project"),
        (("p", "--lengths", "l.npy"), "--lengths needs --data"),
        (("p", "--padding", "nan"), "--padding is no finite number"),
        (("--data", "x.npy"), "--model FILE.keras"),
        (("--data", "x.npy", "--model", "m1"), "--model FILE.keras"),
        (("--data", "gone.npy", "--model", "m.keras"), "gone.npy"),
    ],
)
def test_contradicting_arguments_are_refused(run: Run, arguments: tuple[str, ...], words: str) -> None:
    assert words in run("audit", *arguments).refused()


@pytest.mark.keras
def test_the_audit_of_a_project_fails_on_a_collision(run: Run, demo: Path, tmp_path: Path) -> None:
    result = run("audit", demo, "--model", "m1", "--json", "--report", tmp_path / "r.html")
    assert result.code == 1
    record = json.loads(result.out)
    assert record["verdict"] == "failed"
    verdicts = {each["check"]: each["verdict"] for each in record["findings"]}
    assert (verdicts["LENGTH"], verdicts["COLLISIONS"]) == ("passed", "failed")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "COLLISIONS" in page
    assert "://" not in page, "a report needs nothing from elsewhere"
    assert f"maskscope audit {demo} --model m1 --report {tmp_path / 'r.html'}" in page


@pytest.mark.keras
@pytest.mark.slow
def test_the_audit_of_arrays_passes_without_a_collision(run: Run, demo: Path, tmp_path: Path) -> None:
    with Project.open(demo, read_only=True) as opened:
        keras_file = opened.models.get("m1").keras_file
        x = np.array(opened.embeddings[: 3 * opened.offsets[1]], dtype=np.float32)
    n_tokens = len(x) // 3
    x_btd = np.zeros((3, n_tokens + 2, x.shape[1]), dtype=np.float32)
    x_btd[:, :n_tokens] = x.reshape(3, n_tokens, -1)
    np.savez(tmp_path / "x.npz", X=x_btd, lengths=np.full(3, n_tokens))
    result = run("audit", "--data", tmp_path / "x.npz", "--model", keras_file)
    assert (result.code, result.out.splitlines()[0].split(":")[1].split()[0]) == (0, "passed")
