"""Settings for the whole suite: hypothesis profiles, sharing the tests out to the cores, and what to do without Qt.

Where a machine lacks what Qt needs, the tests of the core still run and the summary says what is missing. Under CI
nothing is left out: there a missing library is a failure.
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("default", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
# Loaded by name: where CI is set, hypothesis would choose a profile of its own. `--hypothesis-profile` overrides this.
settings.load_profile("default")


def _qt_error() -> str:
    """Say which library Qt lacks here; "" when the window can be shown."""
    try:
        from maskscope_gui.preflight import check
    except ImportError:
        # Run by a bare `pytest` from a checkout: its pythonpath setting is applied after this file is read.
        root = Path(__file__).resolve().parent.parent
        sys.path[:0] = [str(root / part) for part in ("core", "gui", "resources")]
        from maskscope_gui.preflight import check
    from maskscope.errors import MaskscopeError

    try:
        check(offscreen=True)
    except MaskscopeError as error:
        return str(error)
    return ""


QT_ERROR = "" if os.environ.get("CI") else _qt_error()

if QT_ERROR:
    collect_ignore_glob = ["gui/*", "e2e/*"]


MAX_WORKERS = 4
"""Each worker may hold TensorFlow, and start programs that do."""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite on several cores; a file, -k, -s, -x and --pdb keep to one process; -n overrides both."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        # xdist's workers call this hook too, and must not start workers of their own.
        return
    option = config.option
    workers = min(_cores(), MAX_WORKERS)
    if getattr(option, "numprocesses", 0) is not None or workers < 2:
        return
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not option.keyword
    if not whole or option.maxfail or option.usepdb or option.trace or option.capture == "no":
        return
    option.numprocesses, option.dist, option.loadscopereorder = workers, "loadfile", False
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
        # One thread each: with a thread for every core in every worker they would only wait for one another.
        os.environ.setdefault(name, "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several cores, start the longest files first, so that no worker is left alone with one at the end."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        long = {item.path for item in items if item.get_closest_marker("keras") or "e2e" in item.path.parts}
        items.sort(key=lambda item: item.path not in long)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Unload pytest-qt where Qt can't be imported: it would end the run before it begins."""
    if QT_ERROR and manager.has_plugin("pytest-qt"):
        manager.unregister(name="pytest-qt")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the tests of the window that were left out."""
    if QT_ERROR:
        terminalreporter.section("NOT RUN: every test of the window", sep="!", red=True)
        terminalreporter.write_line(QT_ERROR)
