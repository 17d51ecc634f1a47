"""The dialogs of opening a model: what they say, what can be chosen by the keyboard, and what opens."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.workflows.model_description import ModelDescription, OpenOptions
from maskscope_gui.actions import key_text
from maskscope_gui.dialogs.open_model_dialog import OpenModelDialog
from maskscope_gui.dialogs.refused_model_dialog import RefusedModelDialog
from maskscope_gui.theme.theme import Style

ONE_MORE = ModelDescription(
    "tagger.keras",
    layers="Masking, Bidirectional(LSTM), TimeDistributed(Dense)",
    mask="rows of -1 are masked",
    n_positions=12,
    engine="keras",
    engine_reason="holds layer 'conv1d' (Conv1D)",
    n_outputs=6,
    output="probabilities",
    output_reason="its last layer ends in softmax",
    names=tuple("012345"),
    columns=(1, 2, 3, 4, 5),
    columns_reason="output 0 is taken for padding",
    padding="-1, the mask value",
    notes=("it is rebuilt for any length",),
)
LINEAR = ModelDescription(
    "linear.keras", n_outputs=5, output=None, output_reason="its last layer is linear", names=tuple("01234")
)

Opened = Callable[[ModelDescription], OpenModelDialog]


@pytest.fixture
def opened(qtbot: QtBot, style: Style, typed_demo: Path) -> Iterator[Opened]:
    """Shows the dialog on the demo with the classes none, person, place, organisation and work."""
    with Project.open(typed_demo, read_only=True) as project:

        def show(described: ModelDescription) -> OpenModelDialog:
            dialog = OpenModelDialog(None, style, project, described)
            qtbot.addWidget(dialog)
            with qtbot.waitActive(dialog):
                dialog.show()
            return dialog

        yield show


def choose(qtbot: QtBot, chooser: QComboBox, text: str) -> None:
    chooser.setFocus()
    qtbot.keyClicks(chooser, text)


def test_it_says_what_the_model_is_and_ctrl_enter_opens_as_suggested(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(ONE_MORE)
    assert dialog.facts.texts == {
        "Layers": "Masking, Bidirectional(LSTM), TimeDistributed(Dense)",
        "Mask": "Rows of -1 are masked.",
        "Length": "Sentences are padded to exactly 12 positions.",
        "Padding": "-1, the mask value.",
        "Engine": "It runs in Keras, because it holds layer 'conv1d' (Conv1D).",
        "Notes": "It is rebuilt for any length.",
    }
    assert dialog.kind_field.note.text() == "Its last layer ends in softmax. They are taken as they are."
    assert [chooser.currentText() for chooser in dialog.mapping.choosers] == list("12345")
    assert dialog.mapping.note.text() == "Not used: output 0."
    assert dialog.open_button.text() == f"Open and score 200 sentences   {key_text('Ctrl+Return')}"
    with qtbot.waitSignal(dialog.accepted):
        qtbot.keyClick(QApplication.focusWidget() or dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert dialog.options == OpenOptions("probabilities", (1, 2, 3, 4, 5), None)


KEYS_OF_LABELLING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_1, Qt.Key.Key_V, Qt.Key.Key_Down)


@pytest.mark.parametrize("described", [ONE_MORE, LINEAR, replace(LINEAR, output="values", columns=())])
def test_the_keys_of_labelling_change_nothing_when_it_comes_up(
    qtbot: QtBot, opened: Opened, described: ModelDescription
) -> None:
    dialog = opened(described)
    before = dialog.options
    for key in KEYS_OF_LABELLING:
        qtbot.keyClick(QApplication.focusWidget() or dialog, key)
    assert dialog.isVisible()
    assert dialog.options == before
    qtbot.keyClick(QApplication.focusWidget() or dialog, Qt.Key.Key_Tab)
    assert dialog.kind.hasFocus()
    # In a chooser, Enter still opens nothing; on the button it does.
    qtbot.keyClick(dialog.kind, Qt.Key.Key_Return)
    assert dialog.isVisible()


def test_enter_on_the_button_opens_and_ctrl_enter_waits_for_the_choices(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(LINEAR)
    qtbot.keyClick(dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert dialog.isVisible()
    choose(qtbot, dialog.kind, "values")
    dialog.open_button.setFocus()
    with qtbot.waitSignal(dialog.accepted):
        qtbot.keyClick(dialog.open_button, Qt.Key.Key_Return)


def test_nothing_opens_until_kind_and_classes_are_chosen(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(LINEAR)
    assert dialog.kind_field.note.text() == "Its last layer is linear."
    assert not dialog.open_button.isEnabled()
    choose(qtbot, dialog.kind, "logits")
    assert dialog.kind_field.note.text() == "Chosen by you. They are made probabilities by softmax."
    assert dialog.mapping.note.text() == "Choose an output for none and 4 more."
    for place, chooser in enumerate(dialog.mapping.choosers):
        assert not dialog.open_button.isEnabled()
        choose(qtbot, chooser, str(max(place, 1)))
    assert dialog.mapping.note.text() == "Output 1 stands for none and person; choose one."
    assert not dialog.open_button.isEnabled()
    qtbot.keyClick(dialog.mapping.choosers[0], Qt.Key.Key_End)
    assert dialog.mapping.choosers[0].currentText() == "none: its probability is 0"
    assert dialog.open_button.isEnabled()
    assert dialog.options == OpenOptions("logits", (-1, 1, 2, 3, 4), None)


def test_one_choice_and_a_key_match_the_other_classes_in_order(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(replace(LINEAR, n_outputs=6, names=tuple("012345")))
    choose(qtbot, dialog.kind, "logits")
    choose(qtbot, dialog.mapping.choosers[0], "1")
    qtbot.keyClick(dialog, Qt.Key.Key_F, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: dialog.options.columns == (1, 2, 3, 4, 5))
    assert dialog.open_button.isEnabled()
    assert not dialog.fill_button.isVisible()


def test_filling_in_order_stops_at_the_last_output_and_keeps_what_is_chosen(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(LINEAR)
    choose(qtbot, dialog.kind, "logits")
    qtbot.keyClick(dialog.mapping.choosers[1], Qt.Key.Key_End)
    choose(qtbot, dialog.mapping.choosers[2], "3")
    dialog.fill_button.click()
    assert dialog.options.columns == (0, -1, 3, 4, -2)
    assert not dialog.open_button.isEnabled()


def test_values_have_no_classes_to_choose(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(LINEAR)
    choose(qtbot, dialog.kind, "values")
    assert not dialog.mapping.isVisible()
    assert not dialog.names_button.isVisible()
    assert "no label predictions" in dialog.kind_field.note.text()
    assert dialog.open_button.isEnabled()
    assert dialog.options == OpenOptions("values", None, None)


def test_values_that_are_suggested_can_be_called_logits(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(
        replace(LINEAR, output="values", output_reason="it was trained with a mean squared error", columns=())
    )
    assert dialog.open_button.isEnabled()
    assert dialog.options == OpenOptions("values", None, None)
    choose(qtbot, dialog.kind, "logits")
    assert dialog.mapping.isVisible()
    assert dialog.mapping.note.text() == "Choose an output for none and 4 more."


def test_tab_goes_through_the_choices_in_order_and_esc_cancels(qtbot: QtBot, opened: Opened) -> None:
    dialog = opened(ONE_MORE)
    dialog.kind.setFocus()
    stops = []
    for _ in range(9):
        stops.append(QApplication.focusWidget())
        qtbot.keyClick(stops[-1], Qt.Key.Key_Tab)
    assert stops[:7] == [dialog.kind, *dialog.mapping.choosers, dialog.names_button]
    assert stops[8] is dialog.open_button
    with qtbot.waitSignal(dialog.rejected):
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)


def test_names_from_a_file_find_their_classes(opened: Opened, tmp_path: Path) -> None:
    dialog = opened(ONE_MORE)
    file = tmp_path / "names.txt"
    file.write_text("PAD\nwork\nplace\nperson\nnone\norganisation\n", encoding="utf-8")
    dialog.read_names(file)
    assert dialog.options.columns == (4, 3, 2, 5, 1)
    assert dialog.options.names == ("PAD", "work", "place", "person", "none", "organisation")
    assert dialog.mapping.choosers[1].currentText() == "3 · person"
    assert dialog.mapping.note.text() == "Not used: 0 · PAD."
    file.write_text("PAD\nwork\nLOC\nperson\nnone\norganisation\n", encoding="utf-8")
    dialog.read_names(file)
    assert dialog.mapping_reason.text() == "names.txt has no output named place."
    assert dialog.mapping.note.text() == "Choose an output for place."
    assert not dialog.open_button.isEnabled()
    file.write_text("one\ntwo\n", encoding="utf-8")
    dialog.read_names(file)
    assert dialog.error.text() == "names.txt: expected 6 names; received 2."
    file.write_text('{"id2label": {"5": "organisation", "2": "place", "1": "work", "3": "person", "4": "none"}}')
    dialog.read_names(file)
    assert dialog.options.columns == (4, 3, 2, 5, 1)
    assert dialog.mapping.note.text() == "Not used: output 0."
    file.write_text("{}")
    dialog.read_names(file)
    assert dialog.error.text().startswith("names.txt: holds no names of outputs; expected a name on each line, a JSON")


def test_a_refused_model_offers_its_ways_out(qtbot: QtBot, style: Style) -> None:
    described = ModelDescription(
        "crf.keras", layers="LSTM, CRF", refusal="crf.keras: holds a CRF", way_out=("audit", "cut")
    )
    dialog = RefusedModelDialog(None, style, described)
    qtbot.addWidget(dialog)
    with qtbot.waitActive(dialog):
        dialog.show()
    assert dialog.refusal.text() == "Holds a CRF."
    assert list(dialog.buttons) == ["audit", "cut"]
    for key in KEYS_OF_LABELLING:
        qtbot.keyClick(QApplication.focusWidget() or dialog, key)
    assert dialog.isVisible()
    with qtbot.waitSignal(dialog.accepted):
        qtbot.keyClick(dialog, Qt.Key.Key_A, Qt.KeyboardModifier.AltModifier)
    assert dialog.way == "audit"
