"""The Audit page: whether padding is ignored, what each check found, what it saw, and the way to the place."""

from pathlib import Path
from typing import Literal, TypeAlias

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from maskscope.audit.report import AuditReport, Finding
from maskscope.errors import MaskscopeError
from maskscope.files import write_durably
from maskscope_gui.actions import printed_key
from maskscope_gui.background.audit_job import (
    VERDICT_MARKS,
    AuditJob,
    audit_details,
    failed_first,
    short_verdict,
    verdict_text,
)
from maskscope_gui.pages.audit.evidence import EvidenceStrip
from maskscope_gui.pages.audit.findings import FindingsTable, how_far
from maskscope_gui.pages.picture.model_picture import ModelPicture, nodes_of
from maskscope_gui.pages.picture.picture_file import svg_picture
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel, WrappedLabel, line
from maskscope_gui.widgets.pages import Page
from maskscope_resources.colours import LIGHT

Form: TypeAlias = Literal["wide", "narrow", "tall"]

_WIDE, _NARROW = 1080, 620
_FIRST_SIZES: dict[Form, tuple[int, ...]] = {"wide": (390, 480, 450), "narrow": (300, 424), "tall": (200, 260)}
_BAR_STEPS = 1000
_LONGEST_LAYER = 28
_ROUND = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Space})
_SCROLLS = frozenset(
    {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
)
_ENTERS = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter})


