"""A failing report, and the window with the Audit page, for the tests of the page."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from maskscope.audit.report import About, AuditReport, Evidence, Finding
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, MaskState, ModelGraph, NodeKind
from maskscope.worker.protocol import Done, decode_from_worker, encode
from maskscope.worker.requests import AnyResult, AuditResult
from maskscope.workflows.demo import write_demo
from maskscope_gui.app import Program
from maskscope_gui.pages.audit.audit_page import AuditPage
from maskscope_gui.shell.main_window import MainWindow

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient

SENTENCE, LENGTH = 67, 14
"""Of the demo: its token 13 is the variation selector U+FE0F, which is a collision."""


def node(name: str, class_name: str, mask: MaskState, kind: NodeKind = "layer") -> GraphNode:
    return GraphNode(name, class_name, "(B, T, 20)", 1760, kind, mask, mask)


GRAPH = ModelGraph(
    "model.keras",
    (
        node("embeddings", "InputLayer", "none", "input"),
        node("masking", "Masking", "same"),
        node("conv1d", "Conv1D", "none"),
        node("bidirectional", "Bidirectional(LSTM)", "none"),
        node("probabilities", "Dense", "none", "output"),
    ),
    (
        GraphEdge("embeddings", "masking", "none", False, "no mask yet"),
        GraphEdge("masking", "conv1d", "same", False, "mask"),
        GraphEdge("conv1d", "bidirectional", "none", True, "no mask"),
        GraphEdge("bidirectional", "probabilities", "none", True, "no mask"),
    ),
)
REAL = tuple(place < LENGTH for place in range(LENGTH + 7))
CHANGES = [3.2e-2 / 4 ** abs(place - 13) if place < LENGTH else 0.0 for place in range(LENGTH + 7)]
FAILED = (
    Finding(
        "LENGTH",
        "failed",
        "Adding 7 padded positions moves the probability of a real token by 0.032, so the tagger depends on padding.",
        3.2e-2,
        1e-6,
        SENTENCE,
        13,
        "conv1d",
        "pass the mask round Conv1D, or set padded positions to 0 after it",
        "remask",
        Evidence.of(
            SENTENCE,
            REAL,
            [
                ("mask after conv1d", "mask", [1.0] * len(REAL)),
                ("change with 7 more padded positions", "change", CHANGES),
                ("probability without more padding", "value", [0.1 + 0.03 * place for place in range(len(REAL))]),
            ],
            13,
        ),
    ),
    Finding("GRADIENT", "failed", "A gradient at padding is no number.", math.inf, 0.0, None, None, "conv1d"),
)
PASSED = (
    Finding("DTYPE", "passed", "The mask after the cast is the mask before it.", 0.0, 0.0),
    Finding("LOSS", "passed", "Padding does not enter the loss.", 8.7e-8, 1e-5),
)
UNSURE = Finding("DATA", "could not tell", "The lengths were inferred from zeros, so nothing can be held against them.")
ABOUT = About(loss="binary cross-entropy", seconds=4.2)


@pytest.fixture
def failing() -> AuditReport:
    """A report as the worker gives it: in the order of the checks, the failed ones last."""
    findings = (*PASSED, UNSURE, *FAILED)
    return AuditReport("model.keras", 200, tuple(range(32)), findings, ABOUT, GRAPH)


@pytest.fixture
def open_audit(
    qtbot: QtBot, tmp_path: Path, client: "ScriptedClient", press: Callable[..., None]
) -> Iterator[Callable[..., tuple[MainWindow, Program, AuditPage]]]:
    """The window on the demo, with the Audit page open by its key."""
    opened: list[MainWindow] = []

    def open_one(width: int = 1440) -> tuple[MainWindow, Program, AuditPage]:
        program = Program(client=client)
        window = program.window
        opened.append(window)
        window.resize(width, 900)
        assert program.projects.open(write_demo(tmp_path / "demo.maskscope"))
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        press(window, Qt.Key.Key_5, modifier=Qt.KeyboardModifier.ControlModifier)
        page = window.pages.made["audit"]
        assert isinstance(page, AuditPage)
        return window, program, page

    yield open_one
    for window in opened:
        window.close()
        window.session.close()
        window.deleteLater()


@pytest.fixture
def receive() -> Callable[[AnyResult], AnyResult]:
    """Turns a result into what arrives from the worker, where an infinite deviation is None."""

    def through_the_protocol(result: AnyResult) -> AnyResult:
        done = decode_from_worker(encode(Done(1, result)))
        assert isinstance(done, Done)
        return done.result

    return through_the_protocol


@pytest.fixture
def answer(client: "ScriptedClient", receive: Callable[[AnyResult], AnyResult]) -> Callable[[AuditReport], None]:
    """Sends a report as the result of the last request."""

    def send(report: AuditReport) -> None:
        client.done.emit(len(client.requests), receive(AuditResult(report)))

    return send
