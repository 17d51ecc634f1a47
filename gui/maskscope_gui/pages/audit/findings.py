"""The table of an audit's findings: one row per check, with a bar that compares its deviation with the tolerance."""

import math

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QWidget

from maskscope.audit.report import Finding
from maskscope_gui.pages.audit.audit_text import (
    VERDICT_MARKS,
    does_not_apply,
    format_deviation,
    mark_and_verb,
)
from maskscope_gui.pages.audit.deviation_scale import (
    decades_above,
    deviation_text,
    share_of_scale,
    tolerance_share,
)
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.table import Cell, Column, Table

_MARK, _CHECK, _NUMBER, _BAR = 22, 104, 72, 60
"""Widths of the columns, in pixels at 100 %."""
_BAR_TITLE = "log scale"


class FindingsTable(Table):
    """The findings, one chosen. Enter shows the token where it was found, Space the layer that is faulty.

    Args:
        session: as for every painted view.
        style: fonts and colours.
        parent: as in Qt.
    """

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        self.findings: list[Finding] = []
        self._decades = decades_above(())
        super().__init__(session, style, "Findings of the audit", (Column("check"),), self._cell_of, parent, marks=True)

    def show_findings(self, findings: list[Finding], row: int) -> None:
        """Show other findings, with the cursor on a row."""
        self.findings = findings
        self._decades = decades_above((each.deviation, each.tolerance) for each in findings)
        self._fit()
        self.set_rows(len(findings), row)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make the column of the bar as wide as there is room."""
        super().resizeEvent(event)
        self._fit()

    def arrange(self) -> None:
        """Fit the columns to the fonts and to the number of rows."""
        self._fit()
        super().arrange()

    def _fit(self) -> None:
        scale = self.look.px.scale
        room = self.viewport().width() / scale - 24
        columns = [Column("", _MARK), Column("check", _CHECK), Column("deviation", _NUMBER, right=True)]
        if room >= _MARK + _CHECK + 2 * _NUMBER + _BAR + 20:
            columns.append(Column("tolerance", _NUMBER, right=True))
        rest = int(room - sum(column.width for column in columns))
        self.columns = (*columns, Column(_BAR_TITLE, max(rest, _BAR)))
        self.viewport().update()

    def _cell_of(self, row: int, column: int) -> Cell:
        finding = self.findings[row]
        mark, role, verb = mark_and_verb(finding)
        failed = finding.verdict == "failed"
        tip = f"{finding.check} {verb}. {finding.meaning}"
        title = self.columns[column].title
        if title == "check":
            return Cell(finding.check, "second" if does_not_apply(finding) else "text", bold=failed, tip=tip)
        if title == "deviation":
            is_infinite = failed and finding.deviation is None and finding.tolerance is not None
            return Cell(
                "NaN" if is_infinite else format_deviation(finding.deviation), role if failed else "second", tip=tip
            )
        if title == "tolerance":
            return Cell(format_deviation(finding.tolerance), "second", tip=tip)
        if title == _BAR_TITLE:
            return Cell("", tip=deviation_text(finding) or "This check measures no deviation.")
        return Cell(mark, role, bold=True, tip=tip)

    def _paint_row(self, painter: QPainter, row: int, places: list[tuple[int, int]]) -> None:
        super()._paint_row(painter, row, places)
        left, width = places[-1]
        box = self.row_box(row)
        px = self.look.px
        self._paint_bar(painter, self.findings[row], QRect(left, box.y(), width - px(10), box.height()))

    def _paint_bar(self, painter: QPainter, finding: Finding, room: QRect) -> None:
        px, look = self.look.px, self.look
        deviation, tolerance = finding.deviation, finding.tolerance
        if deviation is None and finding.verdict == "failed" and tolerance is not None:
            deviation = math.inf
        if deviation is None or tolerance is None:
            return
        middle, half = room.center().y() + 0.5, px(7) / 2
        painter.fillRect(QRectF(room.x(), middle - 0.5, room.width(), 1), look.c("line"))
        share = share_of_scale(deviation, tolerance, self._decades)
        over = deviation > tolerance
        role = VERDICT_MARKS[finding.verdict][1] if over else "holds"
        wide = room.width() * share
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.c(role))
        is_off_scale = share == 1.0 and (tolerance <= 0 or not math.isfinite(deviation))
        if share > 0:
            end = wide - (px(5) if is_off_scale else 0)
            painter.drawRect(QRectF(room.x(), middle - half, end, 2 * half))
        else:
            painter.drawEllipse(QPointF(room.x() + px(2), middle), px(2), px(2))
        if is_off_scale:
            # an arrow: a log scale has no place for infinity, nor for a deviation where the tolerance is 0
            tip = room.x() + wide
            corners = [QPointF(tip, middle), QPointF(tip - px(6), middle - px(6)), QPointF(tip - px(6), middle + px(6))]
            painter.drawPolygon(QPolygonF(corners))
        at = 0.0 if tolerance <= 0 else tolerance_share(self._decades)
        painter.fillRect(QRectF(room.x() + room.width() * at, middle - px(8), px(2), px(16)), look.c("text"))
