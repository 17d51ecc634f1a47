"""What the program remembers: only what the table names."""

from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray
from pytestqt.qtbot import QtBot

from maskscope_gui.settings import SETTINGS, Settings


def test_every_setting_has_its_default_and_keeps_what_is_set(qtbot: QtBot) -> None:
    for row in SETTINGS:
        settings = Settings()
        if row.kind == "text":
            assert settings.text(row.name) == row.default
            settings.set_text(row.name, "one, two")
            assert Settings().text(row.name) == "one, two"
        elif row.kind == "number":
            assert settings.number(row.name) == row.default
            settings.set_number(row.name, 190)
            assert Settings().number(row.name) == 190
        else:
            assert settings.layout(row.name) is None
            settings.set_layout(row.name, QByteArray(b"state"))
            assert Settings().layout(row.name) == QByteArray(b"state")


def test_a_name_that_is_no_row_of_the_table_is_refused(qtbot: QtBot) -> None:
    settings = Settings()
    with pytest.raises(KeyError, match="nonsense"):
        settings.text("nonsense")
    with pytest.raises(KeyError, match="nonsense"):
        settings.set_number("nonsense", 1)
    with pytest.raises(KeyError, match="is a text, not a layout"):
        settings.layout("theme")


def test_recent_projects_are_the_newest_first_and_only_those_that_exist(qtbot: QtBot, tmp_path: Path) -> None:
    folders = [tmp_path / f"{number}, x.maskscope" for number in range(3)]
    for folder in folders:
        folder.mkdir()
        (folder / "project.sqlite").write_bytes(b"")
        Settings().add_recent(folder)
    Settings().add_recent(folders[0])
    assert Settings().recent() == [folders[0], folders[2], folders[1]]
    (folders[2] / "project.sqlite").unlink()
    assert Settings().recent() == [folders[0], folders[1]]


def test_each_project_has_a_place_of_its_own(qtbot: QtBot, tmp_path: Path) -> None:
    Settings().set_place(tmp_path / "a", 12, 3)
    assert Settings().place(tmp_path / "a") == (12, 3)
    assert Settings().place(tmp_path / "b") is None
