"""How the worker process is started, and what of its last lines is worth telling, for whoever starts it."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import maskscope

# -P: a file of the current folder, which may hold anyone's data, must not be imported as one of Python's modules.
COMMAND = (sys.executable, "-P", "-m", "maskscope.worker")

ONE_CORE = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"
)
"""Environment of a worker that shares the machine with others of its kind."""

# TensorFlow logs so, whether or not anything is wrong; and Python's warnings are Keras's on masks, which end nothing.
_CHATTER = re.compile(
    r"^(\d{4}-\d\d-\d\d |[IWEF]\d{4} |WARNING|\s)|^To enable the following instructions|^\S+:\d+: \w*Warning: |^$"
)


def environment() -> dict[str, str]:
    """This process's environment as the worker needs it: it must import the very package that runs here."""
    made = dict(os.environ)
    made["PYTHONUNBUFFERED"] = "1"
    made["PYTHONIOENCODING"] = "utf-8"
    # Said unless the person says otherwise: its notes on the processor are no news to anyone.
    made.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # An empty entry would stand for the current folder.
    paths = [path for path in made.get("PYTHONPATH", "").split(os.pathsep) if path]
    root = Path(maskscope.__file__).resolve().parents[1]
    if root.name not in ("site-packages", "dist-packages"):
        # Run from a work tree: the worker must find the very package that this process runs.
        paths.insert(0, str(root))
    made["PYTHONPATH"] = os.pathsep.join(paths)
    return made


def last_words(lines: Iterable[str]) -> str:
    """The last line of `lines` that is no chatter of TensorFlow's, as " Its last words: ..."; "" for none."""
    words = next((line for line in reversed(tuple(lines)) if not _CHATTER.match(line)), "")
    return f" Its last words: {words}" if words else ""
