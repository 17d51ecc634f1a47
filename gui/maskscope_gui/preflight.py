"""Checks that Qt can start, before Qt itself would abort the process with the loader's error message.

This module imports no Qt, because it has to work where Qt can't be loaded. The libraries in the tables are those that
the shared objects of PySide6-Essentials 6.12 list as NEEDED and that its wheel does not contain.
"""

import ctypes
import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from maskscope.errors import MaskscopeError

# Library, its package in Debian and Ubuntu, its package in Fedora.
_BASE = (
    ("libEGL.so.1", "libegl1", "libglvnd-egl"),
    ("libGL.so.1", "libgl1", "libglvnd-glx"),
    ("libX11.so.6", "libx11-6", "libX11"),
    ("libdbus-1.so.3", "libdbus-1-3", "dbus-libs"),
    ("libfontconfig.so.1", "libfontconfig1", "fontconfig"),
    ("libfreetype.so.6", "libfreetype6", "freetype"),
    ("libglib-2.0.so.0", "libglib2.0-0", "glib2"),
    ("libgthread-2.0.so.0", "libglib2.0-0", "glib2"),
    ("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon"),
    ("libzstd.so.1", "libzstd1", "libzstd"),
)
_XCB = (
    ("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb"),
    ("libxcb.so.1", "libxcb1", "libxcb"),
    ("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor"),
    ("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm"),
    ("libxcb-image.so.0", "libxcb-image0", "xcb-util-image"),
    ("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms"),
    ("libxcb-randr.so.0", "libxcb-randr0", "libxcb"),
    ("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil"),
    ("libxcb-render.so.0", "libxcb-render0", "libxcb"),
    ("libxcb-shape.so.0", "libxcb-shape0", "libxcb"),
    ("libxcb-shm.so.0", "libxcb-shm0", "libxcb"),
    ("libxcb-sync.so.1", "libxcb-sync1", "libxcb"),
    ("libxcb-util.so.1", "libxcb-util1", "xcb-util"),
    ("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb"),
    ("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11"),
)
_WAYLAND = (
    ("libwayland-client.so.0", "libwayland-client0", "libwayland-client"),
    ("libwayland-cursor.so.0", "libwayland-cursor0", "libwayland-cursor"),
)
_Library = tuple[str, str, str]


class DisplayError(MaskscopeError):
    """Qt can't open a window here: it, its libraries or a display is missing."""


def check(offscreen: bool = False) -> None:
    """Check that Qt can start; takes a few milliseconds.

    Args:
        offscreen: True when no window will be shown, so that no display is needed.

    Raises DisplayError, whose message says what is missing and how to install or start it.
    """
    package = importlib.util.find_spec("PySide6")
    if package is None or not package.submodule_search_locations:
        raise DisplayError("the window needs PySide6, which is not installed here; install maskscope again with pip")
    if not sys.platform.startswith("linux"):
        return
    plugins = Path(package.submodule_search_locations[0]) / "Qt" / "plugins" / "platforms"
    chosen = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0].partition(";")[0]
    if offscreen or chosen not in ("", "xcb", "wayland"):
        _need(_BASE, None)
    elif chosen == "wayland" or (chosen == "" and _wayland_answers()):
        _need((*_BASE, *_WAYLAND), plugins / "libqwayland.so")
        if not _wayland_answers():
            raise _no_display("nothing answers on the Wayland display", os.environ.get("WAYLAND_DISPLAY", "wayland-0"))
    else:
        _need((*_BASE, *_XCB), plugins / "libqxcb.so")
        display = os.environ.get("DISPLAY", "")
        if not display:
            raise _no_display("there is no display to open a window on", "neither DISPLAY nor WAYLAND_DISPLAY set")
        if not _x_answers():
            raise _no_display("nothing answers on the display, or it refuses this user", f"DISPLAY={display}")


def explain(error: ImportError) -> DisplayError:
    """The error to raise for an import of Qt that failed although `check` passed."""
    match = re.search(r"(\S+\.so[.\d]*): cannot open shared object", str(error))
    if match is None:
        return DisplayError("Qt can't be loaded; install maskscope again with pip", received=str(error))
    known = [row for row in (*_BASE, *_XCB, *_WAYLAND) if row[0] == match.group(1)]
    return _missing(known or [(match.group(1), "", "")])


def _need(libraries: Iterable[_Library], plugin: Path | None) -> None:
    missing = [row for row in libraries if not _loads(row[0])]
    if missing and not _qt_loads(plugin):
        raise _missing(missing)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _qt_loads(plugin: Path | None) -> bool:
    """True when Qt finds libraries that the plain search did not, as a build with its own library folder does."""
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError:
        return False
    # A Qt that is laid out in another way than the wheel has no such file, and its packager installed the libraries.
    return plugin is None or not plugin.exists() or _loads(str(plugin))


def _missing(libraries: list[_Library]) -> DisplayError:
    import shutil

    names = ", ".join(row[0] for row in libraries)
    debian = " ".join(dict.fromkeys(row[1] for row in libraries if row[1]))
    fedora = " ".join(dict.fromkeys(row[2] for row in libraries if row[2]))
    if not debian:
        advice = "install the package of your system that contains it"
    elif shutil.which("apt-get"):
        advice = f"install them with: apt-get install {debian}"
    elif shutil.which("dnf"):
        advice = f"install them with: dnf install {fedora}"
    else:
        advice = f"install the packages that Debian calls {debian}"
    return DisplayError(f"the window needs system libraries that are missing here: {names}; {advice}")


def _no_display(problem: str, received: str) -> DisplayError:
    return DisplayError(
        f"{problem} ({received}); start it in a desktop session or over ssh -X, or use the commands that need no"
        " window (maskscope --help)"
    )


def _wayland_answers() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY", "")
    if not name:
        return False
    import socket

    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / name
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def _x_answers() -> bool:
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    # xcb_connect never returns NULL: a connection that failed is in an error state, and is freed like any other.
    connection = xcb.xcb_connect(None, None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed
