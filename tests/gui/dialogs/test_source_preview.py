"""What is found out about a file before it is imported."""

from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import ReadError
from maskscope.readers import ReadOptions
from maskscope_gui.dialogs.source_preview import (
    all_companions,
    dialog_message,
    find_companions,
    preview_source,
    sort_dropped,
    suggest_project,
)


def test_companions_and_a_project_name_are_suggested(tmp_path: Path) -> None:
    for name in ("X_train.npy", "y_train.npy", "lengths_train.txt", "y.npy"):
        (tmp_path / name).touch()
    found = find_companions(tmp_path / "X_train.npy")
    assert found == {"labels": tmp_path / "y_train.npy", "lengths": tmp_path / "lengths_train.txt"}
    assert find_companions(tmp_path / "y.npy")["labels"] is None
    (tmp_path / "wnut").mkdir()
    assert suggest_project(tmp_path / "wnut" / "sentences.conll").name == "wnut.maskscope"
    (tmp_path / "wnut" / "wnut.maskscope").mkdir()
    assert suggest_project(tmp_path / "wnut" / "sentences.conll").name == "wnut-2.maskscope"


def test_a_source_is_previewed_although_a_companion_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.ones((2, 3, 4), dtype=np.float32))
    np.save(tmp_path / "y.npy", np.ones((2, 2), dtype=np.int64))
    options = ReadOptions(labels=tmp_path / "y.npy", embeddings=tmp_path / "not-applicable.hdf5")
    found = preview_source(tmp_path / "X.npy", options)
    assert found.format.name == "npy"
    assert found.preview.text == "Padded array, 2 sentences × 3 positions × 4, float32"
    assert found.error is not None
    assert found.error.file == tmp_path / "y.npy"


def test_an_archive_is_previewed_with_its_members(tmp_path: Path) -> None:
    x = np.ones((2, 3, 4), dtype=np.float32)
    np.savez(tmp_path / "a.npz", X=x, lengths=np.array([3, 3]), y=np.ones((2, 3), dtype=np.int64))
    np.savez(tmp_path / "b.npz", X=x)
    texts = [preview_source(tmp_path / name, ReadOptions()).preview.text for name in ("a.npz", "b.npz")]
    assert texts == [
        "Padded archive, 2 sentences × 3 positions × 4, float32, with y, lengths",
        "Padded archive, 2 sentences × 3 positions × 4, float32, X alone",
    ]
    np.save(tmp_path / "y.npy", np.ones((2, 3), dtype=np.int64))
    assert set(find_companions(tmp_path / "a.npz").values()) == {None}


def test_dropped_files_are_sorted(tmp_path: Path) -> None:
    names = ("X.npy", "y.npy", "lengths.txt", "elmo.npy")
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.touch()
    source, companions = sort_dropped(reversed(paths))
    assert source == tmp_path / "X.npy"
    assert companions == {
        "labels": tmp_path / "y.npy",
        "lengths": tmp_path / "lengths.txt",
        "embeddings": tmp_path / "elmo.npy",
    }
    assert [each.name for each in all_companions()] == ["labels", "lengths", "embeddings"]


def test_messages_name_fields_in_place_of_options(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a\tO\n", encoding="utf-8")
    with pytest.raises(ReadError) as error:
        preview_source(tmp_path, ReadOptions())
    assert "a folder" in dialog_message(error.value)
    message = dialog_message(ReadError("comes without embeddings", expected="--embeddings FILE"))
    assert message == "comes without embeddings; expected embeddings"
