"""Export to CoNLL: what is written is what is read, and nothing half-done is left behind."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maskscope.errors import Cancelled, ExportError
from maskscope.exporters import LabelledSentence, export, formats, writing
from maskscope.jobs import FlagJob, Job
from maskscope.readers import ReadOptions, open_source
from maskscope.types import Sentence

Label = str | None


def labelled(
    tokens: tuple[str, ...],
    labels: tuple[Label, ...],
    *,
    id: int = 0,
    name: str = "",
    comments: tuple[str, ...] = (),
) -> LabelledSentence:
    mask = np.ones(len(tokens), dtype=np.bool_)
    return LabelledSentence(id, name, tokens, labels, labels, None, None, mask, ~mask, "accepted", comments)


def written(path: Path, *sentences: LabelledSentence) -> str:
    assert export(path, iter(sentences), "conll", ("O", "B"), None) == len(sentences)
    return path.read_bytes().decode("utf-8")


def imported(path: Path, n_tokens: int) -> list[Sentence]:
    embeddings = path.with_name("rows.npy")
    np.save(embeddings, np.ones((n_tokens, 1), dtype=np.float16))
    with open_source(path, ReadOptions(embeddings=embeddings), "conll") as source:
        return list(source)


def test_a_plain_sentence_stays_plain(tmp_path: Path) -> None:
    text = written(
        tmp_path / "x.conll",
        labelled(
            ("Anna", "said", '"', "#ok", "#", "c:\\new", "a\ufeff"), ("B", "O", "O", "O", "O", "O", "O"), name="s1"
        ),
        labelled(("New York", "שלום", "😀", "e\u0301", "\u3000"), ("B", "O", "O", "O", "B x"), comments=("text = x",)),
    )
    assert text == (
        '# sent_id = s1\nAnna\tB\nsaid\tO\n"\tO\n#ok\tO\n#\tO\nc:\\new\tO\na\ufeff\tO\n\n'
        "# text = x\nNew York\tB\nשלום\tO\n😀\tO\ne\u0301\tO\n\u3000\tB x\n\n"
    )


@pytest.mark.parametrize(
    ("token", "label", "line"),
    [
        ("a\tb", "O", r"a\tb" + "\tO"),
        ("a\nb\r", "O", r"a\nb\r" + "\tO"),
        ("\u2028\x85\x1c", "O", r"\u2028\u0085\u001c" + "\tO"),
        ("", "O", "\\e\tO"),
        ("a", None, "a\t\\N"),
        ("a", "", "a\t\\e"),
        ("a\\", None, "a\\\\\t\\N"),
        (" ", "O", "\\u0020\tO"),
        ("a ", " B", "a\\u0020\t\\u0020B"),
        ("# a", "O", "\\u0023 a\tO"),
        ("-DOCSTART-", "O", "\\u002dDOCSTART-\tO"),
        ("\ufeffa", "O", "\\ufeffa\tO"),
    ],
)
def test_what_a_line_cannot_hold_is_escaped(tmp_path: Path, token: str, label: Label, line: str) -> None:
    path = tmp_path / "x.conll"
    assert written(path, labelled((token,), (label,))) == f"# maskscope.escaped = backslash\n{line}\n\n"
    (back,) = imported(path, 1)
    assert (back.tokens, back.labels, back.comments) == ((token,), (label,), ())


def test_only_the_sentence_that_needs_it_is_escaped(tmp_path: Path) -> None:
    text = written(tmp_path / "x.conll", labelled(("\\t",), ("O",)), labelled(("\t\\",), ("O",)))
    assert text == "\\t\tO\n\n# maskscope.escaped = backslash\n\\t\\\\\tO\n\n"
    assert [s.tokens for s in imported(tmp_path / "x.conll", 2)] == [("\\t",), ("\t\\",)]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NASTY = st.sampled_from(
    ["", " ", "#", "# ", "# sent_id = x", "\t", "\n", "\r", "a\r", "\\", "\\N", "\\e", "\\u0020", "\ufeff", "_", "O",
     "-DOCSTART-", "-DOCSTART- x", "\x85", "\u2028", "\x1c", "\x00", "שלום", "👩‍👩‍👧", "e\u0301", '"', "1-2", "\xa0"]
)  # fmt: skip
TEXTS = ANY_TEXT | NASTY
COMMENTS = TEXTS | st.sampled_from(
    ["maskscope.empty = true", "maskscope.escaped = backslash", "sent_id = y", "sent_id", "x\ty", " x "]
)
SENTENCES = st.lists(
    st.tuples(st.lists(st.tuples(TEXTS, st.none() | TEXTS), max_size=4), TEXTS, st.lists(COMMENTS, max_size=3)),
    min_size=1,
    max_size=4,
)


@example([([], "", [])])
@example([([("#", "O")], "", ["#"]), ([("# a", None)], "", [])])
@given(SENTENCES)
def test_import_of_an_export_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[list[tuple[str, Label]], str, list[str]]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "trip.conll"
    sentences = [
        labelled(
            tuple(token for token, _ in pairs),
            tuple(label for _, label in pairs),
            id=i,
            name=name,
            comments=tuple(comments),
        )
        for i, (pairs, name, comments) in enumerate(drawn)
    ]
    written(path, *sentences)
    back = imported(path, sum(len(s.tokens) for s in sentences))
    assert [(s.tokens, s.labels, s.name, s.comments) for s in back] == [
        (s.tokens, s.labels, s.name, s.comments) for s in sentences
    ]


def test_other_readers_of_lines_see_the_same_lines(tmp_path: Path) -> None:
    """What splits at every line end of Unicode must not cut a token in two."""
    tokens = tuple(f"a{chr(c)}b" for c in [*range(0x20), 0x7F, *range(0x80, 0xA1), 0x2028, 0x2029])
    text = written(tmp_path / "x.conll", labelled(tokens, ("O",) * len(tokens)))
    assert text.splitlines() == text.split("\n")[:-1]
    assert len(text.splitlines()) == 1 + len(tokens) + 1


def test_half_a_surrogate_pair_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"sentence 7 of x.conll: .*received U\+D83D"):
        written(tmp_path / "x.conll", labelled(("ok",), ("O",)), labelled(("\ud83d",), ("O",), id=7))
    assert list(tmp_path.iterdir()) == []


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"sentence 3 .*expected 2 labels; received 1"):
        written(tmp_path / "x.conll", labelled(("a", "b"), ("O",), id=3))
    assert list(tmp_path.iterdir()) == []


class CancelAt(FlagJob):
    """Cancels itself at its n-th report."""

    def __init__(self, report: int) -> None:
        super().__init__()
        self.reports = report

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Count down to the cancel."""
        self.reports -= 1
        self.cancelled = self.reports <= 0
        super().progress(done, total, text)


