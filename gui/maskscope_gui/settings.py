"""What the program remembers from one start to the next."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QByteArray, QSettings, QStandardPaths

ThemeChoice = Literal["system", "light", "dark"]
_MOST_RECENT = 8


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        name: its key in the settings file.
        kind: "text", "number" or "layout", which is a geometry or a splitter state as Qt saves it.
        default: its value before it is set; None for a layout.
        help: what it is for.
    """

    name: str
    kind: Literal["text", "number", "layout"]
    default: str | int | None
    help: str


SETTINGS: tuple[Setting, ...] = (
    Setting("recent", "text", "", "the projects opened last, newest first, one path a line"),
    Setting("place", "text", "", "sentence and token last shown, one value for each project"),
    Setting("theme", "text", "system", '"system", "light" or "dark"'),
    Setting("page", "text", "sentence", "the page that was shown last"),
    Setting("batch", "text", "shown", 'the batch panel: "shown" or "folded"'),
    Setting("projects_folder", "text", "", "where a project was opened from last"),
    Setting("models_folder", "text", "", "where a model was opened from or saved to last"),
    Setting("reports_folder", "text", "", "where an audit report was saved to last"),
    Setting("pictures_folder", "text", "", "where a picture was saved to last"),
    Setting("reading_height_sentence", "number", 0, "height of the reading strip above the sentence page, in pixels"),
    Setting("reading_height_page", "number", 0, "height of the reading strip above any other page, in pixels"),
    Setting("audit_wide", "text", "", "column widths of the audit page in a wide window, in pixels, with commas"),
    Setting("audit_narrow", "text", "", "the same in a narrow window"),
    Setting("audit_tall", "text", "", "heights of the parts of the audit page in a very narrow window"),
    Setting("window", "layout", None, "geometry of the window"),
    Setting("columns", "layout", None, "widths of the three columns"),
    Setting("tracks", "layout", None, "heights of the tracks and the batch"),
)
_BY_NAME = {row.name: row for row in SETTINGS}


class Settings:
    """Reads and writes the rows of the table. Raises KeyError for a name that is no row, or a row of another kind."""

    def __init__(self) -> None:
        self._store = QSettings()

    def text(self, name: str) -> str:
        """A text, or its default."""
        return str(self._store.value(name, _row(name, "text").default))

    def set_text(self, name: str, value: str) -> None:
        """Remember a text."""
        self._store.setValue(_row(name, "text").name, value)

    def number(self, name: str) -> int:
        """A whole number, or its default."""
        default = _row(name, "number").default
        value = self._store.value(name, default)
        try:
            return int(str(value))
        except ValueError:
            return int(default or 0)

    def set_number(self, name: str, value: int) -> None:
        """Remember a whole number."""
        self._store.setValue(_row(name, "number").name, value)

    def layout(self, name: str) -> QByteArray | None:
        """A geometry or a splitter state; None before it is set."""
        value = self._store.value(_row(name, "layout").name)
        return value if isinstance(value, QByteArray) else None

    def set_layout(self, name: str, state: QByteArray) -> None:
        """Remember a geometry or a splitter state."""
        self._store.setValue(_row(name, "layout").name, state)

    def recent(self) -> list[Path]:
        """Projects opened lately that still exist, newest first."""
        paths = [Path(line) for line in self.text("recent").splitlines()]
        return [path for path in paths if (path / "project.sqlite").is_file()]

    def add_recent(self, path: Path) -> None:
        """Put a project first among the recent ones."""
        path = path.resolve()
        paths = [path, *(other for other in self.recent() if other != path)]
        self.set_text("recent", "\n".join(str(each) for each in paths[:_MOST_RECENT]))

    def place(self, project: Path) -> tuple[int, int] | None:
        """Sentence and token last shown in a project; None when it was never open here."""
        value = self._store.value(_place_key(project))
        try:
            sentence, position = (int(part) for part in str(value).split(","))
        except ValueError:
            return None
        return sentence, position

    def set_place(self, project: Path, sentence: int, position: int) -> None:
        """Remember the sentence and the token that are shown in a project."""
        self._store.setValue(_place_key(project), f"{sentence},{position}")

    @property
    def theme(self) -> ThemeChoice:
        """Light, dark, or as the system has it."""
        value = self.text("theme")
        return "light" if value == "light" else "dark" if value == "dark" else "system"

    def sync(self) -> None:
        """Write to the disk now."""
        self._store.sync()


def demo_folder() -> Path:
    """Where the demo project is written when the program opens it by itself."""
    base = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)
    return Path(base) / "night-trains.maskscope"


def _row(name: str, kind: str) -> Setting:
    row = _BY_NAME[name]
    if row.kind != kind:
        raise KeyError(f"the setting {name!r} is a {row.kind}, not a {kind}")
    return row


def _place_key(project: Path) -> str:
    # Slashes would make groups of the settings file.
    path = str(project.resolve()).replace("/", "|").replace("\\", "|")
    return f"{_row('place', 'text').name}/{path}"
