"""The real program in a real window, on a display of the test's own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE_S = 60.0


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
def display() -> Iterator[str]:
    """The name of a virtual display of 1440 x 900, with a window manager when there is one."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1440x900x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as answer:
        name = f":{answer.readline().strip()}"
    manager = None
    if shutil.which("openbox"):
        manager = subprocess.Popen(["openbox"], env={**os.environ, "DISPLAY": name}, stderr=subprocess.DEVNULL)
    yield name
    for process in (manager, server):
        if process is not None:
            process.terminate()
            process.wait()


class Person:
    """Starts the program, and does what hands do: keys and mouse, through the X server."""

    def __init__(self, display: str, home: Path) -> None:
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("QT_", "XDG_"))},
            "DISPLAY": display,
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
        time.sleep(0.5)

    def _find_window(self) -> bool:
        assert self.program is not None
        assert self.program.poll() is None, self._errors.read_text()
        found = self._tool("search", "--onlyvisible", "--name", "– Maskscope$", check=False).split()
        self._window = found[-1] if found else ""
        return bool(found)

    def keys(self, *names: str) -> None:
        """Press keys, one after another, by their X names ("Return", "ctrl+z")."""
        for name in names:
            self._tool("key", "--clearmodifiers", name)
            time.sleep(0.06)

    def type(self, text: str) -> None:
        """Type text into whatever has the focus."""
        self._tool("type", "--delay", "25", text)
        time.sleep(0.1)

    def click(self, x: int, y: int) -> None:
        """Click at a place of the window."""
        self._tool("mousemove", "--sync", "--window", self._window, str(x), str(y))
        self._tool("click", "1")
        time.sleep(0.15)

    def width(self) -> int:
        """Of the window, in pixels."""
        words = self._tool("getwindowgeometry", "--shell", self._window)
        return int(dict(line.split("=") for line in words.split())["WIDTH"])

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
            time.sleep(0.1)
        raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}; stderr: {self._errors.read_text()}")

    def _tool(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["xdotool", *words], env=self._environment, capture_output=True, text=True, check=False, timeout=30
        )
        assert not check or done.returncode == 0, f"xdotool {words}: {done.stderr}"
        return done.stdout


@pytest.fixture
def person(display: str, tmp_path: Path) -> Iterator[Person]:
    """A person at the display, with a home of their own."""
    home = tmp_path / "home"
    home.mkdir()
    somebody = Person(display, home)
    yield somebody
    somebody.kill()