@pytest.mark.parametrize("report", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("format_name", ["conll", "jsonl"])
def test_a_cancelled_export_leaves_the_old_file(tmp_path: Path, report: int, format_name: str) -> None:
    path = tmp_path / "x"
    path.write_text("old", encoding="utf-8")
    job: Job = CancelAt(report)
    sentences = (labelled(("a",), ("O",), id=i) for i in range(100))
    with pytest.raises(Cancelled):
        export(path, sentences, format_name, ("O", "B"), job)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["x"]  # noqa: PTH208 - hidden files count


def test_a_source_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    def failing() -> Iterator[LabelledSentence]:
        yield labelled(("a",), ("O",))
        raise KeyError("broken")

    (tmp_path / "x").write_text("old", encoding="utf-8")
    with pytest.raises(KeyError):
        export(tmp_path / "x", failing(), "conll", ("O",))
    assert (tmp_path / "x").read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_reads_back_otherwise_is_not_put_in_place(tmp_path: Path) -> None:
    def records() -> Iterator[writing.Record]:
        yield writing.Record(4, "a\tO\n", ["a"])
        yield writing.Record(9, "b\tO\n", ["b"])

    def reading(values: list[list[str]]) -> writing.ReadBack:
        return lambda _: iter(values)

    for back, words in (
        ([["a"], ["c"]], r"sentence 9 of x: .*differs"),
        ([["a"]], "expected 2 sentences; received 1"),
        ([["a"], ["b"], ["b"]], "differs"),
    ):
        with pytest.raises(ExportError, match=words):
            writing.write_checked(tmp_path / "x", records(), reading(back), FlagJob())
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["missing/x.conll", "."])
def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, where: str) -> None:
    with pytest.raises(ExportError):
        written(tmp_path / where, labelled(("a",), ("O",)))


def test_an_unknown_format_lists_those_there_are(tmp_path: Path) -> None:
    assert [f.name for f in formats()] == ["conll", "jsonl"]
    with pytest.raises(ExportError, match="one of conll, jsonl; received xml"):
        export(tmp_path / "x", [], "xml", ("O",))


@pytest.mark.parametrize("format_name", ["conll", "jsonl"])
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_name: str
) -> None:
    monkeypatch.setattr(writing, "_SPOOL_BYTES", 2**12)
    tokens, labels = ("a", "\t", "b") * 4, ("O", None, "B") * 4
    peaks = []
    for n_sentences in (20, 200, 4000):
        tracemalloc.start()
        try:
            sentences = (labelled(tokens, labels, id=i) for i in range(n_sentences))
            assert export(tmp_path / "x", sentences, format_name, ("O", "B")) == n_sentences
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < peaks[1] * 1.2 + 2**15
