"""The message where Qt can't start; each case runs in a process of its own, since Qt would end it."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import maskscope
import maskscope_gui

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries and displays of Linux")

ROOTS = [str(Path(module.__file__ or "").parent.parent) for module in (maskscope, maskscope_gui)]
SETTINGS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_RUNTIME_DIR")

CHECK = """
from maskscope_gui.preflight import DisplayError, check
try:
    check(OFFSCREEN)
except DisplayError as error:
    print(error)
else:
    print("fine")
"""

# The loader that this process sees can't find some libraries, and Qt can't be imported for the same reason.
HIDE = """
import ctypes, sys
whole = ctypes.CDLL
def without(name, *more, **named):
    if any(part in str(name) for part in HIDDEN):
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")
    return whole(name, *more, **named)
ctypes.CDLL = without
sys.modules["PySide6.QtWidgets"] = None
"""


def answer(code: str, **settings: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment |= {"PYTHONPATH": os.pathsep.join(dict.fromkeys(ROOTS)), **settings}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert run.stderr == ""
    assert run.stdout.count("\n") == 1
    return run.stdout.strip()


def checked(offscreen: bool = False, hidden: tuple[str, ...] = (), **settings: str) -> str:
    code = CHECK.replace("OFFSCREEN", repr(offscreen))
    return answer(HIDE.replace("HIDDEN", repr(hidden)) + code if hidden else code, **settings)


def test_without_a_display() -> None:
    message = checked()
    assert "there is no display" in message
    assert "maskscope --help" in message


def test_offscreen_needs_none() -> None:
    assert checked(offscreen=True) == "fine"
    assert checked(QT_QPA_PLATFORM="offscreen") == "fine"


def test_a_display_that_does_not_answer() -> None:
    assert "nothing answers on the display" in checked(DISPLAY=":9731")
    assert "DISPLAY=:9731" in checked(DISPLAY=":9731")
    assert "nothing answers" in checked(DISPLAY="no display at all")


def on_wayland(**environment: str) -> str:
    """As `checked`; skips the test on a machine without the libraries of Wayland, save under CI."""
    message = checked(False, (), **environment)
    if "libwayland" in message and not os.environ.get("CI"):
        pytest.skip(message)
    return message


def test_a_wayland_display_that_does_not_answer(tmp_path: Path) -> None:
    message = on_wayland(QT_QPA_PLATFORM="wayland", WAYLAND_DISPLAY="gone", XDG_RUNTIME_DIR=str(tmp_path))
    assert "nothing answers on the Wayland display (gone)" in message
    # Left to itself, Qt falls back to X.
    message = checked(WAYLAND_DISPLAY="gone", XDG_RUNTIME_DIR=str(tmp_path))
    assert "no display" in message


def test_a_wayland_display_that_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "w"))
        server.listen()
        assert on_wayland(WAYLAND_DISPLAY="w", XDG_RUNTIME_DIR=str(tmp_path)) == "fine"


def test_a_display_that_answers() -> None:
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("no Xvfb here")
    reading, writing = os.pipe()
    with subprocess.Popen(
        [server, "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(writing)
        try:
            with os.fdopen(reading) as answered:
                display = answered.readline().strip()
            assert checked(DISPLAY=f":{display}") == "fine"
        finally:
            process.terminate()


def test_missing_libraries_are_named_with_their_packages() -> None:
    message = checked(offscreen=True, hidden=("libEGL.so.1", "libGL.so.1"))
    assert "libEGL.so.1, libGL.so.1" in message
    assert "libegl1 libgl1" in message or "libglvnd-egl libglvnd-glx" in message
    message = checked(hidden=("libxcb-cursor", "libqxcb"), DISPLAY=":9731")
    assert "libxcb-cursor.so.0" in message
    assert "libxcb-cursor0" in message or "xcb-util-cursor" in message


def test_everything_that_is_missing_is_in_one_message() -> None:
    message = checked(hidden=("libEGL", "libxcb-"))
    for library in ("libEGL.so.1", "libxcb-cursor.so.0", "libxcb-icccm.so.4", "libxcb-xkb.so.1"):
        assert library in message


def test_a_qt_with_its_own_libraries_can_start() -> None:
    hidden = HIDE.replace("HIDDEN", "('libEGL', 'libGL')").replace('sys.modules["PySide6.QtWidgets"] = None', "")
    assert answer(hidden + CHECK.replace("OFFSCREEN", "True")) == "fine"


def test_without_pyside() -> None:
    code = "import importlib.util; importlib.util.find_spec = lambda name: None\n"
    assert "needs PySide6" in answer(code + CHECK.replace("OFFSCREEN", "False"))


def test_an_import_that_fails_after_the_check_is_explained() -> None:
    from maskscope_gui.preflight import explain

    error = explain(ImportError("libEGL.so.1: cannot open shared object file: No such file or directory"))
    assert "libEGL.so.1" in str(error)
    assert "libegl1" in str(error) or "libglvnd-egl" in str(error)
    assert "libodd.so.7" in str(explain(ImportError("libodd.so.7: cannot open shared object file: No such file")))
    assert "some other reason" in str(explain(ImportError("some other reason")))


def test_the_check_is_quick_where_nothing_is_missing() -> None:
    code = (
        "import time; from maskscope_gui.preflight import check; check(True)\n"
        "began = time.perf_counter(); check(True); print(time.perf_counter() - began)"
    )
    assert float(answer(code)) < 0.05


def test_the_command_line_prints_the_message_in_one_line() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(ROOTS))
    run = subprocess.run(
        [sys.executable, "-m", "maskscope"], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("maskscope: there is no display")
    assert run.stderr.count("\n") == 1
