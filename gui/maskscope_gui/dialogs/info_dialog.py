"""About this project, and about the program."""

from collections.abc import Sequence
from importlib import metadata

from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

import maskscope
from maskscope.project import Project
from maskscope_gui.dialogs.form import Dialog
from maskscope_gui.session.model_text import inferred_text, padding_text
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role, WrappedLabel

LICENCES = (
    ("PySide6-Essentials", "Qt for Python", "LGPL-3.0"),
    ("pyqtgraph", "pyqtgraph", "MIT"),
    ("numpy", "NumPy", "BSD-3-Clause"),
    ("h5py", "h5py", "BSD-3-Clause"),
    ("keras", "Keras", "Apache-2.0"),
    ("tensorflow", "TensorFlow", "Apache-2.0"),
    ("jinja2", "Jinja", "BSD-3-Clause"),
    ("markupsafe", "MarkupSafe", "BSD-3-Clause"),
    ("msgspec", "msgspec", "BSD-3-Clause"),
    ("psutil", "psutil", "BSD-3-Clause"),
)
"""Every dependency: package, name, licence."""
_MOST_LABELS = 40


class _Facts(Dialog):
    """A heading and a table of names and values, which scrolls when it is long."""

    def __init__(
        self,
        parent: QWidget | None,
        style: Style,
        title: str,
        heading: str,
        facts: Sequence[tuple[str, str, Role]],
        size: tuple[int, int],
    ) -> None:
        super().__init__(parent, style, title, size)
        px = style.px
        self.column.addWidget(WrappedLabel(style, heading, "text", size=17, bold=True))
        page = QWidget()
        page.setObjectName("window")
        grid = QGridLayout(page)
        grid.setContentsMargins(0, 0, px(8), 0)
        grid.setHorizontalSpacing(px(16))
        grid.setVerticalSpacing(px(6))
        grid.setColumnStretch(1, 1)
        self.values: dict[str, str] = {}
        for row, (name, value, role) in enumerate(facts):
            label = QLabel(name)
            label.setObjectName("second")
            top = QVBoxLayout()
            top.addWidget(label)
            top.addStretch(1)
            grid.addLayout(top, row, 0)
            value_label = WrappedLabel(style, value, role)
            # Without a minimum, the page is as high as the text at its least width, and scrolls needlessly.
            value_label.setMinimumWidth(px(size[0] - 170))
            grid.addWidget(value_label, row, 1)
            self.values[name] = value
        grid.setRowStretch(len(facts), 1)
        scroll = QScrollArea()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.column.addWidget(scroll, 1)
        close = self.button("Close", primary=True)
        close.clicked.connect(self.reject)
        self.column.addLayout(self.button_row(close))
        close.setFocus()


class ProjectInfoDialog(_Facts):
    """About this project: its size, labels, models and import notes."""

    def __init__(self, parent: QWidget | None, style: Style, project: Project) -> None:
        super().__init__(parent, style, "About this project", project.name, _project_facts(project), (560, 440))


class AboutDialog(_Facts):
    """About Maskscope: its version, and the licences of its libraries."""

    def __init__(self, parent: QWidget | None, style: Style) -> None:
        facts: list[tuple[str, str, Role]] = [
            ("Maskscope", f"{maskscope.__version__} · MIT licence, the Maskscope developers", "text")
        ]
        for package, name, licence in LICENCES:
            facts.append((name, f"{_version(package)} · {licence}", "text"))
        heading = "Tag sequences with a masked BiLSTM, and see that padding is ignored"
        super().__init__(parent, style, "About Maskscope", heading, facts, (520, 420))


def _project_facts(project: Project) -> list[tuple[str, str, Role]]:
    counts = project.counts()
    lengths = project.offsets[1:] - project.offsets[:-1]
    collisions = project.collisions()
    inferred = project.lengths_from == "inferred"
    padding = "" if project.padding is None else padding_text(project.padding)
    lengths_from = inferred_text(project.padding) if inferred else "from the source"
    classes = project.scheme.classes
    names = [f"{name} {count:,}" for name, count in zip(classes, counts.labels, strict=True)]
    labels = ", ".join(names[:_MOST_LABELS]) + (
        f" and {len(names) - _MOST_LABELS} more" if len(names) > _MOST_LABELS else ""
    )
    head = "one sigmoid output" if project.scheme.kind == "binary" else f"softmax over {len(classes)} classes"
    if counts.unlabelled:
        labels += f"; {counts.unlabelled:,} tokens without a label"
    where = ", ".join(f"{sentence}:{position}" for sentence, position in collisions[:12].tolist())
    found = f"{len(collisions):,} (sentence:position {where}{', …' if len(collisions) > 12 else ''})"
    facts: list[tuple[str, str, Role]] = [
        ("folder", str(project.path.absolute()), "text"),
        ("source", project.source or "not known", "text"),
        ("sentences", f"{project.n_sentences:,}", "text"),
        ("tokens", f"{project.n_tokens:,}", "text"),
        ("longest", f"{int(lengths.max()) if len(lengths) else 0:,} tokens", "text"),
        ("embeddings", f"{project.dim:,} numbers per token, {project.dtype.name}", "text"),
        ("labels", labels, "text"),
        ("head", head, "text"),
        ("lengths", lengths_from, "collision" if inferred else "text"),
        ("padding", padding or "not known", "text"),
        ("collisions", found if len(collisions) else "none", "collision" if len(collisions) else "text"),
        ("reviewed", f"{counts.accepted:,} accepted, {counts.flagged:,} flagged", "text"),
        ("models", ", ".join(f"{model.id} {model.name}" for model in project.models.all()) or "none yet", "text"),
    ]
    if project.read_only:
        facts.append(("open", "read-only: another program has it open, or the disk is write-protected", "collision"))
    if project.notes:
        facts.append(("import notes", "\n".join(project.notes), "text"))
    return facts


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
