"""The Models page: all models of the project, which is in use, and where two of them differ."""

import time

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from maskscope.project import ModelRecord
from maskscope_gui.actions import printed_key
from maskscope_gui.background.comparison_job import ComparisonJob, ComparisonResult, Group
from maskscope_gui.background.open_model_job import engine_text
from maskscope_gui.pages.evaluation.token_table import LabelColumn, TokenListing, TokenTable
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel, recolour, text_width
from maskscope_gui.widgets.pages import Page
from maskscope_gui.widgets.table import Cell, Column, KeyedView, Table

_MOST_ROWS = 7
_COLUMNS = (
    Column("", 14),
    Column("id", 40),
    Column("name", 136),
    Column("made with"),
    Column("runs in", 70),
    Column("epochs", 92),
    Column("F1 held back", 84, right=True),
    Column("loss", 56, right=True),
    Column("made", 96),
    Column("scored", 56),
)
# Given up one after the other where there is no room for all.
_LESS = ("made", "loss", "runs in", "scored", "epochs")


def settings_words(model: ModelRecord) -> str:
    """How a model was made, in short."""
    settings = model.run.settings
    if settings is None:
        return f"opened from {model.run.source}" if model.run.source else "made elsewhere"
    words = [f"{settings.units} units"]
    if settings.layers > 1:
        words.append(f"{settings.layers} layers")
    words.append(f"recurrent dropout {settings.recurrent_dropout:g}")
    if settings.dropout:
        words.append(f"dropout {settings.dropout:g}")
    words += [f"rate {settings.learning_rate:g}", f"seed {settings.seed}"]
    return " · ".join(words)


def epochs_words(model: ModelRecord) -> str:
    """How many epochs ran, and which one was kept."""
    count = len(model.run.history)
    if not count:
        return "–"
    best = f", best {model.run.best_epoch}" if model.run.best_epoch else ""
    return f"{count}{best}" if model.run.complete else f"{count}{best}, stopped"


def _when(at: float) -> str:
    made, now = time.localtime(at), time.localtime()
    return time.strftime("%d %b %H:%M" if made.tm_year == now.tm_year else "%d %b %Y", made)


