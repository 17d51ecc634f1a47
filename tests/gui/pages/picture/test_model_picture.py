"""The widget that shows a model's picture, or a message."""

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from maskscope.keras_io.model_graph import ModelGraph
from maskscope_gui.pages.picture.graph_layout import lay_out
from maskscope_gui.pages.picture.model_picture import NO_PICTURE, ModelPicture, nodes_of
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import DARK


def test_the_widget_shows_a_picture_or_why_there_is_none(qtbot: QtBot, style: Style, autoencoder: ModelGraph) -> None:
    picture = ModelPicture(style)
    qtbot.addWidget(picture)
    picture.resize(420, 300)
    picture.show()
    assert picture.graph is None
    assert [label.text() for label in picture.findChildren(QLabel) if label.isVisible()] == [NO_PICTURE]
    picture.show_graph(autoencoder)
    assert picture.graph is autoencoder
    bar = picture.area.verticalScrollBar()
    assert bar.maximum() == lay_out(autoencoder, style).size.height() - picture.area.viewport().height() > 0
    qtbot.keyClick(picture.area, Qt.Key.Key_Down)
    assert bar.value() > 0
    assert "repeat to loss: no mask" in picture.area.accessibleDescription()
    dark = Style(DARK, style.body)
    picture.set_look(dark)
    assert picture.grab().toImage().pixelColor(3, 150) == QColor(DARK.window)
    picture.show_message("The model is still loading.")
    assert picture.graph is None
    assert picture.message.isVisible()


def test_a_layer_that_is_used_twice_has_two_nodes(autoencoder: ModelGraph) -> None:
    names = {"sequence": "dense", "masking": "dense (2)", "encoder": "dense (b)", "repeat": "dense_2"}
    nodes = tuple(replace(node, name=names.get(node.name, node.name)) for node in autoencoder.nodes)
    assert nodes_of(replace(autoencoder, nodes=nodes, edges=()), "dense") == ("dense", "dense (2)")
