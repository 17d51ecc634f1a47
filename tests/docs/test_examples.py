"""The worked examples run: in this process with fewer checks; as a reader runs them, with the slow tests."""

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import pytest

import maskscope

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:Even though the .*run_functions_eagerly:UserWarning"),
]

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
if not EXAMPLES.exists():
    pytest.skip("the examples are not next to these tests", allow_module_level=True)

Example: TypeAlias = Callable[[str, int, tuple[str, ...]], str]
"""Name, epochs and checks to make -> what the example prints; as a reader runs it, it makes all checks."""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["in this process", pytest.param("as a reader", marks=pytest.mark.slow)])
def run(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Example:
    """Runs an example, with its pictures in `tmp_path`."""

    def in_this_process(name: str, epochs: int, checks: tuple[str, ...]) -> str:
        module = load(name)
        monkeypatch.setattr(module, "audit_arrays", functools.partial(module.audit_arrays, checks=checks))
        monkeypatch.setattr(module, "SENTENCES", 16, raising=False)
        monkeypatch.setattr(sys, "argv", [name, "--epochs", str(epochs), "--folder", str(tmp_path)])
        import tensorflow as tf

        # so few steps that tracing them would take longer than running them
        tf.config.run_functions_eagerly(True)
        try:
            assert module.main() == 0
        finally:
            tf.config.run_functions_eagerly(False)
        return capsys.readouterr().out

    def as_a_reader(name: str, epochs: int, checks: tuple[str, ...]) -> str:
        roots = {str(Path(maskscope.__file__).parent.parent)}
        for package in ("maskscope_gui", "maskscope_resources"):
            roots.add(str(Path(__import__(package).__file__ or "").parent.parent))
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / f"{name}.py"), "--epochs", str(epochs), "--folder", str(tmp_path)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sorted(roots)), "PYTHONIOENCODING": "utf-8"},
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return in_this_process if request.param == "in this process" else as_a_reader


def verdicts(lines: list[str], checks: tuple[str, ...]) -> dict[str, str]:
    """The first word of each check's verdict."""
    found = {}
    for check in checks:
        (line,) = [line.split() for line in lines if line.split()[:1] == [check]]
        found[check] = line[1]
    return found


def test_the_masked_autoencoder(run: Example, tmp_path: Path) -> None:
    checks = ("LENGTH", "LOSS", "TRACE", "COLLISIONS", "DATA")
    out = run("masked_autoencoder", 2, checks)
    usual, repaired, *_ = out.split("\n\n")
    wanted = {"LENGTH": "could", "COLLISIONS": "passed", "DATA": "passed"}
    assert verdicts(usual.splitlines(), checks) == {**wanted, "LOSS": "failed", "TRACE": "failed"}
    assert "repeat (RepeatVector) loses the mask" in usual
    assert verdicts(repaired.splitlines(), checks) == {**wanted, "LOSS": "passed", "TRACE": "passed"}
    assert "  ".join(f"0.{digit}00" for digit in range(1, 10)) in out
    assert out.count("reproduced, repaired") == 3
    for name in ("masked_autoencoder.svg", "masked_autoencoder_repaired.svg"):
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<?xml")


def test_the_masked_bilstm(run: Example, tmp_path: Path) -> None:
    checks = ("TRACE", "COLLISIONS", "DATA")
    out = run("masked_bilstm", 1, checks)
    assert set(verdicts(out.splitlines(), checks).values()) == {"passed"}
    assert "2048 numbers a token" in out
    assert "no prediction" in out
    assert (tmp_path / "masked_bilstm.svg").exists()
