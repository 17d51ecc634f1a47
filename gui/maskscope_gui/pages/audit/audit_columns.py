"""The lower part of the Audit page: findings, details of the chosen one and the model's picture, side by side."""

from typing import Literal, TypeAlias

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from maskscope_gui.pages.audit.finding_details import FindingDetails
from maskscope_gui.pages.audit.findings import FindingsTable
from maskscope_gui.pages.picture.model_picture import ModelPicture
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel

Arrangement: TypeAlias = Literal["wide", "narrow", "tall"]
"""Three columns; two columns; two rows. In the last two, details and picture take turns in one place."""

_WIDE_FROM, _NARROW_FROM = 1080, 620
"""Least widths of the page in pixels at 100 %."""
_FIRST_SIZES: dict[Arrangement, tuple[int, ...]] = {"wide": (390, 480, 450), "narrow": (300, 424), "tall": (200, 260)}


class AuditColumns(QSplitter):
    """Arranges its three parts by the width of the page, and remembers their sizes for each arrangement.

    Args:
        session: for the tokens of sentences.
        settings: remember the sizes.
        style: fonts and colours.
        parent: as in Qt.

    Attributes:
        table: the findings.
        details: of the chosen finding.
        picture: of the model.
        back: a click shows the details again, where the picture has replaced them.
        picture_in_front: True while the picture has replaced the details.
    """

    def __init__(self, session: Session, settings: Settings, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.settings, self.look = settings, style
        self.picture_in_front = False
        self.arrangement: Arrangement | None = None
        self.table = FindingsTable(session, style)
        self.table.setMinimumSize(style.px(250), style.px(90))
        self.details = FindingDetails(session, style)
        self.picture = ModelPicture(style)
        self._picture_head = Panel("Model and mask", style)
        self.back = KeyHint("Back to the finding", "Space", style)
        self._picture_head.add(self.back)
        self.picture_part = self._picture_part()
        self.setHandleWidth(1)
        for place, part in enumerate((self.table, self.details, self.picture_part)):
            self.addWidget(part)
            self.setCollapsible(place, False)
            self.setStretchFactor(place, min(place, 1))
        self.splitterMoved.connect(lambda *_: self._remember_sizes())

    def _picture_part(self) -> QWidget:
        part = QWidget()
        part.setObjectName("panel")
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._picture_head)
        column.addWidget(self.picture, 1)
        part.setMinimumSize(self.look.px(280), self.look.px(120))
        return part

    def set_look(self, style: Style) -> None:
        """Use the fonts and colours of another theme."""
        self.look = style
        for part in (self.table, self.details, self.picture, self._picture_head):
            part.set_look(style)

    def arrange(self, width: int) -> None:
        """Arrange the parts for a page of this width."""
        px = self.look.px
        self.arrangement = "wide" if width >= px(_WIDE_FROM) else "narrow" if width >= px(_NARROW_FROM) else "tall"
        is_wide, is_tall = self.arrangement == "wide", self.arrangement == "tall"
        self.setOrientation(Qt.Orientation.Vertical if is_tall else Qt.Orientation.Horizontal)
        self.details.setVisible(is_wide or not self.picture_in_front)
        self.picture_part.setVisible(is_wide or self.picture_in_front)
        self._picture_head.hide_hints([self.back] if is_wide else [])
        sizes = self._sizes(self.arrangement)
        if not is_wide:
            rest = (self.height() if is_tall else width) - sizes[0]
            sizes = [sizes[0], 0, rest] if self.picture_in_front else [sizes[0], rest, 0]
        self.setSizes(sizes)
        self.details.picture_is_beside = is_wide
        self.details.fit_links()

    def _sizes(self, arrangement: Arrangement) -> list[int]:
        first_sizes = _FIRST_SIZES[arrangement]
        remembered = self.settings.text(f"audit_{arrangement}").split(",")
        if len(remembered) == len(first_sizes) and all(size.isdecimal() and int(size) for size in remembered):
            return [int(size) for size in remembered]
        return [self.look.px(size) for size in first_sizes]

    def _remember_sizes(self) -> None:
        if self.arrangement is not None:
            sizes = [size for size in self.sizes() if size]
            if len(sizes) == len(_FIRST_SIZES[self.arrangement]):
                self.settings.set_text(f"audit_{self.arrangement}", ",".join(str(size) for size in sizes))
