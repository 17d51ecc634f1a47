"""How a client starts the worker process, and which of its last lines is worth showing."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import maskscope

# -P: a file in the current folder may come from anyone: it must not be imported in place of one of Python's modules.
COMMAND = (sys.executable, "-P", "-m", "maskscope.worker")

ONE_CORE = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"
)
"""Environment of a worker that shares the machine with others of its kind."""

# TensorFlow writes such lines whether or not anything is wrong, and Python's warnings end no process.
_NOISE = re.compile(
    r"^(\d{4}-\d\d-\d\d |[IWEF]\d{4} |WARNING|\s)|^To enable the following instructions|^\S+:\d+: \w*Warning: |^$"
)


def environment() -> dict[str, str]:
    """Return this process's environment, changed so that the worker imports the same package that runs here."""
    variables = dict(os.environ)
    variables["PYTHONUNBUFFERED"] = "1"
    variables["PYTHONIOENCODING"] = "utf-8"
    # Unless the user has set it: hides TensorFlow's notes on the processor.
    variables.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # An empty entry would mean the current folder.
    paths = [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]
    root = Path(maskscope.__file__).resolve().parents[1]
    if root.name not in ("site-packages", "dist-packages"):
        # Run from a work tree, which the worker would not find by itself.
        paths.insert(0, str(root))
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables


def last_line(lines: Iterable[str]) -> str:
    """Return the last of `lines` that is not TensorFlow's noise, as " Its last output: ..."; "" for none."""
    text = next((line for line in reversed(tuple(lines)) if not _NOISE.match(line)), "")
    return f" Its last output: {text}" if text else ""
