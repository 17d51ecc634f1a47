"""On a machine that lacks what Qt needs, the tests of the core still run, and the rest says what is missing.

Under CI nothing is left out: there a missing library is a failure.
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


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Without Qt, pytest-qt would end the run before it begins."""
    if MISSING and manager.has_plugin("pytest-qt"):
        manager.unregister(name="pytest-qt")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, where it can't be missed."""
    if MISSING:
        terminalreporter.section("NOT RUN: every test of the window", sep="!", red=True)
        terminalreporter.write_line(MISSING)
