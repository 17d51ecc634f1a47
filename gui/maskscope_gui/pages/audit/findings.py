"""The findings of an audit, a row a check, each with how far its deviation is from what is allowed."""

import math
from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QWidget

from maskscope.audit.report import Finding
from maskscope_gui.background.audit_job import VERDICT_MARKS, format_deviation
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.table import Cell, Column, Table

DECADES_BELOW = 3
"""A bar begins at a thousandth of the tolerance."""
_FEWEST_ABOVE, _MOST_ABOVE = 3, 12
_MARK, _CHECK, _NUMBER, _BAR = 22, 104, 72, 60
_BAR_TITLE = "log scale"
_VERDICTS = {"passed": "holds", "failed": "fails", "could not tell": "could not tell"}


def decades_above(pairs: Iterable[tuple[float | None, float | None]]) -> int:
    """Decades that a common scale needs above the tolerance, for (deviation, tolerance) each."""
    ratios = [
        deviation / tolerance
        for deviation, tolerance in pairs
        if deviation is not None and tolerance and deviation > 0 and math.isfinite(deviation)
    ]
    most = math.ceil(math.log10(max(ratios))) if ratios else 0
    return min(max(most, _FEWEST_ABOVE), _MOST_ABOVE)


def share_of_scale(deviation: float, tolerance: float, decades: int) -> float:
    """Where a deviation lies on the scale, 0 to 1; where nothing is allowed, any deviation lies at its end."""
    if deviation <= 0:
        return 0.0
    if tolerance <= 0 or not math.isfinite(deviation):
        return 1.0
    return min(max((math.log10(deviation / tolerance) + DECADES_BELOW) / (DECADES_BELOW + decades), 0.0), 1.0)


def tolerance_share(decades: int) -> float:
    """Where the tolerance lies on the scale."""
    return DECADES_BELOW / (DECADES_BELOW + decades)


def how_far(finding: Finding) -> str:
    """The deviation against its tolerance in words; "" where the check measures none."""
    if finding.tolerance is None:
        return "" if finding.deviation is None else f"deviation {format_deviation(finding.deviation)}"
    if finding.deviation is None:
        return (
            f"no number came out, allowed {format_deviation(finding.tolerance)}" if finding.verdict == "failed" else ""
        )
    words = f"deviation {format_deviation(finding.deviation)}, allowed {format_deviation(finding.tolerance)}"
    if finding.tolerance and math.isfinite(finding.deviation) and finding.deviation > finding.tolerance:
        times = finding.deviation / finding.tolerance
        # of a number with two digits that mean something, no more are said
        words += f", {float(f'{times:.2g}'):,.0f} times as much" if times >= 10 else f", {times:.1f} times as much"
    return words


class FindingsTable(Table):
    """See the module. Enter shows the token that a finding was found at, Space the layer that it blames."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        self.findings: list[Finding] = []
        self._decades = _FEWEST_ABOVE
        super().__init__(session, style, "Findings of the audit", (Column("check"),), self._cell_of, parent, marks=True)

    def show_findings(self, findings: list[Finding], row: int) -> None:
        """Other findings, the cursor on a row."""
        self.findings = findings
        self._decades = decades_above((each.deviation, each.tolerance) for each in findings)
        self._fit()
        self.set_rows(len(findings), row)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The bar takes the room that there is."""
        super().resizeEvent(event)
        self._fit()

    def arrange(self) -> None:
        """As the fonts and the number of rows want it."""
        self._fit()
        super().arrange()

    def _fit(self) -> None:
        scale = self.look.px.scale
        room = self.viewport().width() / scale - 24
        columns = [Column("", _MARK), Column("check", _CHECK), Column("deviation", _NUMBER, right=True)]
        if room >= _MARK + _CHECK + 2 * _NUMBER + _BAR + 20:
            columns.append(Column("allowed", _NUMBER, right=True))
        rest = int(room - sum(column.width for column in columns))
        self.columns = (*columns, Column(_BAR_TITLE, max(rest, _BAR)))
        self.viewport().update()

    def _cell_of(self, row: int, column: int) -> Cell:
        finding = self.findings[row]
        mark, role = VERDICT_MARKS[finding.verdict]
        failed = finding.verdict == "failed"
        tip = f"{finding.check} {_VERDICTS[finding.verdict]}. {finding.meaning}"
        title = self.columns[column].title
        if title == "check":
            return Cell(finding.check, "text", bold=failed, tip=tip)
        if title == "deviation":
            none = failed and finding.deviation is None and finding.tolerance is not None
            return Cell("NaN" if none else format_deviation(finding.deviation), role if failed else "second", tip=tip)
        if title == "allowed":
            return Cell(format_deviation(finding.tolerance), "second", tip=tip)
        if title == _BAR_TITLE:
            return Cell("", tip=how_far(finding) or "This check measures no deviation.")
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
        beyond = share == 1.0 and (tolerance <= 0 or not math.isfinite(deviation))
        if share > 0:
            end = wide - (px(5) if beyond else 0)
            painter.drawRect(QRectF(room.x(), middle - half, end, 2 * half))
        else:
            painter.drawEllipse(QPointF(room.x() + px(2), middle), px(2), px(2))
        if beyond:
            # There is no place on a log scale for a share of nothing, nor for what is no number.
            tip = room.x() + wide
            corners = [QPointF(tip, middle), QPointF(tip - px(6), middle - px(6)), QPointF(tip - px(6), middle + px(6))]
            painter.drawPolygon(QPolygonF(corners))
        at = 0.0 if tolerance <= 0 else tolerance_share(self._decades)
        painter.fillRect(QRectF(room.x() + room.width() * at, middle - px(8), px(2), px(16)), look.c("text"))
