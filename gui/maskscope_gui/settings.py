"""What the window remembers from one start to the next."""

from pathlib import Path
from typing import Literal

from PySide6.QtCore import QByteArray, QSettings, QStandardPaths

ThemeChoice = Literal["system", "light", "dark"]
_RECENT = 8


class Settings:
    """The window's layout, theme, recent projects and the place last read in each."""

    def __init__(self) -> None:
        self._store = QSettings()

    def recent(self) -> list[Path]:
        """Projects opened lately that are still there, newest first."""
        value = self._store.value("recent", [])
        # Qt gives a list of one back as a string.
        names = [value] if isinstance(value, str) else [str(name) for name in value] if isinstance(value, list) else []
        return [Path(name) for name in names if (Path(name) / "project.sqlite").is_file()]

    def remember_project(self, path: Path) -> None:
        """Put a project first among the recent ones."""
        names = [str(path.resolve()), *(str(other) for other in self.recent() if other.resolve() != path.resolve())]
        self._store.setValue("recent", names[:_RECENT])

    def place(self, path: Path) -> tuple[int, int] | None:
        """Sentence and token last read in a project."""
        value = self._store.value(f"place/{_key(path)}")
        try:
            sentence, position = (int(part) for part in str(value).split(","))
        except ValueError:
            return None
        return sentence, position

    def remember_place(self, path: Path, sentence: int, position: int) -> None:
        """Where one was."""
        self._store.setValue(f"place/{_key(path)}", f"{sentence},{position}")

    @property
    def theme(self) -> ThemeChoice:
        """Light, dark, or as the system says."""
        value = self._store.value("theme", "system")
        return value if value in ("light", "dark") else "system"

    @theme.setter
    def theme(self, choice: ThemeChoice) -> None:
        self._store.setValue("theme", choice)

    def layout(self, name: str) -> QByteArray | None:
        """A remembered geometry or splitter state."""
        value = self._store.value(f"layout/{name}")
        return value if isinstance(value, QByteArray) else None

    def remember_layout(self, name: str, state: QByteArray) -> None:
        """Keep a geometry or splitter state."""
        self._store.setValue(f"layout/{name}", state)

    def text(self, name: str, default: str = "") -> str:
        """A remembered word."""
        return str(self._store.value(f"text/{name}", default))

    def remember_text(self, name: str, value: str) -> None:
        """Keep a word."""
        self._store.setValue(f"text/{name}", value)

    def sync(self) -> None:
        """Write now."""
        self._store.sync()


def demo_folder() -> Path:
    """Where the demo project is written when the program opens it by itself."""
    base = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)
    return Path(base) / "night-trains.maskscope"


def _key(path: Path) -> str:
    return str(path.resolve()).replace("/", "|").replace("\\", "|")
