"""The command line as a process: what it imports, signals, pipes, encodings."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import maskscope
from maskscope.project import ProjectWriter
from maskscope.types import Sentence

ROOTS = [str(Path(maskscope.__file__).parent.parent)]
for package in ("maskscope_gui", "maskscope_resources"):
    module = __import__(package)
    ROOTS.append(str(Path(module.__file__ or "").parent.parent))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(ROOTS)), **more}


def maskscope_process(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maskscope", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(**more),
        timeout=60,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with ProjectWriter(tmp_path / "p.maskscope", 2, np.dtype(np.float32)) as writer:
        rows = np.zeros((3, 2), dtype=np.float32)
        writer.add(Sentence(("שלום", "👩‍👩‍👧", "\ud800"), rows, ("人名", "O", "O")))
        writer.finish()
    return tmp_path / "p.maskscope"


def imported_by(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=True,
    )
    return set(run.stdout.splitlines()[-1].split())


def test_the_way_to_the_window_imports_nothing_heavy() -> None:
    modules = imported_by("import maskscope.cli, maskscope_gui.preflight")
    assert not modules & {"numpy", "h5py", "tensorflow", "keras", "PySide6.QtCore", "argparse", "json", "sqlite3"}


def test_commands_without_a_model_import_neither_tensorflow_nor_qt(project: Path) -> None:
    modules = imported_by(f"from maskscope.cli import main; main(['info', {str(project)!r}])")
    assert not modules & {"tensorflow", "keras", "h5py", "PySide6"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_token_can_be_printed_in_any_encoding(project: Path, encoding: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "maskscope", "info", str(project)],
        capture_output=True,
        env=environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0"),
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert b"sentence 0, position 2" in run.stdout


def test_json_is_ascii_on_one_line(project: Path) -> None:
    run = maskscope_process("info", project, "--json", PYTHONIOENCODING="ascii")
    assert run.returncode == 0
    assert run.stdout.isascii()
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_closed_pipe_ends_the_command_quietly(project: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run = subprocess.run(
            [sys.executable, "-m", "maskscope", "info", str(project)],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert run.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="a process can't send itself Ctrl+C alone on Windows")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_leaves_nothing(tmp_path: Path, kind: signal.Signals) -> None:
    np.save(tmp_path / "X.npy", np.ones((400_000, 4, 4), dtype=np.float16))
    with subprocess.Popen(
        [sys.executable, "-m", "maskscope", "import", str(tmp_path / "p"), str(tmp_path / "X.npy")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        give_up = time.monotonic() + 30
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(0.3)
        assert process.poll() is None, "the import was over too soon"
        process.send_signal(kind)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "maskscope: cancelled; nothing unfinished was left behind"
    assert "Traceback" not in err
    assert [file.name for file in tmp_path.iterdir()] == ["X.npy"]
