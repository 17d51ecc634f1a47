"""The sentence page: the tracks of the sentence above the batch around it."""

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSplitter, QToolButton, QVBoxLayout, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.pages.sentence.batch import BatchView
from maskscope_gui.pages.sentence.reconstruction import ReconstructionView
from maskscope_gui.pages.sentence.tracks import TracksView
from maskscope_gui.session.model_values import MOST_LANES
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Panel

_TRACKS_ABOVE_RECONSTRUCTION = 252


class SentencePage(QSplitter):
    """Two panels, each with the buttons of its own settings in the heading."""

    def __init__(
        self, session: Session, tracks: TracksView, batch: BatchView, actions: Mapping[str, QAction], style: Style
    ) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self._session, self._tracks, self._batch = session, tracks, batch
        self._menu_of: tuple[object, ...] = ()
        self.shown_class = _button("Which probability is shown")
        self.shown_class.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.decoding = _button(actions["decode"].toolTip())
        self.decoding.clicked.connect(actions["decode"].trigger)
        self.batch_order = _button("The order of the rows of the batch")
        self.batch_order.clicked.connect(actions["batch_order"].trigger)
        self._tracks_head = Panel("Tracks", style)
        self._tracks_head.add(self.shown_class)
        self._tracks_head.add(self.decoding)
        self._batch_head = Panel("Batch", style)
        self._batch_head.add(self.batch_order)
        self.reconstruction = ReconstructionView(session, style)
        self.tracks_panel = _panel(self._tracks_head, tracks, self.reconstruction)
        self.batch_panel = _panel(self._batch_head, batch)
        for number, panel in enumerate((self.tracks_panel, self.batch_panel)):
            self.addWidget(panel)
            self.setStretchFactor(number, number)
            self.setCollapsible(number, False)
        self.setSizes([style.px(318), style.px(290)])
        self.setHandleWidth(1)
        session.project_changed.connect(self._new_project)
        session.model_changed.connect(self._update_tracks_head)
        session.model_changed.connect(self._make_room)
        session.decoding_changed.connect(self._update_tracks_head)
        session.list_order.changed.connect(self._update_batch_head)
        session.cursor.sentence_changed.connect(self._update_batch_head)
        self._update_batch_head()

    def set_look(self, style: Style) -> None:
        """Paint the headings with other colours and fonts; the views are styled by the window."""
        for head in (self._tracks_head, self._batch_head):
            head.set_look(style)
        self.reconstruction.set_look(style)
        for button in (self.shown_class, self.decoding, self.batch_order):
            button.setFont(style.small)

    def _make_room(self) -> None:
        """Keep the mask lane in sight above a reconstruction."""
        low = self._tracks_head.look.px(_TRACKS_ABOVE_RECONSTRUCTION)
        self._tracks.setMinimumHeight(0 if self.reconstruction.isHidden() else low)

    def change_batch_order(self) -> None:
        """Sort the rows of the batch by length, or as they are in the list."""
        self._batch.set_order("as listed" if self._batch.order == "longest first" else "longest first")
        self._update_batch_head()

    def _new_project(self) -> None:
        self._update_tracks_head()
        self._update_batch_head()

    def _fill_classes(self) -> None:
        """Make the menu anew for another project or model; an action of it may be what runs now."""
        session = self._session
        key = (session.project, None if session.model is None else session.model.id, session.values is None)
        if key == self._menu_of:
            return
        self._menu_of = key
        for menu in self.shown_class.findChildren(QMenu):
            menu.deleteLater()
        if session.gives_values:
            self._fill_outputs()
            return
        if session.project is None or session.scheme.kind == "binary":
            self.shown_class.setMenu(None)  # type: ignore[arg-type]
            return
        menu = QMenu(self.shown_class)
        menu.addAction("P(any label)").triggered.connect(lambda _=False: session.show_class(None))
        for class_id, name in enumerate(session.scheme.classes):
            menu.addAction(f"P({name})").triggered.connect(lambda _=False, shown=class_id: session.show_class(shown))
        self.shown_class.setMenu(menu)

    def _fill_outputs(self) -> None:
        """A menu of the outputs of a model that gives values, `MOST_LANES` at a time."""
        session, values = self._session, self._session.values
        if values is None or values.reconstructs or values.n_outputs <= MOST_LANES:
            self.shown_class.setMenu(None)  # type: ignore[arg-type]
            return
        menu = QMenu(self.shown_class)
        for first in range(0, values.n_outputs, MOST_LANES):
            last = min(first + MOST_LANES, values.n_outputs) - 1
            text = values.name(first) if first == last else f"{values.name(first)} to {values.name(last)}"
            menu.addAction(text).triggered.connect(lambda _=False, output=first: session.show_output(output))
        self.shown_class.setMenu(menu)

    def _outputs_text(self) -> str:
        """Which outputs of a model that gives values are shown, for the button of their menu."""
        values, first = self._session.values, self._session.first_output
        if values is None:
            return "values"
        if values.reconstructs:
            return "a reconstruction: error of each token"
        if values.n_outputs <= MOST_LANES:
            return "values"
        last = min(first + MOST_LANES, values.n_outputs) - 1
        return f"values {first} to {last} of {values.n_outputs:,} ▾   {key_of_action('shown_class')}"

    def _update_tracks_head(self) -> None:
        session = self._session
        if session.project is None:
            return
        self._fill_classes()
        if session.gives_values:
            self.decoding.setVisible(False)
            self.shown_class.setText(self._outputs_text())
            self.shown_class.setEnabled(self.shown_class.menu() is not None)
            return
        text = "spans decoded" if session.decoding == "viterbi" else "argmax, spans not decoded"
        self.decoding.setText(f"{text}   {key_of_action('decode')}")
        self.decoding.setVisible(session.decodes_spans)
        binary = session.scheme.kind == "binary"
        self.shown_class.setEnabled(not binary)
        if binary:
            self.shown_class.setText(f"{session.shown_name}   threshold {session.threshold:.2f}")
        else:
            self.shown_class.setText(f"{session.shown_name} ▾   {key_of_action('shown_class')}")

    def _update_batch_head(self) -> None:
        shown = self._batch.batch
        text = "Batch"
        if shown is not None and len(shown.ids):
            text = f"Batch · {len(shown.ids)} sentences × {shown.values.shape[1]} positions"
        self._batch_head.set_title(text)
        self.batch_order.setText(f"{self._batch.order} ▾   {key_of_action('batch_order')}")


def _button(tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName("flat")
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setToolTip(tip)
    return button


def _panel(head: Panel, view: QWidget, below: QWidget | None = None) -> QWidget:
    panel = QWidget()
    panel.setObjectName("panel")
    panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    column = QVBoxLayout(panel)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    column.addWidget(head)
    column.addWidget(view, 1)
    if below is not None:
        column.addWidget(below)
    return panel
