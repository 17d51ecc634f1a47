"""Plots by pyqtgraph, without its own frame, buttons, menu and mouse actions.

Importing pyqtgraph takes a while; modules that use it are imported after the window's first picture.
"""

import pyqtgraph as pg
from PySide6.QtCore import Qt

from maskscope_gui.theme.theme import Style

pg.setConfigOptions(antialias=True)


def plain_plot(style: Style) -> pg.PlotWidget:
    """A plot that shows nothing but its curves, and takes no mouse events."""
    plot = pg.PlotWidget(background=style.theme.panel)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.setFrameShape(plot.Shape.NoFrame)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    plot.viewport().setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return plot
