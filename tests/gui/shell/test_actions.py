"""The table of actions, the table of pages and what is connected to them."""

from collections import Counter
from importlib import import_module

import pytest
from PySide6.QtGui import QAction
from pytestqt.qtbot import QtBot

from maskscope_gui.actions import ACTIONS, LABEL_KEYS, MENUS, Action, key_text
from maskscope_gui.app import Program
from maskscope_gui.page_table import PAGES, SENTENCE_PAGE
from maskscope_gui.shell.handlers import connect_actions


def test_every_action_has_exactly_one_handler_and_every_handler_an_action(qtbot: QtBot) -> None:
    actions = {name: QAction(name) for name in ("undo", "redo")}
    called: list[str] = []
    connect_actions(actions, [{"undo": lambda: called.append("undo")}, {"redo": lambda: called.append("redo")}])
    actions["redo"].trigger()
    assert called == ["redo"]
    with pytest.raises(ValueError, match=r"without a handler: \['redo'\]; handlers without an action: \[\]"):
        connect_actions(actions, [{"undo": called.clear}])
    with pytest.raises(ValueError, match=r"without a handler: \[\]; handlers without an action: \['unknown'\]"):
        connect_actions(actions, [{"undo": called.clear, "redo": called.clear, "unknown": called.clear}])
    with pytest.raises(ValueError, match="more than one handler: undo"):
        connect_actions(actions, [{"undo": called.clear}, {"undo": called.clear, "redo": called.clear}])


def test_a_row_without_a_handler_stops_the_program(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    more = (*ACTIONS, Action("sing", "Sing", (), "Help", 1))
    monkeypatch.setattr("maskscope_gui.actions.ACTIONS", more)
    with pytest.raises(ValueError, match=r"without a handler: \['sing'\]"):
        Program()


def test_the_program_connects_every_row_of_the_table(qtbot: QtBot) -> None:
    program = Program()
    try:
        assert program.window.actions_by_id.keys() == {row.id for row in ACTIONS}
    finally:
        program.close()
        program.window.deleteLater()


def test_no_key_does_two_things() -> None:
    keys = Counter(key_text(key) for row in ACTIONS for key in row.keys if key != "Enter")
    assert [key for key, count in keys.items() if count > 1 and key != "Shift+Tab"] == []
    assert set(LABEL_KEYS.upper()) & set(keys) == set()
    assert len({row.id for row in ACTIONS}) == len(ACTIONS)
    assert {row.menu for row in ACTIONS} == set(MENUS)


def test_every_page_has_a_factory_and_an_action() -> None:
    assert [row.name for row in PAGES if not row.factory] == [SENTENCE_PAGE]
    actions = {row.id: row for row in ACTIONS}
    for page in PAGES:
        assert actions[page.action_id].text == page.title
        if page.factory:
            module, _, function = page.factory.partition(":")
            assert callable(getattr(import_module(module), function))


def test_a_key_held_down_accepts_one_sentence_only() -> None:
    actions = {row.id: row for row in ACTIONS}
    for action_id in ("accept", "use_predictions", "flag", "toggle", "fill", "mask_source"):
        assert not actions[action_id].repeats, action_id
    assert actions["right"].repeats
