"""About this project, and about the program."""

import re
import tomllib
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

import maskscope
from maskscope.padding import Padding
from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from maskscope_gui.dialogs.info_dialog import LICENCES, AboutDialog, ProjectInfoDialog
from maskscope_gui.theme.theme import Style


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def test_the_project_dialog_describes_the_project(qtbot: QtBot, style: Style, project: Project) -> None:
    page = ProjectInfoDialog(None, style, project)
    qtbot.addWidget(page)
    with qtbot.waitExposed(page):
        page.show()
    assert page.values["source"] == "small.conll"
    assert page.values["sentences"] == "4"
    assert page.values["tokens"] == "15"
    assert page.values["longest"] == "7 tokens"
    assert page.values["embeddings"] == "6 numbers per token, float32"
    assert page.values["labels"] == "none 11, name 4"
    assert page.values["collisions"] == "1 (sentence:position 2:2)"
    assert page.values["lengths"] == "from the source"
    assert page.values["padding"] == "not known"
    assert page.values["import notes"] == "Four sentences."
    assert page.values["models"] == "none yet"
    for value in page.values.values():
        assert value in texts(page)
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()


def test_lengths_that_were_inferred_and_padding_are_named_with_their_side(
    qtbot: QtBot, style: Style, tmp_path: Path
) -> None:
    with ProjectWriter(tmp_path / "front", 2, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("a",), np.ones((1, 2), dtype=np.float32), ("O",)))
        writer.finish(lengths_from="inferred", padding=Padding.of_value(0.0, 2, "front"))
    with Project.open(tmp_path / "front") as project:
        page = ProjectInfoDialog(None, style, project)
    qtbot.addWidget(page)
    assert page.values["lengths"] == "inferred from rows of zeros at the start of each sentence"
    assert page.values["padding"] == "Sentences are padded with 0, in front of the tokens, as in the source."


def test_the_program_page_names_version_and_licences(qtbot: QtBot, style: Style) -> None:
    page = AboutDialog(None, style)
    qtbot.addWidget(page)
    with qtbot.waitExposed(page):
        page.show()
    assert page.values["Maskscope"].startswith(maskscope.__version__)
    assert page.values["Qt for Python"].endswith("LGPL-3.0")
    assert "Apache-2.0" in page.values["Keras"]
    qtbot.keyClick(page, Qt.Key.Key_Return)
    assert not page.isVisible()


def test_every_dependency_is_listed_with_its_licence() -> None:
    settings = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    dependencies = {re.split("[<>=]", each)[0].lower() for each in settings["project"]["dependencies"]}
    assert {package.lower() for package, _, _ in LICENCES} == dependencies
