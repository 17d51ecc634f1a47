"""The theme, applied to the application: what Qt's own controls are painted with."""

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication

from maskscope_gui.theme.stylesheet import style_sheet
from maskscope_gui.theme.theme import Style

_ROLES = (
    (QPalette.ColorRole.Window, "window"),
    (QPalette.ColorRole.Base, "panel"),
    (QPalette.ColorRole.Button, "panel"),
    (QPalette.ColorRole.WindowText, "text"),
    (QPalette.ColorRole.Text, "text"),
    (QPalette.ColorRole.ButtonText, "text"),
    (QPalette.ColorRole.ToolTipBase, "panel"),
    (QPalette.ColorRole.ToolTipText, "text"),
    (QPalette.ColorRole.PlaceholderText, "second"),
    (QPalette.ColorRole.Highlight, "accent"),
)


def apply_style(style: Style) -> None:
    """Set palette, font and style sheet of the application."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    palette = QPalette()
    for role, name in _ROLES:
        palette.setColor(role, style.c(name))
    app.setPalette(palette)
    app.setFont(style.body)
    app.setStyleSheet(style_sheet(style))
