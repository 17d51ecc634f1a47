"""The real program in a real window, on a virtual display."""

import mmap
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

PATIENCE_S = 60.0
_POLL_S = 0.02
_STILL_S = 0.15
"""A picture that did not change for so long is complete."""


@dataclass(frozen=True, slots=True)
class Display:
    """A virtual display.

    Attributes:
        name: what DISPLAY names it.
        frame_buffer: the file in which Xvfb keeps what is on the screen, as an XWD image.
    """

    name: str
    frame_buffer: Path

    def pixels(self, left: int, top: int, right: int, bottom: int) -> npt.NDArray[np.uint8]:
        """The pixels (bottom - top, right - left, 4) of a part of the screen."""
        with self.frame_buffer.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            # XWDFile.h: the header's size, then among others height, bytes per line and number of colours.
            header = np.frombuffer(image[:100], dtype=">u4")
            height, line, start = int(header[5]), int(header[12]), int(header[0]) + 12 * int(header[19])
            rows = np.frombuffer(image[start : start + height * line], dtype=np.uint8).reshape(height, line)
            return rows[top:bottom, 4 * left : 4 * right].reshape(bottom - top, -1, 4).copy()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a virtual display these tests can't run; under CI that is a failure, not a skip."""
    missing = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if not missing or os.environ.get("CI"):
        return
    skip = pytest.mark.skip(reason=f"needs {' and '.join(missing)} (Debian packages xvfb and xdotool)")
    for item in items:
        if "e2e" in Path(str(item.fspath)).parts:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    """A virtual display of 1440 x 900, with a window manager when there is one."""
    folder = tmp_path_factory.mktemp("display")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1440x900x24", "-nolisten", "tcp", "-fbdir", str(folder)],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as answer:
        name = f":{answer.readline().strip()}"
    manager = None
    if shutil.which("openbox"):
        manager = subprocess.Popen(["openbox"], env={**os.environ, "DISPLAY": name}, stderr=subprocess.DEVNULL)
    yield Display(name, folder / "Xvfb_screen0")
    for process in (manager, server):
        if process is not None:
            process.terminate()
            process.wait()


class Person:
    """Starts the program and uses it by keys and mouse, through the X server."""

    def __init__(self, display: Display, home: Path) -> None:
        self._display = display
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("QT_", "XDG_"))},
            "DISPLAY": display.name,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "PYTHONUNBUFFERED": "1",
        }
        self.program: subprocess.Popen[bytes] | None = None
        self._errors = home / "stderr.txt"
        self._window = ""

    def command(self, *words: str) -> str:
        """Run a command of the program to its end, and give what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "maskscope", *words],
            env={**self._environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open(self, *words: str) -> None:
        """Start the window and wait until it is there."""
        with self._errors.open("ab") as errors:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "maskscope", *words],
                env={**self._environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self.wait_for(self._find_window, "the window")
        self._tool("windowactivate", "--sync", self._window)
        self.wait_for(lambda: self._tool("getwindowfocus", check=False).strip() == self._window, "the focus")

    def _find_window(self) -> bool:
        assert self.program is not None
        assert self.program.poll() is None, self._errors.read_text()
        found = self._tool("search", "--onlyvisible", "--name", "– Maskscope$", check=False).split()
        self._window = found[-1] if found else ""
        return bool(found)

    def keys(self, *names: str) -> None:
        """Press keys, one after another, by their X names ("Return", "ctrl+z")."""
        self._tool("key", "--clearmodifiers", "--delay", "20", *names)

    def type(self, text: str) -> None:
        """Type text into whatever has the focus."""
        self._tool("type", "--delay", "25", text)

    def click(self, x: int, y: int) -> None:
        """Click at a place of the window."""
        self._tool("mousemove", "--sync", "--window", self._window, str(x), str(y))
        self._tool("click", "1")

    def geometry(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the window on the screen, in pixels."""
        lines = self._tool("getwindowgeometry", "--shell", self._window).split()
        values = dict(line.split("=") for line in lines)
        return int(values["X"]), int(values["Y"]), int(values["WIDTH"]), int(values["HEIGHT"])

    def find(self, text: str) -> None:
        """Search for a text, which shows the first sentence that contains it, and go back to the sentences."""
        left, top, _, height = self.geometry()
        # The upper part of the sentence list.
        part = (left + 10, top + 120, left + 250, top + height // 2)
        self.keys("ctrl+f")
        before = self._display.pixels(*part)
        self.type(text)
        self.wait_for(lambda: self._is_painted(part, before), "the result of the search")
        self.keys("Return", "ctrl+Home", "Home")

    def _is_painted(self, part: tuple[int, int, int, int], before: npt.NDArray[np.uint8]) -> bool:
        """True when a part of the screen no longer looks as before, and does not change any more."""
        now = self._display.pixels(*part)
        if np.array_equal(now, before):
            return False
        time.sleep(_STILL_S)
        return np.array_equal(now, self._display.pixels(*part))

    def wait_for_dialog(self, title: str) -> None:
        """Wait until a dialog has the focus."""

        def has_focus() -> bool:
            found = self._tool("search", "--onlyvisible", "--name", f"^{title}", check=False).split()
            return self._tool("getwindowfocus", check=False).strip() in found

        self.wait_for(has_focus, f"the dialog {title}")

    def quit(self) -> None:
        """Ctrl+Q, and wait for the end."""
        assert self.program is not None
        self.keys("ctrl+q")
        assert self.program.wait(timeout=PATIENCE_S) == 0, self._errors.read_text()
        assert "Traceback" not in self._errors.read_text()

    def kill(self) -> None:
        """End the program as a power cut would."""
        if self.program is not None:
            self.program.kill()
            self.program.wait()

    def wait_for(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if holds():
                return
            time.sleep(_POLL_S)
        raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}; stderr: {self._errors.read_text()}")

    def _tool(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["xdotool", *words], env=self._environment, capture_output=True, text=True, check=False, timeout=30
        )
        assert not check or done.returncode == 0, f"xdotool {words}: {done.stderr}"
        return done.stdout


@pytest.fixture
def person(display: Display, tmp_path: Path) -> Iterator[Person]:
    """A person at the display, with an empty home folder."""
    home = tmp_path / "home"
    home.mkdir()
    somebody = Person(display, home)
    yield somebody
    somebody.kill()
