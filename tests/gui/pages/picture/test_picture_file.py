"""A model's picture as a file: SVG and PNG are the same picture, on the command line and in the audit report, too."""

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from maskscope.audit.html.picture import inline_picture
from maskscope.audit.html.style import style_sheet
from maskscope.commands.model_picture import model_svg
from maskscope.errors import MaskscopeError
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph
from maskscope_gui.pages.picture.graph_layout import lay_out
from maskscope_gui.pages.picture.picture_file import write_picture
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import DARK, LIGHT, Theme


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_files_hold_the_same_picture(
    qapp: QApplication, tmp_path: Path, theme: Theme, autoencoder: ModelGraph
) -> None:
    write_picture(autoencoder, tmp_path / "m.svg", theme)
    write_picture(autoencoder, tmp_path / "m.png", theme)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.png", "m.svg"]
    style = Style(theme, qapp.font())
    size = lay_out(autoencoder, style).size.toSize()
    png = QImage(str(tmp_path / "m.png"))
    assert png.size() == size * 2
    renderer = QSvgRenderer(str(tmp_path / "m.svg"))
    assert renderer.viewBox().size() == size
    svg = QImage(png.size(), QImage.Format.Format_RGB32)
    painter = QPainter(svg)
    renderer.render(painter)
    painter.end()
    fails = QColor(theme.fails)
    for image in (png, svg):
        assert image.pixelColor(2, 2) == QColor(theme.window)
        seen = {image.pixel(x, y) for x in range(image.width()) for y in range(0, image.height(), 3)}
        assert fails.rgb() in seen
        assert QColor(theme.mask).rgb() in seen
    text = (tmp_path / "m.svg").read_text(encoding="utf-8")
    for words in ("sequence", "RepeatVector", "no mask yet", "no positions", "(B, T, 20)", "1,760 parameters"):
        assert f">{words}" in text
    assert "sans-serif" in text


def test_another_name_or_place_is_refused_in_a_sentence(
    qapp: QApplication, tmp_path: Path, autoencoder: ModelGraph
) -> None:
    with pytest.raises(MaskscopeError, match=r"expected NAME.svg or NAME.png; received m.gif"):
        write_picture(autoencoder, tmp_path / "m.gif", LIGHT)
    with pytest.raises(MaskscopeError, match=r"m.svg: the picture can't be written"):
        write_picture(autoencoder, tmp_path / "none" / "m.svg", LIGHT)
    assert list(tmp_path.iterdir()) == []


def test_the_audit_report_shows_the_picture_with_names_of_layers_as_text(qapp: QApplication) -> None:
    hostile = "<script>alert(1)</script>\x01&'"
    graph = ModelGraph(
        hostile,
        (
            GraphNode("in", "InputLayer", "(B, T, 20)", 0, "input", "none", "none yet"),
            GraphNode(hostile, "Dense", "(B, T, 20)", 1760, "layer", "none", "none"),
        ),
        (GraphEdge("in", hostile, "none", True, "no mask"),),
    )
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
