"""The worked examples run as a reader runs them, only shorter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import maskscope

pytestmark = pytest.mark.keras

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def run(name: str, folder: Path, epochs: int) -> str:
    script = EXAMPLES / f"{name}.py"
    if not script.exists():
        pytest.skip("the examples are not beside these tests")
    roots = {str(Path(maskscope.__file__).parent.parent)}
    for package in ("maskscope_gui", "maskscope_resources"):
        roots.add(str(Path(__import__(package).__file__ or "").parent.parent))
    done = subprocess.run(
        [sys.executable, str(script), "--epochs", str(epochs), "--folder", str(folder)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sorted(roots)), "PYTHONIOENCODING": "utf-8"},
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def verdicts(lines: list[str]) -> dict[str, str]:
    found = {}
    for check in ("LENGTH", "LOSS", "TRACE", "COLLISIONS", "DATA"):
        (line,) = [line.split() for line in lines if line.split()[:1] == [check]]
        found[check] = line[1]
    return found


def test_the_masked_autoencoder(tmp_path: Path) -> None:
    out = run("masked_autoencoder", tmp_path, 2)
    usual, repaired, *_ = out.split("\n\n")
    wanted = {"LENGTH": "could", "COLLISIONS": "passed", "DATA": "passed"}
    assert verdicts(usual.splitlines()) == {**wanted, "LOSS": "failed", "TRACE": "failed"}
    assert "repeat (RepeatVector) loses the mask" in usual
    assert verdicts(repaired.splitlines()) == {**wanted, "LOSS": "passed", "TRACE": "passed"}
    assert "  ".join(f"0.{digit}00" for digit in range(1, 10)) in out
    assert out.count("reproduced, repaired") == 3
    for name in ("masked_autoencoder.svg", "masked_autoencoder_repaired.svg"):
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<?xml")


def test_the_masked_bilstm(tmp_path: Path) -> None:
    out = run("masked_bilstm", tmp_path, 1)
    assert set(verdicts(out.splitlines()).values()) == {"passed"}
    assert "2048 numbers a token" in out
    assert "no prediction" in out
    assert (tmp_path / "masked_bilstm.svg").exists()
