"""The toolbar: project, model, training, audit verdict, search, export."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QMenu, QPushButton, QToolButton, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.session.model_text import engine_text
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import plain_tip

_MODEL_HELP = "The model whose probabilities are shown"


class Toolbar(QWidget):
    """Shows the project and the model; its buttons trigger actions of the table."""

    def __init__(
        self, session: Session, actions: dict[str, QAction], style: Style, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("toolbar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.name = QLabel()
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.name.setObjectName("name")
        self.size_label = QLabel()
        self.size_label.setObjectName("second")
        self.model = QToolButton()
        self.model.setObjectName("button")
        self.model.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.model.setToolTip(_MODEL_HELP)
        self.model.setAccessibleName("Model")
        self.model.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.models = QMenu(self.model)
        self.model.setMenu(self.models)
        self.models.aboutToShow.connect(self._fill_models)
        self.train = self._button("Train…", actions["train"], "train")
        self.verdict = self._button("Audit the padding", actions["audit"], "audit")
        self.search = QLineEdit()
        self.search.setPlaceholderText(f"Find tokens, labels   {key_of_action('find')}")
        self.search.setAccessibleName("Find tokens, labels")
        self.search.setClearButtonEnabled(True)
        self.search.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.export = self._button("Export…", actions["export"], "export")
        row = QHBoxLayout(self)
        row.setContentsMargins(style.px(12), 0, style.px(12), 0)
        row.setSpacing(style.px(8))
        for widget in (self.name, self.size_label):
            row.addWidget(widget)
        row.addSpacing(style.px(12))
        for button in (self.model, self.train, self.verdict):
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.search)
        row.addWidget(self.export)
        session.project_changed.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        self.set_look(style)
        self.refresh()

    def _button(self, text: str, action: QAction, action_id: str) -> QPushButton:
        key = key_of_action(action_id)
        button = QPushButton(f"{text}   {key}")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setToolTip(f"{action.toolTip()} ({key})" if key else action.toolTip())
        button.clicked.connect(action.trigger)
        return button

    def set_look(self, style: Style) -> None:
        """Take the sizes of another theme or text size."""
        self.setFixedHeight(style.px(48))
        self.search.setFixedWidth(style.px(230))

    def set_verdict(self, text: str, kind: str) -> None:
        """Show the audit's verdict; `kind` is "holds", "fails" or "" for none yet."""
        self.verdict.setText(text)
        self.verdict.setObjectName(f"verdict_{kind}" if kind else "")
        self.verdict.style().unpolish(self.verdict)
        self.verdict.style().polish(self.verdict)

    def refresh(self) -> None:
        """Show project and model."""
        project = self.session.project
        for widget in (self.model, self.train, self.verdict, self.search, self.export):
            widget.setVisible(project is not None)
        if project is None:
            self.name.setText("Maskscope")
            self.size_label.setText("")
            return
        self.name.setText(project.name if len(project.name) <= 32 else project.name[:31] + "…")
        sentences = "sentence" if project.n_sentences == 1 else "sentences"
        text = f"{project.n_sentences:,} {sentences} · {project.dim}-d"
        self.size_label.setText(text + (" · read-only" if project.read_only else ""))
        model = self.session.model
        if model is None:
            self.model.setText("no model yet" if not self.session.n_models else "no model shown  ▾")
            self.model.setEnabled(bool(self.session.n_models))
            self.model.setToolTip(_MODEL_HELP)
        else:
            f1 = f" · {model.run.headline}" if model.run.headline else ""
            self.model.setText(f"{model.name}{f1}  ▾")
            from_file = f", opened from {model.run.source}" if model.run.source else ""
            self.model.setToolTip(plain_tip(f"{_MODEL_HELP}: {model.id}{from_file}; {engine_text(model.run)}."))
            self.model.setEnabled(True)

    def _fill_models(self) -> None:
        self.models.clear()
        if self.session.project is None:
            return
        for model in reversed(self.session.project.models.all()):
            f1 = f" · {model.run.headline}" if model.run.headline else ""
            engine = " · in Keras" if model.run.engine == "keras" else ""
            action = self.models.addAction(f"{model.id} · {model.name}{f1}{engine}")
            action.setCheckable(True)
            action.setChecked(self.session.model is not None and model.id == self.session.model.id)
            action.triggered.connect(lambda _=False, key=model.id: self.session.use_model(key))
