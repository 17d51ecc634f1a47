"""A model's picture as a file, SVG or PNG. An application must be there; a screen need not."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QPointF, QRectF, QSizeF
from PySide6.QtGui import QImage, QImageWriter, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication

from maskscope.errors import MaskscopeError
from maskscope.files import write_durably
from maskscope.keras_io.model_graph import ModelGraph
from maskscope_gui.pages.picture.graph_layout import lay_out, text_description
from maskscope_gui.pages.picture.graph_painting import paint_graph
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import Theme

_PNG_SCALE, _PNG_MAX_HEIGHT = 2.0, 16_000
"""Pixels of the image per pixel of the layout, and the most in height: Qt paints no image of over 32,767 pixels, and
few programs show one."""


def write_picture(graph: ModelGraph, path: Path, theme: Theme) -> None:
    """Write the picture as .svg or .png, by the end of the file's name.

    Raises MaskscopeError for another name, or when the file can't be written.
    """
    encoders: dict[str, Callable[[ModelGraph, Style], bytes]] = {".svg": _svg, ".png": _png}
    encode = encoders.get(path.suffix.lower())
    if encode is None:
        raise MaskscopeError(
            "is not a name for a picture", file=path, expected="NAME.svg or NAME.png", received=path.name
        )
    try:
        write_durably(path, encode(graph, Style(theme, QApplication.font())))
    except OSError as error:
        raise MaskscopeError(f"the picture can't be written: {error.strerror or error}", file=path) from error


def svg_picture(graph: ModelGraph, theme: Theme) -> str:
    """The picture as the text of an .svg file."""
    return _svg(graph, Style(theme, QApplication.font())).decode()


def _svg(graph: ModelGraph, style: Style) -> bytes:
    layout = lay_out(graph, style)
    size = layout.size.toSize()
    everything = QRectF(QPointF(0, 0), QSizeF(size))
    content = QByteArray()
    buffer = QBuffer(content)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(everything)
    # a pixel of the layout is one of the picture
    generator.setResolution(96)
    generator.setTitle(f"Layers of {graph.model}" if graph.model else "Layers of a model")
    generator.setDescription(text_description(graph))
    painter = QPainter(generator)
    painter.fillRect(everything, style.c("window"))
    paint_graph(painter, graph, layout, style)
    painter.end()
    # where the font is missing, any other sans-serif font will do
    family = f'font-family="{style.body.family()}"'.encode()
    return bytes(content.data()).replace(family, family[:-1] + b', sans-serif"')


def _png(graph: ModelGraph, style: Style) -> bytes:
    layout = lay_out(graph, style)
    size = layout.size.toSize()
    scale = min(_PNG_SCALE, _PNG_MAX_HEIGHT / size.height())
    image = QImage(size * scale, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    image.fill(style.c("window"))
    painter = QPainter(image)
    paint_graph(painter, graph, layout, style)
    painter.end()
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(image)
    return bytes(content.data())
