"""Export to CoNLL: an import reads the same sentences, whatever their tokens and labels contain."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maskscope.errors import ExportError
from maskscope.exporters import LabelledSentence, export
from maskscope.readers import ReadOptions, open_source
from maskscope.types import Sentence
from tests.core.exporters.export_sentences import Label, labelled


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