class CountsView(KeyedView):
    """How two models fared on the labelled tokens; Left and Right choose which of those that differ are listed.

    Signals:
        chosen: (group) of the tokens to list.
    """

    chosen = Signal(str)
    KEYS = frozenset({Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Return, Qt.Key.Key_Enter})

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "How the two models fared", parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.boxes: list[tuple[Group | None, int, str]] = []
        self.group: Group = "differ"
        self.arrange()

    def sizeHint(self) -> QSize:
        """A figure over a word."""
        return QSize(self.look.px(300), self.look.px(54))

    def arrange(self) -> None:
        """Keep the height."""
        self.setFixedHeight(self.sizeHint().height())
        self.viewport().update()

    def show_counts(self, compared: ComparisonResult | None) -> None:
        """Other counts."""
        self.boxes = []
        self.group = "differ"
        if compared is not None:
            found = compared.comparison
            self.boxes = [
                ("differ", len(found.rows), "differ"),
                (None, found.both_right, "both right"),
                ("only_a", found.only_a, f"only A right, {found.a}"),
                ("only_b", found.only_b, f"only B right, {found.b}"),
                ("both_wrong", found.both_wrong, "both wrong"),
            ]
            if found.unlabelled:
                self.boxes.append(("unlabelled", found.unlabelled, "without a label"))
        self.viewport().update()

    def box_of(self, group: Group) -> QRect:
        """Where the figure of a group is in the viewport."""
        return self._box(next(place for place, box in enumerate(self.boxes) if box[0] == group))

    def _box(self, place: int) -> QRect:
        px, look = self.look.px, self.look
        left = px(12)
        for number, (_, count, words) in enumerate(self.boxes):
            wide = max(text_width(words, look.small), text_width(f"{count:,}", look.token_title)) + px(4)
            if number == place:
                return QRect(left, 0, wide, self.viewport().height())
            left += wide + px(22)
        return QRect()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint."""
        painter = QPainter(self.viewport())
        px, look = self.look.px, self.look
        painter.fillRect(event.rect(), look.c("panel"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for place, (group, count, words) in enumerate(self.boxes):
            box = self._box(place)
            here = group is not None and group == self.group
            painter.setFont(look.token_title)
            painter.setPen(look.c("accent" if here else "text"))
            painter.drawText(box.adjusted(0, px(2), 0, -px(24)), Qt.AlignmentFlag.AlignVCenter, f"{count:,}")
            painter.setFont(look.small)
            painter.setPen(look.c("accent" if here else "second"))
            painter.drawText(box.adjusted(0, px(28), 0, -px(6)), Qt.AlignmentFlag.AlignVCenter, words)
            if here:
                painter.fillRect(QRect(box.x(), box.bottom() - px(3), box.width(), px(2)), look.c("accent"))
                if self.hasFocus():
                    painter.setPen(QPen(look.c("accent"), 1.4))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawRoundedRect(QRectF(box).adjusted(-px(5), 1, px(5), -1), 4, 4)

    def _listable(self) -> list[Group]:
        return [group for group, count, _ in self.boxes if group is not None and (count or group == "differ")]

    def choose(self, group: Group) -> None:
        """List the tokens of a group."""
        if group in self._listable():
            self.group = group
            self.viewport().update()
            self.chosen.emit(group)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose another group; Enter goes to its list."""
        groups = self._listable()
        key = Qt.Key(event.key())
        if not groups or key not in self.KEYS:
            event.ignore()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.focusNextChild()
        else:
            step = 1 if key == Qt.Key.Key_Right else -1
            self.choose(groups[min(max(groups.index(self.group) + step, 0), len(groups) - 1)])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """List the group that was clicked."""
        for place, (group, _, _) in enumerate(self.boxes):
            if group is not None and self._box(place).contains(event.position().toPoint()):
                self.choose(group)

    def tip_at(self, point: QPoint) -> str:
        """What a figure counts."""
        for place, (group, count, words) in enumerate(self.boxes):
            if not self._box(place).contains(point):
                continue
            if group is None:
                return f"{count:,} tokens with a label: {words}. The two agree on them, so they are not listed."
            if group == "both_wrong":
                return f"{count:,} tokens: {words}. Those on which the two differ are listed by a click."
            return f"{count:,} tokens: {words}. A click lists them."
        return ""


