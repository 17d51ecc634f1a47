"""A model's picture: nothing overlaps, nothing is cut off, and every edge says whether the mask is there."""

import itertools
import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from pytestqt.qtbot import QtBot

from maskscope.audit.html.picture import inline_picture
from maskscope.audit.html.style import style_sheet
from maskscope.commands.window import model_svg
from maskscope.errors import MaskscopeError
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph
from maskscope_gui.pages.picture.model_picture import (
    EMPTY,
    ModelPicture,
    in_words,
    lay_out,
    picture_size,
    write_picture,
)
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import DARK, LIGHT


def node(name: str, class_name: str = "Dense", kind: str = "layer", shape: str = "(B, T, 20)") -> GraphNode:
    return GraphNode(name, class_name, shape, 1760, kind, "same", "the same")  # type: ignore[arg-type]


def edge(source: str, target: str, words: str = "mask") -> GraphEdge:
    mask = {"mask": "same", "mask altered": "altered"}.get(words, "none")
    return GraphEdge(source, target, mask, words in ("no mask", "mask altered"), words)  # type: ignore[arg-type]


AUTOENCODER = ModelGraph(
    "autoencoder.keras",
    (
        node("sequence", "InputLayer", "input"),
        node("masking", "Masking"),
        node("encoder", "LSTM"),
        node("repeat", "RepeatVector"),
        node("loss", "Output", "output"),
    ),
    (
        edge("sequence", "masking", "no mask yet"),
        edge("masking", "encoder"),
        edge("encoder", "repeat", "no positions"),
        edge("repeat", "loss", "no mask"),
    ),
)
LONG = ModelGraph(
    "long.keras",
    (
        node("a_layer_whose_name_is_so_long_that_no_box_could_hold_the_whole_of_it_on_a_line", "InputLayer", "input"),
        node("b", "Bidirectional(AnotherVeryLongLayerClassNameOfSomebody)", shape="(B, T, 20), (B, 20), (B, 20)" * 4),
        node("loss", "Output", "output"),
    ),
    (edge("b", "loss", "mask altered"),),
)


@st.composite
def graphs(draw: st.DrawFn) -> ModelGraph:
    """Any directed graph without circles, edges in any number, also twice between two nodes."""
    count = draw(st.integers(1, 9))
    pairs = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else []
    words = st.sampled_from(["mask", "no mask", "mask altered", "no mask yet", "mask, by mask="])
    nodes = tuple(node(f"layer_{place}" * draw(st.integers(1, 6))) for place in range(count))
    return ModelGraph("m", nodes, tuple(edge(nodes[a].name, nodes[b].name, draw(words)) for a, b in chosen))


@given(graph=graphs())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_box_lies_on_another_and_wires_run_down(style: Style, graph: ModelGraph) -> None:
    layout = lay_out(graph, style)
    inside = QRectF(QPointF(0, 0), layout.size)
    for one, other in itertools.combinations(layout.boxes, 2):
        assert not one.intersects(other)
    boxes = dict(zip((node.name for node in graph.nodes), layout.boxes, strict=True))
    for wire in layout.wires:
        start, end = wire.points[0], wire.points[-1]
        assert start.y() == boxes[wire.edge.source].bottom()
        assert end.y() == boxes[wire.edge.target].top()
        assert all(lower.y() > upper.y() for upper, lower in itertools.pairwise(wire.points))
        assert not any(wire.mark.intersects(box) for box in layout.boxes)
        assert inside.contains(wire.mark)
    assert all(inside.contains(box) for box in layout.boxes)
    # each thing that is said is drawn
    assert {(w.edge.source, w.edge.target, w.edge.words) for w in layout.wires} == {
        (e.source, e.target, e.words) for e in graph.edges
    }


@pytest.mark.parametrize("graph", [AUTOENCODER, LONG])
def test_all_words_of_a_layer_fit_into_its_box(style: Style, graph: ModelGraph) -> None:
    for drawn, box in zip(graph.nodes, lay_out(graph, style).boxes, strict=True):
        name = min(QFontMetricsF(style.bold).horizontalAdvance(drawn.name), style.px(240))
        class_name = min(QFontMetricsF(style.body).horizontalAdvance(drawn.class_name), style.px(200))
        shape = min(QFontMetricsF(style.small).horizontalAdvance(drawn.shape), style.px(300))
        parameters = QFontMetricsF(style.small).horizontalAdvance("1,760 parameters")
        inner = box.width() - 2 * style.px(12)
        assert name + class_name + style.px(8) <= inner
        assert shape + parameters + style.px(8) <= inner


