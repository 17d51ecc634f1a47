"""The import dialog: the preview of files, the import, and its report."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QDialog, QFileDialog
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.readers import ImportFormat, Preview, formats, registry
from maskscope.readers.npy import FORMAT as NPY
from maskscope.readers.padded_companions import LABELS
from maskscope_gui.dialogs.import_dialog import ImportDialog
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import DARK

TEXT = "Maya\tname\nsings\tO\n\nin\tO\nBadajoz\tname\n.\tO\n\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A text of two sentences, and embeddings in three layers; the last token of the second is all zeros."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "small.conll").write_text(TEXT, encoding="utf-8", newline="\n")
    with h5py.File(folder / "embeddings.hdf5", "w") as file:
        for sentence, length in enumerate((2, 3)):
            rows = np.full((3, length, 4), np.arange(1, 4)[:, None, None], dtype=np.float32)
            if sentence == 1:
                rows[:, 2] = 0
            file[str(sentence)] = rows
    return folder / "small.conll"


@pytest.fixture
def padded(tmp_path: Path) -> Path:
    """X.npy (3, 5, 4), y.npy and lengths.npy in one folder."""
    x = np.zeros((3, 5, 4), dtype=np.float32)
    for sentence, length in enumerate((5, 2, 3)):
        x[sentence, :length] = 1 + sentence
    np.save(tmp_path / "X.npy", x)
    np.save(tmp_path / "y.npy", (x[:, :, :1] > 1).astype(np.int64))
    np.save(tmp_path / "lengths.npy", np.array([5, 2, 3]))
    return tmp_path / "X.npy"


def opened(qtbot: QtBot, style: Style, source: Path | None = None) -> ImportDialog:
    dialog = ImportDialog(None, style, source)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    qtbot.waitUntil(lambda: not dialog.form.previewing, timeout=5000)
    return dialog


def press(qtbot: QtBot, dialog: ImportDialog, key: Qt.Key) -> None:
    qtbot.keyClick(dialog, key)


def until_imported(qtbot: QtBot, dialog: ImportDialog) -> None:
    qtbot.waitUntil(lambda: not dialog.importing, timeout=10_000)
    qtbot.wait(10)


def partial_files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".partial" in path.name or path.suffix == ".maskscope"]


def test_a_text_is_previewed_with_its_embeddings(qtbot: QtBot, style: Style, corpus: Path) -> None:
    dialog = opened(qtbot, style, corpus)
    assert "2 columns" in dialog.form.source.field.note.text()
    assert dialog.form.companions["embeddings"].edit.text() == str(corpus.parent / "embeddings.hdf5")
    assert dialog.form.companions["embeddings"].field.note.text() == "HDF5, 2 sentences × 3 layers of 4, float32"
    assert dialog.form.layers_field.shown
    assert dialog.form.layers.isEnabled()
    assert [dialog.form.layers.itemData(place) for place in range(dialog.form.layers.count())] == [
        "mean",
        "concat",
        0,
        1,
        2,
    ]
    assert not dialog.form.companions["labels"].field.shown
    assert not dialog.form.companions["lengths"].field.shown
    assert (dialog.form.name.text(), dialog.form.folder.edit.text()) == ("small", str(corpus.parent))


def test_enter_imports_with_the_chosen_layers_and_enter_opens(qtbot: QtBot, style: Style, corpus: Path) -> None:
    dialog = opened(qtbot, style, corpus)
    dialog.form.layers.setFocus()
    qtbot.keyClick(dialog.form.layers, Qt.Key.Key_Down)
    assert dialog.form.layers.currentData() == "concat"
    dialog.form.name.setFocus()
    qtbot.keyClick(dialog.form.name, Qt.Key.Key_Return)
    until_imported(qtbot, dialog)
    assert dialog.report_page.isVisible()
    assert dialog.report.summary.text() == "2 sentences, 5 tokens, 12 numbers each (float32)"
    assert dialog.result_path == corpus.parent / "small.maskscope"
    cells = [dialog.report.table.item(0, column) for column in range(3)]
    assert [cell.text() for cell in cells if cell is not None] == ["1", "2", "."]
    assert "1 real token has an embedding of zeros" in dialog.report.collisions.text()
    press(qtbot, dialog, Qt.Key.Key_Return)
    assert dialog.result() == QDialog.DialogCode.Accepted.value
    assert not dialog.isVisible()
    with Project.open(dialog.result_path) as project:
        assert project.dim == 12
        assert project.embeddings[0].tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
        assert project.scheme.classes == ("O", "name")


def test_import_waits_for_the_preview_of_the_files(qtbot: QtBot, style: Style, padded: Path) -> None:
    dialog = ImportDialog(None, style, padded)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.form.previewing
    qtbot.mouseClick(dialog.import_button, Qt.MouseButton.LeftButton)
    until_imported(qtbot, dialog)
    assert dialog.report_page.isVisible()
    assert "Lengths are from the source" in dialog.report.details.text()
    assert dialog.result_path is not None
    with Project.open(dialog.result_path) as project:
        assert project.labels("gold").tolist() == [0] * 5 + [1] * 5
    qtbot.mouseClick(dialog.close_button, Qt.MouseButton.LeftButton)


def test_padding_at_the_front_is_reported(qtbot: QtBot, style: Style, padded: Path) -> None:
    x = np.load(padded)
    x[1, 3:] = x[1, :2]
    x[1, :2] = 0
    np.save(padded, x)
    dialog = opened(qtbot, style, padded)
    qtbot.mouseClick(dialog.import_button, Qt.MouseButton.LeftButton)
    until_imported(qtbot, dialog)
    assert "in front of the tokens" in dialog.report.data.text()
    assert dialog.report.data.text().endswith("(sentence 1, position 3).")
    assert dialog.report.data.role == "fails"
    # The same is not shown twice.
    assert "in front of" not in dialog.report.notes.text()
    qtbot.mouseClick(dialog.close_button, Qt.MouseButton.LeftButton)


def test_a_padded_array_takes_labels_and_lengths_from_its_folder(qtbot: QtBot, style: Style, padded: Path) -> None:
    dialog = opened(qtbot, style, padded)
    assert dialog.form.source.field.note.text() == "Padded array, 3 sentences × 5 positions × 4, float32"
    assert dialog.form.companions["labels"].edit.text() == str(padded.with_name("y.npy"))
    assert dialog.form.companions["lengths"].edit.text() == str(padded.with_name("lengths.npy"))
    assert not dialog.form.companions["embeddings"].field.shown
    qtbot.mouseClick(dialog.import_button, Qt.MouseButton.LeftButton)
    until_imported(qtbot, dialog)
    assert "Lengths are from the source" in dialog.report.details.text()
    assert "nothing but 0 after each sentence's end" in dialog.report.data.text()
    assert dialog.report.data.role == "holds"
    assert not dialog.report.table.isVisible()
    qtbot.mouseClick(dialog.close_button, Qt.MouseButton.LeftButton)
    assert dialog.result() == QDialog.DialogCode.Rejected.value
    assert dialog.result_path is not None
    with Project.open(dialog.result_path) as project:
        assert project.offsets.tolist() == [0, 5, 7, 10]
        assert project.labels("gold").tolist() == [0] * 5 + [1] * 5


def test_labels_of_another_shape_are_refused_next_to_their_field(qtbot: QtBot, style: Style, padded: Path) -> None:
    np.save(padded.with_name("y.npy"), np.zeros((3, 4), dtype=np.int64))
    dialog = opened(qtbot, style, padded)
    assert "expected shape (3, 5)" in dialog.form.companions["labels"].field.error
    assert "received (3, 4) int64" in dialog.form.companions["labels"].field.error
    assert not dialog.form.source.field.error
    # Importing all the same is refused in the same place, and leaves nothing.
    qtbot.mouseClick(dialog.import_button, Qt.MouseButton.LeftButton)
    until_imported(qtbot, dialog)
    assert dialog.form_page.isVisible()
    assert "received (3, 4) int64" in dialog.form.companions["labels"].field.error
    assert partial_files(padded.parent) == []
    # Emptied, the field is no obstacle.
    dialog.form.companions["labels"].edit.selectAll()
    qtbot.keyClick(dialog.form.companions["labels"].edit, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: not dialog.form.previewing, timeout=5000)
    assert dialog.form.companions["labels"].field.error == ""


def test_values_that_are_no_numbers_are_refused_next_to_the_file(qtbot: QtBot, style: Style, padded: Path) -> None:
    x = np.load(padded)
    x[1, 1, 2] = np.nan
    np.save(padded, x)
    dialog = opened(qtbot, style, padded)
    qtbot.mouseClick(dialog.import_button, Qt.MouseButton.LeftButton)
    until_imported(qtbot, dialog)
    assert dialog.form.source.field.error.startswith("sentence 1 of X.npy")
    assert "\n" not in dialog.form.source.field.error
    assert partial_files(padded.parent) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing.npy", None, "there is no such file"),
        ("broken.npy", b"\x93NUMPY\x01\x00", "broken or truncated"),
        ("model.bin", b"\x00\x01\x02", "format is not known"),
        ("empty.conll", b"", "holds no sentence"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    qtbot: QtBot, style: Style, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    dialog = opened(qtbot, style, tmp_path / name)
    assert words in dialog.form.source.field.error
    assert "\n" not in dialog.form.source.field.error


def test_embeddings_as_the_source_are_refused(qtbot: QtBot, style: Style, corpus: Path) -> None:
    dialog = opened(qtbot, style, corpus.with_name("embeddings.hdf5"))
    assert "the CoNLL file as the source, and this file as embeddings" in dialog.form.source.field.error


def test_a_text_needs_embeddings(qtbot: QtBot, style: Style, tmp_path: Path) -> None:
    (tmp_path / "alone.conll").write_text(TEXT, encoding="utf-8", newline="\n")
    dialog = opened(qtbot, style, tmp_path / "alone.conll")
    press(qtbot, dialog, Qt.Key.Key_Return)
    assert "needs its embeddings" in dialog.form.companions["embeddings"].field.error
    assert dialog.form.companions["embeddings"].edit.hasFocus()
    assert not dialog.importing


def test_a_name_that_is_taken_or_impossible_is_refused_next_to_it(qtbot: QtBot, style: Style, padded: Path) -> None:
    taken = padded.with_name("mine.maskscope")
    taken.mkdir()
    (taken / "something").touch()
    dialog = opened(qtbot, style, padded)
    for name, words in (("mine", "there already"), ("a/b", "can't hold"), ("", "needs a name")):
        dialog.form.name.selectAll()
        qtbot.keyClick(dialog.form.name, Qt.Key.Key_Delete)
        qtbot.keyClicks(dialog.form.name, name)
        qtbot.keyClick(dialog.form.name, Qt.Key.Key_Return)
        assert words in dialog.form.name_field.error
        assert not dialog.importing
    dialog.form.name.setText("mine2")
    dialog.form.folder.edit.setText(str(padded))
    qtbot.keyClick(dialog.form.folder.edit, Qt.Key.Key_Return)
    assert "a file, not a folder" in dialog.form.folder.field.error


def test_escape_cancels_the_import_and_nothing_stays_behind(qtbot: QtBot, style: Style, tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", np.ones((5000, 6, 4), dtype=np.float16))
    dialog = opened(qtbot, style, tmp_path / "big.npy")
    press(qtbot, dialog, Qt.Key.Key_Return)
    assert dialog.importing
    assert dialog.progress_page.isVisible()
    press(qtbot, dialog, Qt.Key.Key_Escape)
    until_imported(qtbot, dialog)
    assert dialog.isVisible()
    assert dialog.form.message.text() == "Cancelled; nothing was left behind."
    assert partial_files(tmp_path) == []
    assert dialog.result_path is None
    # And again, this time to the end: progress and rate are shown.
    press(qtbot, dialog, Qt.Key.Key_Return)
    until_imported(qtbot, dialog)
    assert dialog.result_path is not None
    assert dialog.progress.bar.value() == dialog.progress.bar.maximum()


def test_closing_the_dialog_during_a_preview_leaves_no_thread(qtbot: QtBot, style: Style, padded: Path) -> None:
    dialog = ImportDialog(None, style, padded)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert not dialog.form.previewing


def test_dropped_files_find_their_fields(qtbot: QtBot, style: Style, corpus: Path) -> None:
    dialog = opened(qtbot, style)
    other = corpus.with_name("vectors.h5")
    corpus.with_name("embeddings.hdf5").rename(other)
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(other)), QUrl.fromLocalFile(str(corpus))])
    event = QDropEvent(
        QPointF(10, 10),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    dialog.dropEvent(event)
    qtbot.waitUntil(lambda: not dialog.form.previewing, timeout=5000)
    assert Path(dialog.form.source.edit.text()) == corpus
    assert Path(dialog.form.companions["embeddings"].edit.text()) == other
    assert dialog.form.source_preview is not None
    assert dialog.form.source_preview.preview.n_layers == 3


def test_a_typed_path_is_previewed_after_a_pause(qtbot: QtBot, style: Style, padded: Path) -> None:
    dialog = opened(qtbot, style)
    qtbot.keyClicks(dialog.form.source.edit, str(padded))
    assert dialog.form.previewing
    qtbot.waitUntil(lambda: not dialog.form.previewing, timeout=5000)
    assert dialog.form.source.field.note.text().startswith("Padded array")


def test_what_a_person_typed_is_not_replaced(qtbot: QtBot, style: Style, padded: Path, corpus: Path) -> None:
    dialog = opened(qtbot, style, padded)
    dialog.form.name.selectAll()
    qtbot.keyClicks(dialog.form.name, "mine")
    dialog.form.choose(corpus)
    qtbot.waitUntil(lambda: not dialog.form.previewing, timeout=5000)
    assert dialog.form.name.text() == "mine"
    assert dialog.form.options().labels is None
    assert dialog.form.options().embeddings == corpus.with_name("embeddings.hdf5")


def test_a_registered_reader_appears_in_the_dialog(
    qtbot: QtBot, style: Style, padded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A toy format: a padded array after the four bytes "TOY:", with a file of labels."""

    def array(path: Path) -> Path:
        unpacked = path.with_suffix(".unpacked.npy")
        unpacked.write_bytes(path.read_bytes()[4:])
        return unpacked

    toy = ImportFormat(
        name="toy",
        title="Toy arrays",
        suffixes=(".toy",),
        needs="a toy",
        not_included="nothing",
        description="Toys.",
        sniff=lambda path: path.read_bytes().startswith(b"TOY:"),
        open=lambda path, options: NPY.open(array(path), options),
        preview=lambda path, options: Preview("A toy", {"labels": "Toy labels"} if options.labels else {}),
        companions=(replace(LABELS, help="Labels of toys."),),
    )
    monkeypatch.setattr(registry, "_FORMATS", (*formats(), toy))
    source = padded.with_name("X.toy")
    source.write_bytes(b"TOY:" + padded.read_bytes())
    filters: list[str] = []

    def ask(parent: object, title: str, start: str, file_filter: str) -> tuple[str, str]:
        filters.append(file_filter)
        return str(source), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", ask)
    dialog = opened(qtbot, style)
    qtbot.mouseClick(dialog.form.source.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dialog.form.previewing, timeout=5000)
    assert "Toy arrays (*.toy)" in filters[0]
    assert "*.toy)" in filters[0].split(";;")[0]
    assert dialog.form.source.field.note.text() == "A toy"
    labels, lengths = dialog.form.companions["labels"], dialog.form.companions["lengths"]
    assert labels.path == padded.with_name("y.npy")
    assert (labels.field.note.text(), labels.field.shown, lengths.field.shown) == ("Toy labels", True, False)
    labels.edit.setFocus()
    labels.edit.selectAll()
    qtbot.keyClick(labels.edit, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: not dialog.form.previewing, timeout=5000)
    assert labels.field.note.text() == "Labels of toys."
    press(qtbot, dialog, Qt.Key.Key_Return)
    until_imported(qtbot, dialog)
    assert dialog.report.summary.text().startswith("3 sentences")
    qtbot.mouseClick(dialog.close_button, Qt.MouseButton.LeftButton)


def test_every_field_is_labelled_and_the_theme_can_change(qtbot: QtBot, style: Style, corpus: Path) -> None:
    dialog = opened(qtbot, style, corpus)
    fields = (
        dialog.form.source.field,
        dialog.form.companions["embeddings"].field,
        dialog.form.layers_field,
        dialog.form.name_field,
        dialog.form.folder.field,
    )
    keys = []
    for field in fields:
        assert field.label.buddy() is field.control
        assert field.control.accessibleName()
        keys.append(field.label.text()[field.label.text().index("&") + 1].lower())
    buttons = [dialog.import_button.text()]
    keys += [text[text.index("&") + 1].lower() for text in buttons]
    assert len(set(keys)) == len(keys)
    dialog.set_look(Style(DARK, dialog.font()))
    assert DARK.holds.lower() in dialog.form.source.field.note.styleSheet()