class ModelsPage(Page):
    """See the module."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(style, parent)
        self.session = session
        self.comparing = ComparisonJob(session, self)
        self.models: list[ModelRecord] = []
        self._scored: set[str] = set()
        self.head = Panel("Models", style)
        self._shown_columns = list(range(len(_COLUMNS)))
        self.table = Table(session, style, "Models", _COLUMNS, self._cell, marks=True)
        use = KeyHint("Use", "Enter", style)
        use.clicked.connect(lambda: self._use(self.table.row))
        mark = KeyHint("Mark to compare", "Space", style)
        mark.clicked.connect(lambda: self._mark(self.table.row))
        for hint in (use, mark):
            self.head.add(hint)
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.note.setContentsMargins(style.px(12), style.px(8), style.px(12), style.px(8))
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.counts = CountsView(session, style)
        self.list_head = Panel("Tokens", style)
        self.show_found = KeyHint("Show in sentence list", printed_key("list_found"), style)
        self.show_found.clicked.connect(self.list_found)
        self.list_head.add(self.show_found)
        titles = (("label", 104), ("A", 104), ("P(A)", 50), ("B", 104), ("P(B)", 50))
        self.tokens = TokenTable(session, style, titles)
        self.tokens.empty = "The two models say the same everywhere."
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.head, self.table, self.note, self.counts, self.list_head):
            column.addWidget(widget)
        column.addWidget(self.tokens, 1)
        self._rest = QWidget()
        column.addWidget(self._rest, 0)
        self.stops = [self.table, self.counts, self.tokens]
        self.table.entered.connect(self._use)
        self.table.marked.connect(self._mark)
        self.counts.chosen.connect(self._list)
        self.tokens.entered.connect(lambda _: self.asked.emit("page_sentence"))
        self.comparing.changed.connect(self.refresh)
        self.comparing.progressed.connect(self._tell)
        session.model_changed.connect(self._read_models)
        session.project_changed.connect(self._read_models)
        self._shown: object = None
        self.set_look(style)

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        super().set_look(style)
        for panel in (self.head, self.list_head):
            panel.set_look(style)
        for view in (self.table, self.counts, self.tokens):
            view.set_look(style)
        self._fit()
        self._say()

    @property
    def busy(self) -> bool:
        """True while two models are compared."""
        return self.comparing.busy

    def cancel(self) -> None:
        """Stop comparing."""
        self.comparing.cancel()

    def close_down(self) -> None:
        """Stop, and wait for what still runs."""
        self.comparing.close()

    def enter(self) -> None:
        """Read the list of models, and take the focus."""
        self._read_models()
        if not any(stop.hasFocus() for stop in self.stops):
            (self.table if self.models else self).setFocus(Qt.FocusReason.OtherFocusReason)

    def compute(self) -> None:
        """Compare again."""
        self.comparing.compute()

    def list_found(self) -> None:
        """Show the sentences of the listed tokens in the list at the left, and no others."""
        sentences = self.tokens.sentences()
        if len(sentences):
            self.session.list_order.set_found(f"{' and '.join(self.comparing.pair)} differ", sentences)

    def showEvent(self, event: object) -> None:
        """Show what has come meanwhile."""
        self._read_models()

    def resizeEvent(self, event: object) -> None:
        """Columns give way where there is no room."""
        self._fit()

    def _fit(self) -> None:
        px = self.look.px
        shown = list(_COLUMNS)
        for title in _LESS:
            if sum(px(column.width) for column in shown) + px(210) <= self.width():
                break
            shown = [column for column in shown if column.title != title]
        self._shown_columns = [_COLUMNS.index(column) for column in shown]
        self.table.columns = tuple(shown)
        self.table.setFixedHeight(self.table.height_of(min(max(len(self.models), 1), _MOST_ROWS)))
        self.table.viewport().update()

    # The models

    def _read_models(self) -> None:
        if not self.isVisible():
            return
        project = self.session.project
        here = self.models[self.table.row].id if 0 <= self.table.row < len(self.models) else None
        marked = [self.models[row].id for row in self.table.marks if row < len(self.models)]
        self.models = [] if project is None else list(reversed(project.models.all()))
        self._scored = {model.id for model in self.models if project is not None and project.models.is_scored(model.id)}
        ids = [model.id for model in self.models]
        in_use = None if self.session.model is None else self.session.model.id
        wanted = here if here in ids else in_use
        self.table.marks = [ids.index(key) for key in marked if key in ids]
        self.table.set_rows(len(ids), ids.index(wanted) if wanted in ids else (0 if ids else -1))
        self.table.empty = f"There is no model yet. Train one with {printed_key('train')}."
        self._fit()
        self.refresh()

    def _cell(self, row: int, column: int) -> Cell:
        model, title = self.models[row], _COLUMNS[self._shown_columns[column]].title
        run = model.run
        in_use = self.session.model is not None and self.session.model.id == model.id
        if title == "id":
            return Cell(model.id, "text" if in_use else "second", bold=in_use)
        if title == "name":
            return Cell(f"{model.name} · in use" if in_use else model.name, bold=in_use)
        if title == "made with":
            return Cell(settings_words(model), "second")
        if title == "runs in":
            return Cell("Keras" if run.engine == "keras" else "packed", "second", tip=engine_text(model))
        if title == "epochs":
            tip = "" if run.complete else "Stopped before its last epoch; the best so far was kept."
            return Cell(epochs_words(model), "second", tip=tip)
        if title == "F1 held back":
            if run.metrics is None:
                return Cell("–", bold=in_use)
            entities = run.metrics.entity_f1
            tip = "Of tokens." if entities is None else f"Of whole entities; of tokens {run.metrics.f1:.3f}."
            return Cell(f"{run.metrics.f1 if entities is None else entities:.3f}", bold=in_use, tip=tip)
        if title == "loss":
            return Cell("–" if run.metrics is None else f"{run.metrics.loss:.3f}", "second")
        if title == "made":
            return Cell(_when(model.created), "second")
        if title == "scored":
            return Cell("✓" if model.id in self._scored else "no", "second")
        return Cell("")

    def _use(self, row: int) -> None:
        if 0 <= row < len(self.models):
            self.session.use_model(self.models[row].id)

    def _mark(self, row: int) -> None:
        if not 0 <= row < len(self.models):
            return
        marks = self.table.marks
        self.table.marks = [each for each in marks if each != row] if row in marks else [*marks, row][-2:]
        self.table.viewport().update()
        pair = tuple(self.models[each].id for each in self.table.marks)
        self.comparing.set_pair(pair if len(pair) == 2 else ())
        self.refresh()

    # Where two differ

    def _tell(self, words: str) -> None:
        self.progressed.emit(f"{words} · Esc stops it" if words else "")
        self._say(words)

    def _say(self, words: str = "") -> None:
        comparing = self.comparing
        role = "second"
        if not words and comparing.error:
            words, role = f"{comparing.error[0].upper()}{comparing.error[1:]}.".replace("..", "."), "fails"
        elif not words and comparing.stale:
            words = f"{comparing.stale} since; press {printed_key('recompute')} to compare again."
            role = "collision"
        elif not words and comparing.result is None and self.models:
            marks = len(self.table.marks)
            words = "Mark two models with Space, and the tokens on which they differ stand here."
            if len(self.models) < 2:
                words = f"With a second model ({printed_key('train')}), the two can be compared here."
            elif marks == 1:
                words = f"{self.models[self.table.marks[0]].id} is marked A; mark another with Space to compare them."
        self.note.setText(words)
        self.note.setVisible(bool(words))
        recolour(self.note, self.look.c(role).name())

    def refresh(self) -> None:
        """Show the comparison there is, or how to get one."""
        if not self.isVisible():
            return
        result = self.comparing.result
        for widget in (self.counts, self.list_head, self.tokens):
            widget.setVisible(result is not None)
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.setStretch(layout.indexOf(self._rest), 0 if result is not None else 1)
        self._say()
        if result is not None and result is not self._shown:
            self.list_head.set_look(self.look)
            self.counts.show_counts(result)
            self._list("differ")
        self._shown = result

    def _list(self, group: Group) -> None:
        result = self.comparing.result
        if result is None:
            return
        found, places = result.comparison, result.indices(group)
        sides = (
            LabelColumn(lambda row: int(found.labels[places[row]])),
            LabelColumn(
                lambda row: int(found.predicted_a[places[row]]), lambda row: float(found.probability_a[places[row]])
            ),
            LabelColumn(
                lambda row: int(found.predicted_b[places[row]]), lambda row: float(found.probability_b[places[row]])
            ),
        )
        titles: dict[Group, str] = {
            "differ": "on which they differ",
            "only_a": f"only A right, {found.a}",
            "only_b": f"only B right, {found.b}",
            "both_wrong": "both wrong, and they differ",
            "unlabelled": "without a label",
        }
        self.list_head.set_title(f"Tokens · {titles[group]} · {len(places):,}")
        self.show_found.setEnabled(len(places) > 0)
        self.tokens.show_listing(TokenListing(found.rows[places], found.offsets, sides), self.tokens.empty)
