"""The Qt binding must give every reference back: PySide6 6.11 and 6.12 do not on Python 3.11, and abort in the end."""

import sys

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QApplication


def test_painting_takes_no_reference_from_none(qapp: QApplication) -> None:
    picture = QPixmap(8, 8)
    painter = QPainter(picture)
    before = sys.getrefcount(None)
    for _ in range(500):
        painter.fillRect(QRectF(0, 0, 4, 4), QColor("red"))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(QRectF(0, 0, 4, 4), 2, 2)
    lost = before - sys.getrefcount(None)
    painter.end()
    assert lost < 100