class AuditPage(Page):
    """See the module. Findings beside the chosen one's details; the model's picture is a third column where there is
    room, else it takes the place of the details when Space is pressed.

    Signals:
        open_wanted: (file) the repaired model is to be opened in this project.
    """

    open_wanted = Signal(Path)

    def __init__(
        self,
        session: Session,
        auditing: AuditJob,
        settings: Settings,
        style: Style,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(style, parent)
        self.session, self.auditing, self.settings = session, auditing, settings
        self.findings: list[Finding] = []
        self._shown: AuditReport | None = None
        self._form: Form | None = None
        self._turned = False
        self._build_head()
        self.table = FindingsTable(session, style)
        self.details = self._build_details()
        self.model = self._build_model()
        self.parts = QSplitter(Qt.Orientation.Horizontal)
        self.parts.setHandleWidth(1)
        for place, part in enumerate((self.table, self.details, self.model)):
            self.parts.addWidget(part)
            self.parts.setCollapsible(place, False)
            self.parts.setStretchFactor(place, min(place, 1))
        self.rule = line()
        self.rest = QWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.top)
        column.addWidget(self.rule)
        column.addWidget(self.parts, 1)
        column.addWidget(self.rest, 1)
        buttons = (self.run_button, self.cancel_button, self.repair_button, self.open_button)
        self.stops = [*buttons, self.table, self.strip, self.picture.area]
        for stop in (*buttons, self.picture.area):
            stop.installEventFilter(self)
        self._connect()
        self.set_look(style)
        self.refresh()

    # Assembly

    def _build_head(self) -> None:
        style, px = self.look, self.look.px
        self.head = Panel("Audit", style)
        self.again = self._action_hint("Audit again", "recompute")
        self.save = self._action_hint("Save report…", "save_report")
        for hint in (self.again, self.save):
            self.head.add(hint)
        self.top = QWidget()
        self.verdict = WrappedLabel(style, "", "text", size=22, bold=True)
        self.how = WrappedLabel(style, "", "second")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the audit")
        self.note = WrappedLabel(style, "", "second")
        self.run_button = self._button(f"Audit the padding   {printed_key('audit')}", primary=True)
        self.cancel_button = self._button(f"Stop   {printed_key('dismiss')}")
        self.repair_button = self._button(f"Save repaired model…   {printed_key('repair_model')}")
        self.open_button = self._button("Open the repaired model in this project")
        column = QVBoxLayout(self.top)
        column.setContentsMargins(px(12), 0, px(12), px(10))
        column.setSpacing(px(4))
        first = QHBoxLayout()
        first.setSpacing(px(12))
        first.addWidget(self.verdict, 1)
        first.addWidget(self.repair_button, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(first)
        for widget in (self.how, self.bar, self.note):
            column.addWidget(widget)
        row = QHBoxLayout()
        row.setSpacing(px(8))
        for button in (self.run_button, self.cancel_button, self.open_button):
            row.addWidget(button)
        row.addStretch(1)
        column.addLayout(row)

    def _build_details(self) -> QScrollArea:
        style, px = self.look, self.look.px
        inner = QWidget()
        inner.setObjectName("panel")
        self.title = WrappedLabel(style, "", "text", size=15, bold=True)
        self.far = WrappedLabel(style, "", "second")
        self.meaning = WrappedLabel(style, "", "text")
        self.advice_label = WrappedLabel(style, "", "text", bold=True)
        self.to_place = KeyHint("", "Enter", style)
        self.to_layer = KeyHint("", "Space", style)
        self.evidence_title = QLabel()
        self.strip = EvidenceStrip(self.session, style)
        self.readout = WrappedLabel(style, "", "second", size=12)
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, px(4), 0, px(8))
        column.setSpacing(px(6))
        for words in (self.title, self.far, self.meaning, self.advice_label):
            words.setContentsMargins(px(12), 0, px(12), 0)
            column.addWidget(words)
        self.links = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self.links.setContentsMargins(px(12), 0, px(12), 0)
        for hint in (self.to_place, self.to_layer):
            self.links.addWidget(hint)
        self.links.addStretch(1)
        column.addLayout(self.links)
        for label in (self.evidence_title, self.readout):
            label.setContentsMargins(px(12), 0, px(12), 0)
        self.evidence_title.setObjectName("caps")
        self.evidence_title.setTextFormat(Qt.TextFormat.PlainText)
        column.addSpacing(px(4))
        for widget in (self.evidence_title, self.strip, self.readout):
            column.addWidget(widget)
        column.addStretch(1)
        area = QScrollArea()
        area.setObjectName("panel")
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        area.setMinimumSize(px(280), px(120))
        return area

    def _build_model(self) -> QWidget:
        px = self.look.px
        part = QWidget()
        part.setObjectName("panel")
        self.model_head = Panel("The model, and its mask", self.look)
        self.back = KeyHint("The finding", "Space", self.look)
        self.back.clicked.connect(self.turn)
        self.model_head.add(self.back)
        self.picture = ModelPicture(self.look)
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.model_head)
        column.addWidget(self.picture, 1)
        part.setMinimumSize(px(280), px(120))
        return part

    def _action_hint(self, words: str, action_id: str) -> KeyHint:
        hint = KeyHint(words, printed_key(action_id), self.look)
        hint.clicked.connect(lambda: self.asked.emit(action_id))
        return hint

    def _button(self, words: str, *, primary: bool = False) -> QPushButton:
        made = QPushButton(words)
        made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if primary:
            made.setObjectName("primary")
        return made

    def _connect(self) -> None:
        self.run_button.clicked.connect(self.compute)
        self.cancel_button.clicked.connect(self.cancel)
        self.repair_button.clicked.connect(self.ask_repaired)
        self.open_button.clicked.connect(self._open_repaired)
        self.table.moved.connect(lambda _: self._show_finding())
        self.table.entered.connect(lambda _: self.show_place())
        self.table.marked.connect(lambda _: self.turn())
        self.strip.moved.connect(self._read_out)
        self.strip.entered.connect(self._show_position)
        self.strip.turned.connect(self.turn)
        self.to_place.clicked.connect(self.show_place)
        self.to_layer.clicked.connect(self.turn)
        self.picture.clicked.connect(self._choose_layer)
        self.parts.splitterMoved.connect(lambda *_: self._keep_sizes())
        self.auditing.changed.connect(self.refresh)
        self.session.project_changed.connect(self.refresh)
        self.session.model_changed.connect(self.refresh)

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        super().set_look(style)
        for panel in (self.head, self.model_head):
            panel.set_look(style)
        for view in (self.table, self.strip, self.picture, self.to_place, self.to_layer):
            view.set_look(style)
        for words in self.findChildren(WrappedLabel):
            words.set_look(style)
        self.evidence_title.setFont(style.caps)

    # What a page does

    @property
    def busy(self) -> bool:
        """True while the model is audited or repaired."""
        return bool(self.auditing.running)

    def cancel(self) -> None:
        """Stop what runs."""
        self.auditing.cancel()

    def compute(self) -> None:
        """Audit, again where it was."""
        self.auditing.start()

    def enter(self) -> None:
        """Show what there is, and take the focus."""
        self.refresh()
        if not any(stop.hasFocus() for stop in self.stops):
            self._take_focus()

    def showEvent(self, event: object) -> None:
        """Show what has come meanwhile."""
        self.refresh()

    def _take_focus(self) -> None:
        wanted: tuple[QWidget, ...] = (self.table, self.run_button, self.cancel_button)
        stop = next((each for each in wanted if each.isVisibleTo(self) and each.isEnabled()), self)
        stop.setFocus(Qt.FocusReason.OtherFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keys of the buttons and of the picture are the page's own, before the sentence's."""
        if not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        in_picture = watched is self.picture.area
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in (
            _ROUND | _SCROLLS if in_picture else _ROUND
        ):
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat():
            if in_picture and event.key() in _ENTERS | {Qt.Key.Key_Space}:
                self.show_place() if event.key() in _ENTERS else self.turn()
                return True
            if isinstance(watched, QPushButton) and event.key() in _ENTERS:
                watched.click()
                return True
        return super().eventFilter(watched, event)

    # What it shows

    def refresh(self) -> None:
        """Show the report there is, or how to get one."""
        if not self.isVisible():
            return
        auditing, model, report = self.auditing, self.session.model, self.auditing.report
        held = next((stop for stop in (*self.stops, self) if stop.hasFocus()), None)
        repaired = None if auditing.running else auditing.repaired
        self.head.set_title("Audit" if model is None else f"Audit · {model.id} · {model.name}")
        self._say_verdict(report)
        self._say_note(report)
        self.bar.setVisible(bool(auditing.running))
        done, total = auditing.progress
        self.bar.setRange(0, _BAR_STEPS if total > 0 else 0)
        if total > 0:
            self.bar.setValue(min(done, total) * _BAR_STEPS // total)
        self.run_button.setVisible(report is None and not auditing.running and model is not None)
        self.cancel_button.setVisible(bool(auditing.running))
        self.repair_button.setVisible(report is not None and bool(report.repairs) and not auditing.running)
        self.open_button.setVisible(repaired is not None)
        self.again.wanted = self.save.wanted = report is not None and not auditing.running
        self.head.hold_back([hint for hint in (self.again, self.save) if report is None or auditing.running])
        if report is not None and self.parts.isHidden():
            self.parts.setVisible(True)
            # Qt's style sheets forget the fonts of what was never shown.
            self.set_look(self.look)
        self.parts.setVisible(report is not None)
        self.rule.setVisible(report is not None)
        self.rest.setVisible(report is None)
        if report is not None and report is not self._shown:
            self._show_report(report)
        elif report is None and self._shown is not None:
            self.findings = []
            self.table.show_findings([], -1)
        self._shown = report
        if held is self or (held is not None and not held.isVisibleTo(self)):
            self._take_focus()

    def _say_verdict(self, report: AuditReport | None) -> None:
        model, auditing = self.session.model, self.auditing
        if auditing.running == "audit" and model is not None:
            self.verdict.set_text(f"Auditing {model.name}", "text")
            self.how.set_text("The checks run the model with more padding, and hold the mask against the lengths.")
        elif report is not None:
            self.verdict.set_text(*verdict_text(report))
            self.how.set_text(audit_details(report, model))
        elif self.session.project is None:
            self.verdict.set_text("There is no project open", "text")
            self.how.set_text(f"Open one first ({printed_key('open')}).")
        elif model is None:
            self.verdict.set_text("There is no model to audit yet", "text")
            self.how.set_text(f"Train one ({printed_key('train')}), or open one ({printed_key('open_model')}).")
        else:
            self.verdict.set_text(f"{model.name} has not been audited yet", "text")
            self.how.set_text("The checks run the model with more padding, and hold the mask against the lengths.")

    def _say_note(self, report: AuditReport | None) -> None:
        auditing, repaired = self.auditing, self.auditing.repaired
        if auditing.running:
            doing = "" if auditing.running == "audit" else "Saving the repaired model: "
            words = f"{doing}{auditing.message}"
            self.note.set_text(f"{words[:1].upper()}{words[1:]}…")
        elif auditing.message:
            again = "" if report is not None else f" {printed_key('audit')} tries again."
            self.note.set_text(f"{auditing.message.rstrip('.')}.{again}", "fails" if auditing.failed else "second")
        elif report is not None and repaired is not None:
            verdict = repaired.report.verdict
            self.note.set_text(
                f"{repaired.path.name} is written. Before: {short_verdict(report)}; after: "
                f"{short_verdict(repaired.report)}. Its weights were trained with the mistake: train it again.",
                VERDICT_MARKS[verdict][1],
            )
        else:
            self.note.set_text("")
        self.note.setVisible(bool(self.note.text()))

    def _show_report(self, report: AuditReport) -> None:
        self.findings = failed_first(report)
        if report.graph is None:
            unclear = (each for each in report.findings if each.check == "TRACE" and each.verdict == "could not tell")
            why = next((finding.meaning for finding in unclear), "")
            self.picture.show_message(f"There is no picture of this model. {why}".strip())
        else:
            self.picture.show_graph(report.graph)
        self._turned = False
        self.table.show_findings(self.findings, 0)
        self._arrange()
        self._show_finding()

    @property
    def chosen(self) -> Finding | None:
        """The finding whose details are shown."""
        return self.findings[self.table.row] if 0 <= self.table.row < len(self.findings) else None

    def _show_finding(self) -> None:
        finding = self.chosen
        if finding is None:
            return
        mark, role = VERDICT_MARKS[finding.verdict]
        says = {"passed": "holds", "failed": "fails"}.get(finding.verdict, finding.verdict)
        self.title.set_text(f"{mark} {finding.check} {says}", role)
        self.far.set_text(how_far(finding))
        self.meaning.set_text(finding.meaning, "text")
        self.advice_label.set_text(f"Smallest change: {finding.advice}." if finding.advice else "", "text")
        for words in (self.far, self.advice_label):
            words.setVisible(bool(words.text()))
        self._name_links(finding)
        evidence = finding.evidence
        for widget in (self.evidence_title, self.strip, self.readout):
            widget.setVisible(evidence is not None)
        self.strip.show_evidence(evidence, finding.tolerance, finding.position)
        if evidence is not None:
            of = "a sentence made for this check" if evidence.sentence is None else f"sentence {evidence.sentence:,}"
            last = evidence.first + len(evidence.real) - 1
            cut = f", positions {evidence.first} to {last}" if evidence.first else ""
            self.evidence_title.setText(f"Seen in {of}{cut}")
            self._read_out(self.strip.at)
        self.details.verticalScrollBar().setValue(0)
        self._mark_layers()

    def _name_links(self, finding: Finding) -> None:
        place = _place_words(finding)
        self.to_place.setVisible(bool(place))
        self.to_layer.setVisible(bool(finding.layer) or self._form != "wide")
        layer = finding.layer or ""
        layer = layer if len(layer) <= _LONGEST_LAYER else f"{layer[: _LONGEST_LAYER - 1]}…"
        texts = (f"Show {place}", f"Show layer {layer}" if layer else "Show the model's picture")
        for hint, key, text in ((self.to_place, "Enter", texts[0]), (self.to_layer, "Space", texts[1])):
            hint.setText(text)
            hint.setAccessibleName(f"{text} ({key})")
            hint.updateGeometry()
        wide = sum(hint.sizeHint().width() for hint in (self.to_place, self.to_layer)) + self.look.px(12)
        beside = wide <= self.details.width() - 2 * self.look.px(12) or not place
        self.links.setDirection(QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom)
        self.links.setSpacing(self.look.px(12 if beside else 0))

    def _read_out(self, position: int) -> None:
        self.readout.set_text(" · ".join(self.strip.lines_at(position)))

    def _mark_layers(self) -> None:
        graph = self.picture.graph
        if graph is None:
            return
        blamed: dict[str, str] = {}
        for finding in self.findings:
            if finding.verdict == "failed" and finding.layer:
                for node in nodes_of(graph, finding.layer):
                    blamed[node] = (
                        f"{blamed[node]}, {finding.check}" if node in blamed else f"Blamed by {finding.check}"
                    )
        here = self.chosen
        chosen = nodes_of(graph, here.layer) if here is not None and here.layer else ()
        self.picture.mark(blamed, chosen)

    # The way from a finding

    def show_place(self) -> None:
        """Show the sentence of the finding, with the cursor at its position."""
        finding = self.chosen
        if finding is not None and finding.sentence is not None:
            self.session.cursor.reveal(finding.sentence, finding.position or 0)
            self.asked.emit("page_sentence")

    def _show_position(self, position: int) -> None:
        evidence = self.strip.evidence
        if evidence is None or evidence.sentence is None:
            return
        # There is no token at padding; the last one is nearest.
        self.session.cursor.reveal(evidence.sentence, min(position, max(len(self.strip.tokens) - 1, 0)))
        self.asked.emit("page_sentence")

    def turn(self) -> None:
        """Show the layer of the finding in the model's picture; where it takes the place of the details, and back."""
        self._mark_layers()
        if self._form == "wide":
            if self.picture.graph is not None:
                (self.table if self.picture.area.hasFocus() else self.picture.area).setFocus()
            return
        self._turned = not self._turned
        self._arrange()
        if not any(stop.hasFocus() and stop.isVisibleTo(self) for stop in self.stops):
            self.table.setFocus()
        self._mark_layers()

    def _choose_layer(self, node: str) -> None:
        graph = self.picture.graph
        if graph is None:
            return
        blaming = [
            row
            for row, finding in enumerate(self.findings)
            if finding.layer and finding.verdict != "passed" and node in nodes_of(graph, finding.layer)
        ]
        if blaming:
            # A click on the layer of the chosen finding goes on to the next that blames it.
            after = [row for row in blaming if row > self.table.row] if self.table.row in blaming else []
            self.table.go_to((after or blaming)[0])

    # Room

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Three columns, two, or two rows."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        px = self.look.px
        form: Form = "wide" if self.width() >= px(_WIDE) else "narrow" if self.width() >= px(_NARROW) else "tall"
        wide = form == "wide"
        self.parts.setOrientation(Qt.Orientation.Vertical if form == "tall" else Qt.Orientation.Horizontal)
        self.table.setMinimumSize(px(250), px(90))
        self.details.setVisible(wide or not self._turned)
        self.model.setVisible(wide or self._turned)
        self.back.wanted = not wide
        self.model_head.hold_back([self.back] if wide else [])
        self._form = form
        sizes = self._sizes(form)
        if wide:
            self.parts.setSizes(sizes)
        else:
            whole = self.parts.height() if form == "tall" else self.width()
            rest = whole - sizes[0]
            self.parts.setSizes([sizes[0], 0 if self._turned else rest, rest if self._turned else 0])
        finding = self.chosen
        if finding is not None:
            self._name_links(finding)

    def _sizes(self, form: Form) -> list[int]:
        parts = self.settings.text(f"audit_{form}").split(",")
        if len(parts) == len(_FIRST_SIZES[form]) and all(part.isdecimal() and int(part) for part in parts):
            return [int(part) for part in parts]
        return [self.look.px(size) for size in _FIRST_SIZES[form]]

    def _keep_sizes(self) -> None:
        if self._form is not None:
            sizes = [size for size in self.parts.sizes() if size]
            if len(sizes) == len(_FIRST_SIZES[self._form]):
                self.settings.set_text(f"audit_{self._form}", ",".join(str(size) for size in sizes))

    # Files

    def ask_file(self) -> None:
        """Let the person choose a file, and write the report to it."""
        model = self.session.model
        if self.auditing.report is None:
            self.session.message_requested.emit(
                f"There is no audit to save yet; {printed_key('audit')} makes one.", "info"
            )
            return
        start = (
            Path(self.settings.text("reports_folder") or Path.home())
            / f"audit-{_file_stem(model.name if model else '')}.html"
        )
        chosen, _ = QFileDialog.getSaveFileName(self, "Save audit report", str(start), "Web page (*.html)")
        if chosen:
            self.settings.set_text("reports_folder", str(Path(chosen).parent))
            self.write_report(Path(chosen))

    def write_report(self, file: Path) -> None:
        """Write the report as one web page that needs nothing from elsewhere, and say so."""
        from maskscope.audit.html.page import html_page

        report = self.auditing.report
        if report is None:
            return
        file = file if file.suffix else file.with_suffix(".html")
        try:
            picture = None if report.graph is None else svg_picture(report.graph, LIGHT)
            _write(file, html_page(report, picture, self._command()))
        except MaskscopeError as error:
            self.session.message_requested.emit(str(error), "error")
        else:
            self.session.message_requested.emit(f"The report is in {file.name}.", "info")

    def _command(self) -> str:
        """What one types to make the audit again."""
        from maskscope.audit.html.page import command_line

        project, model = self.session.project, self.session.model
        if project is None or model is None:
            return ""
        return command_line(["maskscope", "audit", str(project.path), "--model", model.id])

    def ask_repaired(self) -> None:
        """Let the person choose a file, and write the repaired model to it."""
        model, project, report = self.session.model, self.session.project, self.auditing.report
        if model is None or project is None or report is None or not report.repairs:
            self.session.message_requested.emit("No automatic repair is available for this model.", "info")
            return
        folder = Path(self.settings.text("models_folder") or project.path.parent)
        stem = Path(model.run.source).stem if model.run.source else f"{project.name}-{model.id}"
        start = folder / f"{_file_stem(stem)}-repaired.keras"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save repaired model", str(start), "Keras models (*.keras)")
        if chosen:
            self.settings.set_text("models_folder", str(Path(chosen).parent))
            # The name must end so, or Keras takes it for another format.
            file = Path(chosen)
            self.auditing.repair(file if file.suffix == ".keras" else file.with_name(f"{file.name}.keras"))

    def _open_repaired(self) -> None:
        repaired = self.auditing.repaired
        if repaired is not None:
            self.open_wanted.emit(repaired.path)


def _place_words(finding: Finding) -> str:
    if finding.sentence is None:
        return ""
    at = "" if finding.position is None else f", position {finding.position:,}"
    return f"sentence {finding.sentence:,}{at}"


def _file_stem(name: str) -> str:
    """A name that every system takes for a file."""
    kept = "".join(char if char.isalnum() or char in "-_." else "-" for char in name).strip("-.")
    return kept or "model"


def _write(file: Path, text: str) -> None:
    try:
        write_durably(file, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise MaskscopeError(f"the report can't be written: {error.strerror or error}", file=file) from error
