"""All tests at once run on several cores; what a machine can't run, it says.

On a machine that lacks what Qt needs, the tests of the core still run, and the rest says what is missing. Under CI
nothing is left out: there a missing library is a failure.
"""

import os
import sys
from pathlib import Path

import pytest


def _trouble() -> str:
    try:
        from maskscope_gui.preflight import check
    except ImportError:
        # Run by a bare `pytest` from a checkout: its pythonpath setting comes later than this file.
        root = Path(__file__).resolve().parent.parent
        sys.path[:0] = [str(root / part) for part in ("core", "gui", "resources")]
        from maskscope_gui.preflight import check
    from maskscope.errors import MaskscopeError

    try:
        check(offscreen=True)
    except MaskscopeError as error:
        return str(error)
    return ""


MISSING = "" if os.environ.get("CI") else _trouble()

if MISSING:
    collect_ignore_glob = ["gui/*", "e2e/*"]


MOST_WORKERS = 4
"""Each may hold TensorFlow, and start programs that do."""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share the whole suite out to the cores; a file, -k, -s, -x and --pdb keep to one process; -n decides."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        # A worker comes by here as well: if it took on workers of its own, so would they, without end.
        return
    option = config.option
    workers = min(_cores(), MOST_WORKERS)
    if getattr(option, "numprocesses", 0) is not None or workers < 2:
        return
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not option.keyword
    if not whole or option.maxfail or option.usepdb or option.trace or option.capture == "no":
        return
    option.numprocesses, option.dist, option.loadscopereorder = workers, "loadfile", False
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
        # Else each would take all cores for itself, and they would wait for one another.
        os.environ.setdefault(name, "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several cores: the files that take long first, so that no worker is left alone with one at the end."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        long = {item.path for item in items if item.get_closest_marker("keras") or "e2e" in item.path.parts}
        items.sort(key=lambda item: item.path not in long)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Without Qt, pytest-qt would end the run before it begins."""
    if MISSING and manager.has_plugin("pytest-qt"):
        manager.unregister(name="pytest-qt")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, where it can't be missed."""
    if MISSING:
        terminalreporter.section("NOT RUN: every test of the window", sep="!", red=True)
        terminalreporter.write_line(MISSING)
