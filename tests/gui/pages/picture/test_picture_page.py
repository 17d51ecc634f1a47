"""The Picture page: the worker is asked for the model's graph, and the picture is shown and saved."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from maskscope.keras_io.model_graph import ModelGraph
from maskscope.project import Project
from maskscope.worker.requests import ModelGraphRequest, ModelGraphResult
from maskscope_gui.pages.picture.picture_page import PicturePage
from maskscope_gui.shell.main_window import MainWindow

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient


def test_the_picture_is_requested_from_the_worker_shown_and_saved(
    open_window: Callable[..., MainWindow],
    press: Callable[..., None],
    spans: Path,
    adopt: Callable[..., str],
    client: "ScriptedClient",
    tmp_path: Path,
    autoencoder: ModelGraph,
) -> None:
    with Project.open(spans) as project:
        adopt(project, np.full((6, 3), 1 / 3))
    window = open_window(spans, client)
    press(window, Qt.Key.Key_4, modifier=Qt.KeyboardModifier.ControlModifier)
    page = window.pages.shown
    assert isinstance(page, PicturePage)
    model = window.session.model
    assert model is not None
    assert client.requests == [ModelGraphRequest(model.keras_file)]
    assert page.busy
    assert not page.save.isEnabled()
    client.done.emit(1, ModelGraphResult(autoencoder))
    assert page.picture.graph == autoencoder
    assert "m2" in page.head._title.text()
    for name in ("model.svg", "model.png"):
        page.write(tmp_path / name)
        assert name in window.status_line.message.text()
    tree = ElementTree.parse(tmp_path / "model.svg")
    assert "RepeatVector" in " ".join(tree.getroot().itertext())
    assert QImage(str(tmp_path / "model.png")).width() > 100
    # Another model is traced again; the late result of the earlier request is ignored.
    window.session.use_model("m1")
    assert len(client.requests) == 2
    client.done.emit(1, ModelGraphResult(autoencoder))
    assert page.picture.graph is None
    client.failed.emit(2, "The file is damaged.")
    assert "The file is damaged" in page.picture.message.text()
    # A file that is not in the project is shown until another model is taken into use.
    page.show_file(tmp_path / "crf.keras")
    assert client.requests[-1] == ModelGraphRequest(tmp_path / "crf.keras")
    client.done.emit(3, ModelGraphResult(autoencoder))
    assert page.head.title == "Picture · crf.keras · not in this project"
    assert page.leave.isVisible()
    window.session.use_model("m2")
    assert not page.leave.isVisible()
    assert isinstance(client.requests[-1], ModelGraphRequest)
    assert "m2" in str(client.requests[-1].model)
    client.done.emit(len(client.requests), ModelGraphResult(autoencoder))
    press(window, Qt.Key.Key_Escape)
    assert window.pages.current == "sentence"