def test_a_branch_crosses_nothing_that_it_need_not(style: Style) -> None:
    names = ["in", "left", "right", "far left", "far right", "joined"]
    graph = ModelGraph(
        "m",
        tuple(node(name) for name in names),
        (
            # given crosswise, so that the order of the nodes alone would cross them
            edge("in", "left"),
            edge("in", "right"),
            edge("left", "far right"),
            edge("right", "far left"),
            edge("far left", "joined"),
            edge("far right", "joined"),
        ),
    )
    boxes = dict(zip(names, lay_out(graph, style).boxes, strict=True))
    left_first = boxes["left"].x() < boxes["right"].x()
    assert left_first == (boxes["far right"].x() < boxes["far left"].x())
    marks = [wire.mark for wire in lay_out(graph, style).wires]
    assert not any(one.intersects(other) for one, other in itertools.combinations(marks, 2))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_files_hold_the_same_picture(qapp: object, tmp_path: Path, theme: object) -> None:
    write_picture(AUTOENCODER, tmp_path / "m.svg", theme)  # type: ignore[arg-type]
    write_picture(AUTOENCODER, tmp_path / "m.png", theme)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.png", "m.svg"]
    style = Style(theme, qapp.font())  # type: ignore[arg-type, attr-defined]
    size = picture_size(AUTOENCODER, style)
    png = QImage(str(tmp_path / "m.png"))
    assert png.size() == size * 2
    renderer = QSvgRenderer(str(tmp_path / "m.svg"))
    assert renderer.viewBox().size() == size
    svg = QImage(png.size(), QImage.Format.Format_RGB32)
    painter = QPainter(svg)
    renderer.render(painter)
    painter.end()
    fails = QColor(theme.fails)  # type: ignore[attr-defined]
    for image in (png, svg):
        assert image.pixelColor(2, 2) == QColor(theme.window)  # type: ignore[attr-defined]
        seen = {image.pixel(x, y) for x in range(image.width()) for y in range(0, image.height(), 3)}
        assert fails.rgb() in seen
        assert QColor(theme.mask).rgb() in seen  # type: ignore[attr-defined]
    text = (tmp_path / "m.svg").read_text(encoding="utf-8")
    for words in ("sequence", "RepeatVector", "no mask yet", "no positions", "(B, T, 20)", "1,760 parameters"):
        assert f">{words}" in text
    assert "sans-serif" in text


def test_another_name_or_place_is_refused_in_a_sentence(qapp: object, tmp_path: Path) -> None:
    with pytest.raises(MaskscopeError, match=r"expected NAME.svg or NAME.png; received m.gif"):
        write_picture(AUTOENCODER, tmp_path / "m.gif", LIGHT)
    with pytest.raises(MaskscopeError, match=r"m.svg: the picture can't be written"):
        write_picture(AUTOENCODER, tmp_path / "none" / "m.svg", LIGHT)
    assert list(tmp_path.iterdir()) == []


def test_the_widget_shows_a_picture_or_says_why_not(qtbot: QtBot, style: Style) -> None:
    shown = ModelPicture(style)
    qtbot.addWidget(shown)
    shown.resize(420, 300)
    shown.show()
    assert shown.graph is None
    assert [label.text() for label in shown.findChildren(type(shown._words)) if label.isVisible()] == [EMPTY]
    shown.show_graph(AUTOENCODER)
    assert shown.graph is AUTOENCODER
    bar = shown._area.verticalScrollBar()
    assert bar.maximum() == picture_size(AUTOENCODER, style).height() - shown._area.viewport().height() > 0
    qtbot.keyClick(shown._area, Qt.Key.Key_Down)
    assert bar.value() > 0
    assert "repeat to loss: no mask" in shown._area.accessibleDescription()
    assert in_words(AUTOENCODER).count("\n") == 3
    dark = Style(DARK, style.body)
    shown.set_look(dark)
    assert shown.grab().toImage().pixelColor(3, 150) == QColor(DARK.window)
    shown.show_words("The model is still loading.")
    assert shown.graph is None
    assert shown._words.isVisible()


def test_an_audit_s_report_shows_the_picture_and_what_a_layer_is_called(qapp: object) -> None:
    hostile = "<script>alert(1)</script>\x01&'"
    graph = ModelGraph(hostile, (node("in", kind="input"), node(hostile)), (edge("in", hostile, "no mask"),))
    drawn = inline_picture(model_svg(graph))
    assert drawn is not None
    assert "<script" not in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn
    assert "no mask" in drawn
    # shapes are kept: each box, each head of an arrow
    assert drawn.count("<rect ") >= 3
    assert drawn.count("<polygon ") == 1
    codes = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', drawn)) - {"#000000"}
    assert codes
    for code in codes:
        assert f'[fill="{code}" i]' in style_sheet(), "else it would stay light in the dark"


@pytest.mark.keras
def test_the_command_draws_without_a_display(tmp_path: Path) -> None:
    import maskscope
    import maskscope_gui
    import maskscope_resources

    roots = {str(Path(each.__file__ or "").parent.parent) for each in (maskscope, maskscope_gui, maskscope_resources)}
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}
    with resources.as_file(resources.files("maskscope_resources") / "demo/binary/model.keras") as file:
        picture = tmp_path / "demo.png"
        command = ["model", str(file), "--picture", str(picture), "--theme", "dark", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "maskscope", *command],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**environment, "PYTHONPATH": os.pathsep.join(sorted(roots))},
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["picture"] == str(picture)
    assert QImage(str(picture)).pixelColor(2, 2) == QColor(DARK.window)
