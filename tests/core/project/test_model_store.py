"""Models and their scores are kept whole, or given back."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import ModelError, ProjectError
from maskscope.project import Project, ProjectWriter, set_aside
from maskscope.runs import OutputMap
from maskscope.types import Sentence
from tests.core.project.small_project import fill_disk, free_disk, model_folder, no_room


class TestModels:
    def test_models_are_kept_in_order_with_their_scores(self, folder: Path) -> None:
        scores = np.full((5, 3), 1 / 3, dtype=np.float32)
        scores[3] = (0.1, 0.8, 0.1)
        with Project.open(folder) as project:
            with pytest.raises(ProjectError, match="no model yet"):
                project.models.get()
            assert project.models.adopt(model_folder(project)).id == "m1"
            assert project.models.adopt(model_folder(project, "second", scores)).id == "m2"
        with Project.open(folder) as project:
            assert [model.id for model in project.models.all()] == ["m1", "m2"]
            assert project.models.get().name == "second"
            assert project.models.get("m1").keras_file.read_bytes() == b"keras"
            assert project.models.scores("m1") is None
            np.testing.assert_array_equal(project.models.scores("m2"), scores)
            assert project.models.uncertainties("m2") == pytest.approx([2 / 3, 0, 2 / 3], rel=1e-6)
            with pytest.raises(ProjectError, match="expected m1 or m2; received m9"):
                project.models.get("m9")
            assert [file.name for file in (folder / "models").iterdir() if file.name.startswith(".")] == []

    def test_uncertainties_that_are_missing_are_computed_from_the_scores(self, folder: Path) -> None:
        scores = np.full((5, 3), 1 / 3, dtype=np.float32)
        scores[3] = (0.1, 0.8, 0.1)
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project, scores=scores))
            kept = np.array(project.models.uncertainties("m1"))
            (folder / "scores" / "m1.uncertainty.npy").unlink()
            np.testing.assert_array_equal(project.models.uncertainties("m1"), kept)
            (folder / "scores" / "m1.npy").unlink()
            assert project.models.uncertainties("m1") is None

    @pytest.mark.parametrize("names", [(), ("x", "y", "z")])
    def test_values_of_a_regression_are_kept_as_they_are(self, folder: Path, names: tuple[str, ...]) -> None:
        values = np.linspace(-3, 3, 15, dtype=np.float32).reshape(5, 3)
        with Project.open(folder) as project:
            made = model_folder(project, "other", values, OutputMap("values", names=names, n_outputs=3))
            np.save(made / "padding.npy", values[: project.n_sentences])
            record = project.models.adopt(made)
            assert record.output_kind == "values"
            assert record.gives_values
            # three values for embeddings of three numbers
            assert record.is_reconstruction
            assert record.output_names == (names or ("0", "1", "2"))
            np.testing.assert_array_equal(project.models.scores("m1"), values)
            np.testing.assert_array_equal(project.models.padding_scores("m1"), values[: project.n_sentences])
            assert project.models.uncertainties("m1") is None
            assert project.models.largest_uncertainties(record, values).tolist() == [0] * project.n_sentences
            with pytest.raises(ModelError, match=r"expected \(5, 3\); received \(5, 2\)"):
                project.models.write_scores("m1", values[:, :2])

    def test_a_model_without_all_its_files_is_refused(self, folder: Path) -> None:
        with Project.open(folder) as project:
            made = model_folder(project)
            (made / "weights.npz").unlink()
            with pytest.raises(ModelError, match=r"lacks weights\.npz"):
                project.models.adopt(made)

    def test_a_full_disk_refuses_scores_with_a_message(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project))
            monkeypatch.setattr(np, "save", no_room)
            with pytest.raises(ProjectError, match="No space left"):
                project.models.write_scores("m1", np.zeros((5, 3), dtype=np.float32))
            assert project.models.scores("m1") is None
            assert list((folder / "scores").iterdir()) == []

    def test_scores_that_cannot_be_kept_do_not_cost_the_model(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Project.open(folder) as project:
            made = model_folder(project, scores=np.zeros((5, 3), dtype=np.float32))
            monkeypatch.setattr(np, "save", no_room)
            assert project.models.adopt(made).id == "m1"
            assert project.models.scores("m1") is None
            monkeypatch.undo()
            wrong = model_folder(project, scores=np.zeros((4, 3), dtype=np.float32))
            assert project.models.adopt(wrong).id == "m2"
            cut = model_folder(project)
            (cut / "scores.npy").write_bytes(b"")
            assert project.models.adopt(cut).id == "m3"
            # They can be computed, and kept, at any time.
            project.models.write_scores("m1", np.zeros((5, 3), dtype=np.float32))
            assert project.models.scores("m1") is not None
        assert list((folder / "models").glob("*/scores.npy")) == []

    def test_a_model_that_cannot_be_moved_is_given_back(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Project.open(folder) as project:
            made = model_folder(project)
            monkeypatch.setattr(Path, "rename", no_room)
            with pytest.raises(ProjectError, match="No space left"):
                project.models.adopt(made)
            assert project.models.all() == []
            assert (made / "model.keras").is_file()
            monkeypatch.undo()
            assert project.models.adopt(made).id == "m1"

    def test_a_model_set_aside_is_never_removed(self, folder: Path) -> None:
        with Project.open(folder) as project:
            made = model_folder(project)
            kept = set_aside(made)
            assert kept is not None
            assert not made.exists()
            assert set_aside(project.models.new_folder()) is None, "nothing was finished there"
            assert set_aside(folder / "nowhere") is None
        day_before = time.time() - 90_000
        os.utime(kept, (day_before, day_before))
        with Project.open(folder) as project:
            assert (kept / "model.keras").read_bytes() == b"keras"
            assert project.models.adopt(kept).id == "m1"

    def test_scores_of_the_wrong_shape_are_refused(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project))
            with pytest.raises(ModelError, match=r"expected \(5, 3\); received \(5, 1\)"):
                project.models.write_scores("m1", np.zeros((5, 1), dtype=np.float32))

    def test_scores_of_another_fingerprint_are_stale(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project, scores=np.zeros((5, 3), dtype=np.float32)))
            project._db.execute("UPDATE score SET fingerprint = 'other'")
            assert project.models.scores("m1") is None

    def test_a_model_and_its_scores_set_no_review_state(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project, scores=np.ones((5, 3), dtype=np.float32)))
            assert project.states().tolist() == [0, 0, 0]
            assert project.edits.last() is None

    def test_a_model_that_cannot_be_recorded_is_given_back(self, folder: Path) -> None:
        with Project.open(folder) as project:
            made = model_folder(project, name="z" * 50_000)
            fill_disk(project)
            with pytest.raises(ProjectError, match="could not be saved"):
                project.models.adopt(made)
            assert project.models.all() == []
            assert (made / "model.keras").is_file()
            free_disk(project)
            assert project.models.adopt(made).id == "m1"


def test_opening_removes_what_a_killed_training_left(tmp_path: Path) -> None:
    target = tmp_path / "left.maskscope"
    with ProjectWriter(target, 2, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("a",), np.ones((1, 2), dtype=np.float32)))
        writer.finish()
    with Project.open(target) as project:
        left = project.models.new_folder()
        (left / "model.keras").write_bytes(b"half")
    with Project.open(target):
        assert left.exists(), "a worker may still be at it"
    day_before = time.time() - 90_000
    os.utime(left, (day_before, day_before))
    with Project.open(target, read_only=True):
        assert left.exists()
    with Project.open(target):
        assert not left.exists()
