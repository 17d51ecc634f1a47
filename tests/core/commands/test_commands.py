"""The commands, called as the shell calls them, in this process: exit codes, stdout, stderr, JSON keys."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import maskscope
from maskscope import cli
from maskscope.errors import ProjectError
from maskscope.project import ModelStore, Project, ProjectWriter
from maskscope.types import Sentence
from maskscope.workflows.export import LabelSource, export_project


class Result:
    """What a command left: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> dict:
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1, "one object, one line, nothing else"
        return json.loads(self.out)

    def refused(self) -> str:
        assert self.code == 2
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("maskscope: ")
        return self.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: object) -> Result:
        capsys.readouterr()
        try:
            code = cli.main([str(each) for each in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ann(PER) went(O) | to(O) <zero row>(none) Rome(LOC); float16, 4 numbers a token."""
    rng = np.random.default_rng(0)
    with ProjectWriter(tmp_path / "p.maskscope", 4, np.dtype(np.float16)) as writer:
        writer.add(Sentence(("Ann", "went"), rng.normal(size=(2, 4)).astype(np.float16), ("PER", "O"), "s1"))
        rows = rng.normal(size=(3, 4)).astype(np.float16)
        rows[1] = 0
        writer.add(Sentence(("to", "\ufe0f", "Rome"), rows, ("O", None, "LOC")))
        writer.finish({"source": "x.conll", "lengths_from": "source", "notes": '["A note."]'})
    return tmp_path / "p.maskscope"


@pytest.fixture
def with_model(project: Path) -> Path:
    """The project with a small random model m1, not scored, and the same model as a file beside it."""
    add_model(project)
    return project


def add_model(path: Path, n_classes: int = 3) -> None:
    from maskscope.engine.packed import PackedTagger
    from maskscope.engine.recurrence import LstmWeights
    from maskscope.engine.weights import TaggerWeights
    from maskscope.runs import RunInfo, TrainSettings

    rng = np.random.default_rng(1)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    layer = LstmWeights(draw(2, 4, 12), draw(2, 3, 12), draw(2, 12))
    tagger = PackedTagger(TaggerWeights(0.0, (layer,), draw(6, n_classes), draw(n_classes), "softmax"))
    with Project.open(path) as project:
        folder = project.models.new_folder()
        tagger.save_npz(folder / "weights.npz")
        (folder / "model.keras").write_bytes(b"not read here")
        run = RunInfo("BiLSTM 3", 1.5, TrainSettings(units=3), project.scheme, 4, validation_sentences=(1,))
        (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
        project.models.adopt(folder)


class TestUsage:
    def test_help_names_every_command(self, run) -> None:
        result = run("--help")
        assert result.code == 0
        for command in cli.COMMANDS:
            assert f"\n    {command}" in result.out

    @pytest.mark.parametrize("command", cli.COMMANDS)
    def test_every_command_has_help_with_an_example(self, run, command: str) -> None:
        result = run(command, "--help")
        assert result.code == 0
        assert f"  maskscope {command}" in result.out

    def test_version(self, run) -> None:
        assert run("--version").out == f"maskscope {maskscope.__version__}\n"

    def test_a_misspelt_command(self, run) -> None:
        assert "did you mean maskscope import?" in run("improt").refused()
        assert "see maskscope --help" in run("xyzzy").refused()

    @pytest.mark.parametrize(
        "arguments",
        [
            ("import",),
            ("info",),
            ("info", "a", "b"),
            ("info", ""),
            ("train", "p", "--units", "ten"),
            ("export", "p", "f"),
            ("export", "p", "f", "--format", "conll", "--labels", "mine"),
            ("import", "p", "s", "--layer", "-1"),
            ("import", "p", "s", "--layer", "top"),
            ("screenshot", "p", "f.png", "--size", "big"),
            ("screenshot", "p", "f.png", "--size", "1x1"),
            ("--frobnicate",),
        ],
    )
    def test_wrong_arguments_are_one_line(self, run, arguments: tuple[str, ...]) -> None:
        assert "--help" in run(*arguments).refused()

    def test_settings_out_of_range(self, run, project: Path) -> None:
        assert "units is out of range" in run("train", project, "--units", 0).refused()
        assert "dropout is out of range" in run("train", project, "--dropout", 1).refused()

    def test_a_project_that_is_not_there(self, run, tmp_path: Path) -> None:
        assert "gone.maskscope: there is no such project" in run(tmp_path / "gone.maskscope").refused()
        for command in ("info", "train", "score", "evaluate"):
            assert "there is no such project" in run(command, tmp_path / "gone").refused()

    def test_the_window_takes_one_project(self, run, project: Path) -> None:
        assert "--json" in run(project, "--json").refused()

    def test_a_fault_is_not_a_failed_check(self, run, monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(Project, "open", broken)
        result = run("info", project)
        assert result.code == 2
        assert "fault in Maskscope" in result.err

    def test_ctrl_c(self, run, monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Project, "open", interrupted)
        result = run("info", project)
        assert (result.code, result.out) == (130, "")
        assert "cancelled" in result.err


class TestInfo:
    def test_json(self, run, with_model: Path) -> None:
        with Project.open(with_model) as opened:
            opened.edits.relabel(0, 1, [2], "went → PER", state="accepted")
            opened.edits.relabel(1, 0, [], "flag", "flagged")
        record = run("info", with_model, "--json").json()
        fingerprint = record.pop("fingerprint")
        assert len(fingerprint) == 32
        models = record.pop("models")
        assert record == {
            "path": str(with_model),
            "sentences": 2,
            "tokens": 5,
            "longest": 3,
            "dim": 4,
            "dtype": "float16",
            "labels": {"O": 1, "LOC": 1, "PER": 2},
            "unlabelled": 1,
            "scheme": {"kind": "multiclass", "classes": ["O", "LOC", "PER"], "outside": "O", "spans": None},
            "edits": 2,
            "edited_tokens": 1,
            "reviewed": 1,
            "flagged": 1,
            "collisions": [{"sentence": 1, "position": 1, "token": "\ufe0f"}],
            "collision_count": 1,
            "source": "x.conll",
            "lengths_from": "source",
            "notes": ["A note."],
        }
        assert [(m["id"], m["name"], m["f1"], m["created"], m["scored"]) for m in models] == [
            ("m1", "BiLSTM 3", None, 1.5, False)
        ]

    def test_words(self, run, project: Path) -> None:
        out = run("info", project).out
        assert "2 sentences, 5 tokens, the longest has 3" in out
        assert "sentence 1, position 1: '\\ufe0f'" in out

    def test_while_another_program_has_it_open(self, run, project: Path) -> None:
        with Project.open(project):
            assert run("info", project, "--json").json()["sentences"] == 2


class TestImport:
    def test_json_and_words(self, run, tmp_path: Path) -> None:
        x = np.zeros((2, 3, 2), dtype=np.float32)
        x[0] = [[1, 1], [0, 0], [1, 1]]
        x[1, 0] = 1
        np.save(tmp_path / "X.npy", x)
        record = run("import", tmp_path / "a", tmp_path / "X.npy", "--json").json()
        notes, data = record.pop("notes"), record.pop("data")
        assert notes
        assert data["verdict"] == "could not tell"
        assert "inferred" in data["meaning"]
        assert record == {
            "path": str(tmp_path / "a"),
            "sentences": 2,
            "tokens": 4,
            "dim": 2,
            "dtype": "float32",
            "scheme": {"kind": "binary", "classes": ["O", "label"], "outside": "O", "spans": None},
            "lengths_from": "inferred",
            "collisions": [{"sentence": 0, "position": 1, "token": "t1"}],
            "collision_count": 1,
            "free_values": [-5.0, -10.0, -1.0, -999.0, -1e9],
        }
        result = run("import", tmp_path / "b", tmp_path / "X.npy")
        assert result.code == 0
        assert "2 sentences, 4 tokens, 2 numbers each (float32)" in result.out
        assert "lengths: inferred" in result.out
        assert "sentence 0, position 1: t1" in result.out
        assert "data: could not tell: The lengths were inferred" in result.out

    def test_data_that_is_not_what_its_lengths_say(self, run, tmp_path: Path) -> None:
        x = np.full((2, 3, 2), -5, dtype=np.float32)
        x[0, :2] = x[1, :1] = 1
        np.save(tmp_path / "X.npy", x)
        np.save(tmp_path / "lengths.npy", np.array([2, 1]))
        with_lengths = (tmp_path / "X.npy", "--lengths", tmp_path / "lengths.npy")
        passed = run("import", tmp_path / "a", *with_lengths, "--json").json()
        assert passed["data"]["verdict"] == "passed"
        assert "nothing but -5 behind" in passed["data"]["meaning"]
        assert any("are -5 and not zero in 2 sentences" in note for note in passed["notes"])
        guessed = run("import", tmp_path / "b", tmp_path / "X.npy", "--json").json()
        # Sentence 0 has one padded row, which could be a token; sentence 1 has two.
        where = ("verdict", "sentence", "position")
        assert [guessed["data"][key] for key in where] == ["failed", 1, 1]
        assert -5.0 not in guessed["free_values"]
        said = run("import", tmp_path / "c", tmp_path / "X.npy")
        assert "data: failed: A sentence ends in rows of -5 alone" in said.out
        # Padded in front, as pad_sequences does unless it is told otherwise.
        x[1] = [[0, 0], [0, 0], [1, 2]]
        np.save(tmp_path / "X.npy", x)
        front = run("import", tmp_path / "d", *with_lengths, "--json").json()
        assert [front["data"][key] for key in where] == ["failed", 1, 1]
        assert "in front of the tokens" in front["data"]["meaning"]
        assert front["data"]["meaning"].removesuffix(".") in " ".join(front["notes"])

    def test_a_refusal_is_one_line_and_leaves_nothing(self, run, tmp_path: Path) -> None:
        np.save(tmp_path / "X.npy", np.ones((2, 3), dtype=np.int64))
        assert "X.npy" in run("import", tmp_path / "a", tmp_path / "X.npy").refused()
        assert [file.name for file in tmp_path.iterdir()] == ["X.npy"]

    def test_a_taken_name(self, run, project: Path, tmp_path: Path) -> None:
        np.save(tmp_path / "X.npy", np.ones((1, 2, 2), dtype=np.float32))
        assert "there already" in run("import", project, tmp_path / "X.npy").refused()

    def test_a_project_needs_a_name(self, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        np.save(tmp_path / "X.npy", np.ones((1, 2, 2), dtype=np.float32))
        monkeypatch.chdir(tmp_path)
        for path in (".", ".."):
            assert "name of its own" in run("import", path, "X.npy").refused()


class TestExport:
    def test_reviewed_only(self, run, project: Path, tmp_path: Path) -> None:
        out = tmp_path / "o.conll"
        refusal = run("export", project, out, "--format", "conll", "--only", "reviewed").refused()
        assert "0 reviewed of 2 sentences" in refusal
        assert not out.exists()
        with Project.open(project) as opened:
            opened.edits.relabel(0, 1, [1], "went → LOC", state="accepted")
        record = run("export", project, out, "--format", "conll", "--only", "reviewed", "--json").json()
        expected = {"path": str(out), "format": "conll", "labels": "edited", "only": "reviewed", "decoding": "viterbi"}
        assert record == {**expected, "model": None, "sentences": 1}
        lines = [line for line in out.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        assert lines == ["Ann\tPER", "went\tLOC"]

    def test_gold_leaves_edits_out(self, run, project: Path, tmp_path: Path) -> None:
        with Project.open(project) as opened:
            opened.edits.relabel(0, 1, [1], "went → LOC")
        run("export", project, tmp_path / "o.jsonl", "--format", "jsonl", "--labels", "gold")
        first, second = map(json.loads, (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines())
        assert (first["labels"], first["edited"]) == (["PER", "O"], [False, True])
        assert second["labels"] == ["O", None, "LOC"]
        assert second["mask"] == [True, False, True]
        assert second["predicted"] is None
        assert second["probabilities"] is None

    def test_predictions_come_from_stored_scores(self, run, with_model: Path, tmp_path: Path) -> None:
        out = tmp_path / "o.jsonl"
        assert (
            "no scores of model m1"
            in run("export", with_model, out, "--format", "jsonl", "--labels", "predicted").refused()
        )
        probs = np.array(
            [[0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]], dtype=np.float32
        )
        with Project.open(with_model) as opened:
            opened.models.write_scores("m1", probs)
        result = run("export", with_model, out, "--format", "jsonl", "--labels", "predicted", "--model", "m1")
        assert result.code == 0
        assert result.out.strip().endswith("predicted labels of model m1")
        first, second = map(json.loads, out.read_text(encoding="utf-8").splitlines())
        assert first["labels"] == first["predicted"] == ["PER", "O"]
        # The token that the model masks has no prediction, whatever the model prints there.
        assert second["labels"] == ["LOC", None, "O"]
        assert first["probabilities"][0] == pytest.approx([0.1, 0.2, 0.7])

    @pytest.mark.parametrize("labels", ["edited", "gold"])
    def test_labels_need_no_scores(self, with_model: Path, tmp_path: Path, labels: LabelSource) -> None:
        with Project.open(with_model, read_only=True) as opened:
            assert opened.models.scores("m1") is None
            assert export_project(opened, tmp_path / "o.jsonl", "jsonl", labels, model_id="m1") == 2
        first, _ = map(json.loads, (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines())
        assert (first["labels"], first["predicted"]) == (["PER", "O"], None)

    def test_without_a_model_there_are_no_predictions(self, run, project: Path, tmp_path: Path) -> None:
        refusal = run("export", project, tmp_path / "o", "--format", "conll", "--labels", "predicted").refused()
        assert "no model yet" in refusal

    def test_an_unknown_format(self, run, project: Path, tmp_path: Path) -> None:
        assert "conll, jsonl" in run("export", project, tmp_path / "o", "--format", "xml").refused()


class TestFormats:
    def test_json_and_table(self, run) -> None:
        record = run("formats", "--json").json()
        assert [each["name"] for each in record["readers"]] == ["npy", "npz", "conll"]
        assert [each["name"] for each in record["exporters"]] == ["conll", "jsonl"]
        assert set(record["readers"][0]) == {"name", "title", "suffixes", "needs", "loses"}
        out = run("formats").out
        for each in (*record["readers"], *record["exporters"]):
            assert each["needs"] in out
            assert each["loses"] in out


class TestScore:
    def test_scores_are_kept_and_written(self, run, with_model: Path, tmp_path: Path) -> None:
        out = tmp_path / "s.npz"
        record = run("score", with_model, "--out", out, "--json").json()
        assert (record["model"], record["engine"], record["tokens"], record["masked"]) == ("m1", "packed", 5, 1)
        assert (record["stored"], record["out"]) == (True, str(out))
        with np.load(out, allow_pickle=False) as arrays:
            assert sorted(arrays) == ["classes", "mask", "offsets", "probabilities"]
            assert (arrays["probabilities"].shape, arrays["probabilities"].dtype) == ((5, 3), np.float32)
            assert (arrays["offsets"].tolist(), arrays["offsets"].dtype) == ([0, 2, 5], np.int64)
            assert (arrays["mask"].tolist(), arrays["mask"].dtype) == ([True, True, True, False, True], np.bool_)
            assert arrays["classes"].tolist() == ["O", "LOC", "PER"]
            np.testing.assert_allclose(arrays["probabilities"].sum(axis=1), 1, rtol=1e-5)
            with Project.open(with_model) as opened:
                np.testing.assert_array_equal(opened.models.scores("m1"), arrays["probabilities"])
        assert run("info", with_model, "--json").json()["models"][0]["scored"] is True
        assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []

    def test_a_file_that_is_a_model_needs_out(self, run, with_model: Path, tmp_path: Path) -> None:
        model = resources.files("maskscope_resources") / "demo" / "binary" / "model.keras"
        (tmp_path / "m.keras").write_bytes(model.read_bytes())
        assert "--out FILE.npz" in run("score", with_model, "--model", tmp_path / "m.keras").refused()
        # What is wrong with a file is said first.
        (tmp_path / "m.keras").write_bytes(b"")
        assert "is no whole .keras file" in run("score", with_model, "--model", tmp_path / "m.keras").refused()
        out = tmp_path / "o.npz"
        assert "m.keras" in run("score", with_model, "--model", tmp_path / "m.keras", "--out", out).refused()
        assert "no such file" in run("score", with_model, "--model", "gone.keras", "--out", out).refused()
        assert not out.exists()

    def test_a_model_that_is_not_there(self, run, with_model: Path) -> None:
        assert "expected m1; received m7" in run("score", with_model, "--model", "m7").refused()

    def test_a_read_only_project_is_scored_but_not_changed(self, run, with_model: Path) -> None:
        with Project.open(with_model):
            result = run("score", with_model, "--json")
        assert result.json()["stored"] is False
        assert "not kept" in result.err

    def test_a_folder_that_is_not_there(self, run, with_model: Path, tmp_path: Path) -> None:
        assert "can't be written" in run("score", with_model, "--out", tmp_path / "no" / "o.npz").refused()


class TestEvaluate:
    def test_against_gold_and_edited(self, run, with_model: Path) -> None:
        probs = np.eye(3, dtype=np.float32)[[2, 0, 0, 0, 1]]
        with Project.open(with_model) as opened:
            opened.models.write_scores("m1", probs)
            opened.edits.relabel(0, 0, [0], "Ann → O")
        gold = run("evaluate", with_model, "--against", "gold", "--json").json()
        assert (gold["model"], gold["against"], gold["masked_by_model"]) == ("m1", "gold", 1)
        assert (gold["tokens"], gold["unlabelled"], gold["accuracy"]) == (4, 1, 1.0)
        assert gold["micro"]["f1"] == 1.0
        assert gold["validation"]["tokens"] == 2
        edited = run("evaluate", with_model, "--json").json()
        assert edited["accuracy"] == 0.75
        assert edited["confusion"] == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]

    def test_a_masked_token_with_a_label_counts(self, run, with_model: Path) -> None:
        with Project.open(with_model) as opened:
            opened.models.write_scores("m1", np.eye(3, dtype=np.float32)[[2, 0, 0, 0, 1]])
            opened.edits.relabel(1, 1, [1], "\ufe0f → LOC")
        record = run("evaluate", with_model, "--json").json()
        assert (record["tokens"], record["masked"], record["masked_by_model"]) == (5, 0, 1)
        assert record["accuracy"] == 0.8

    def test_words_without_stored_scores(self, run, with_model: Path) -> None:
        result = run("evaluate", with_model)
        assert result.code == 0
        assert "validation sentences (2 tokens)" in result.out
        assert "all sentences (4 tokens), most of which it was trained on" in result.out
        assert "entities" in result.out


class TestDemo:
    @pytest.mark.parametrize(
        ("typed", "classes"), [(False, ["none", "name"]), (True, ["none", "person", "place", "organisation", "work"])]
    )
    def test_it_is_whole(self, run, tmp_path: Path, typed: bool, classes: list[str]) -> None:
        arguments = ["--typed"] if typed else []
        target = tmp_path / "d"
        result = run("demo", target, *arguments)
        assert (result.code, result.out) == (0, f"{target}\n")
        record = run("info", target, "--json").json()
        assert record["scheme"]["classes"] == classes
        assert record["scheme"]["kind"] == ("multiclass" if typed else "binary")
        assert record["sentences"] >= 150
        assert record["collision_count"] >= 1
        assert [model["scored"] for model in record["models"]] == [True]
        assert (record["edits"], record["reviewed"], record["flagged"]) == (0, 0, 0)
        with Project.open(target) as opened:
            lengths = np.diff(opened.offsets)
            assert (lengths.min(), lengths.max()) == (1, 60)
            stored = np.array(opened.models.scores("m1"))
        assert [file.name for file in tmp_path.iterdir()] == ["d"]
        # The scores that come along are those of the model that comes along.
        assert run("score", target).code == 0
        with Project.open(target) as opened:
            np.testing.assert_allclose(opened.models.scores("m1"), stored, atol=2e-6)

    def test_an_empty_folder_is_used_and_a_full_one_refused(self, run, tmp_path: Path, project: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert run("demo", tmp_path / "empty", "--json").json()["path"] == str(tmp_path / "empty")
        assert "there already" in run("demo", project).refused()


class TestScreenshot:
    def test_a_sentence_that_is_not_there(self, run, project: Path, tmp_path: Path) -> None:
        refusal = run("screenshot", project, tmp_path / "s.png", "--sentence", 9).refused()
        assert "expected 0 to 1; received 9" in refusal


class TestAuditUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "give one of a project"),
            (("p", "--data", "x.npy"), "give one of a project"),
            (("p", "--lengths", "l.npy"), "--lengths needs --data"),
            (("--data", "x.npy"), "--model FILE.keras"),
            (("--data", "x.npy", "--model", "m1"), "--model FILE.keras"),
            (("--data", "gone.npy", "--model", "m.keras"), "gone.npy"),
        ],
    )
    def test_what_makes_no_sense(self, run, arguments: tuple[str, ...], words: str) -> None:
        assert words in run("audit", *arguments).refused()


@pytest.mark.keras
class TestWithKeras:
    """One demo serves all of them, since TensorFlow is slow to start."""

    @pytest.fixture(scope="class")
    @classmethod
    def demo(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        from maskscope.workflows.demo import write_demo

        return write_demo(tmp_path_factory.mktemp("demo") / "d")

    def test_both_engines_agree(self, run, demo: Path, tmp_path: Path) -> None:
        files = []
        for engine in ("packed", "keras"):
            out = tmp_path / f"{engine}.npz"
            record = run("score", demo, "--engine", engine, "--out", out, "--json").json()
            assert record["engine"] == engine
            with np.load(out) as arrays:
                files.append({name: arrays[name] for name in arrays})
        np.testing.assert_allclose(files[0]["probabilities"], files[1]["probabilities"], atol=2e-6)

    def test_a_trained_model_is_added_and_its_file_can_be_used(self, run, demo: Path, tmp_path: Path) -> None:
        before = run("info", demo, "--json").json()
        record = run("train", demo, "--epochs", 1, "--units", 4, "--json").json()
        model = record["model"]
        assert record["settings"]["units"] == 4
        assert len(record["history"]) == 1
        assert 0 <= record["metrics"]["f1"] <= 1
        after = run("info", demo, "--json").json()
        assert [each["id"] for each in after["models"]] == [*(each["id"] for each in before["models"]), model]
        assert after["models"][-1]["scored"] is True
        # Training is no act of a person: no label and no review state has changed.
        for key in ("labels", "edits", "reviewed", "flagged"):
            assert after[key] == before[key]
        file = Path(record["path"]) / "model.keras"
        out = tmp_path / "file.npz"
        assert run("score", demo, "--model", file, "--out", out).code == 0
        with np.load(out) as arrays, Project.open(demo) as opened:
            np.testing.assert_array_equal(arrays["probabilities"], opened.models.scores(model))

    def test_a_trained_model_that_cannot_be_added_is_kept(
        self, run, demo: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise ProjectError("the change could not be saved")

        before = run("info", demo, "--json").json()["models"]
        monkeypatch.setattr(ModelStore, "adopt", full)
        result = run("train", demo, "--epochs", 1, "--units", 2)
        assert result.code != 0
        (kept,) = (demo / "models").glob("kept-*")
        assert str(kept) in result.err
        assert "could not be saved" in result.err
        assert (kept / "model.keras").is_file()
        assert run("info", demo, "--json").json()["models"] == before

    def test_the_audit_fails_on_a_collision_and_passes_without(self, run, demo: Path, tmp_path: Path) -> None:
        result = run("audit", demo, "--model", "m1", "--json", "--report", tmp_path / "r.html")
        assert result.code == 1
        record = json.loads(result.out)
        assert record["verdict"] == "failed"
        verdicts = {each["check"]: each["verdict"] for each in record["findings"]}
        assert (verdicts["LENGTH"], verdicts["COLLISIONS"]) == ("passed", "failed")
        page = (tmp_path / "r.html").read_text(encoding="utf-8")
        assert "COLLISIONS" in page
        assert "://" not in page, "a report needs nothing from elsewhere"
        assert f"maskscope audit {demo} --model m1 --report {tmp_path / 'r.html'}" in page
        with Project.open(demo, read_only=True) as opened:
            keras_file = opened.models.get("m1").keras_file
            x = np.array(opened.embeddings[: 3 * opened.offsets[1]], dtype=np.float32)
        n_tokens = len(x) // 3
        x_btd = np.zeros((3, n_tokens + 2, x.shape[1]), dtype=np.float32)
        x_btd[:, :n_tokens] = x.reshape(3, n_tokens, -1)
        np.savez(tmp_path / "x.npz", X=x_btd, lengths=np.full(3, n_tokens))
        result = run("audit", "--data", tmp_path / "x.npz", "--model", keras_file)
        assert (result.code, result.out.splitlines()[0].split(":")[1].split()[0]) == (0, "passed")
