"""Names of a model's outputs, from the files that people have."""

from pathlib import Path

import pytest

from maskscope.errors import ModelError
from maskscope.workflows.output_names import read_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("O\nLOC\r\nPER\n", ("O", "LOC", "PER")),
        ("\ufeffO\n\n PER \n\n", ("O", "", "PER")),
        ('["O", "LOC", null, 4]', ("O", "LOC", "", "4")),
        ('{"PER": 2, "O": 1}', ("", "O", "PER")),
        ('{"0": "O", "1": "LOC"}', ("O", "LOC")),
        ('{"id2label": {"0": "O", "1": "LOC"}, "dim": 3}', ("O", "LOC")),
    ],
)
def test_names_are_read_in_the_order_of_the_outputs(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    (tmp_path / "names").write_text(text, encoding="utf-8", newline="")
    assert read_names(tmp_path / "names") == names


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no name"),
        (b"\n \n", "no name"),
        (b"{}", "no name"),
        (b"\xff\xfe", "no UTF-8"),
        (b"[", "Expecting value"),
        (b'{"a": "b"}', "values are no numbers"),
        (b'{"a": 1, "b": 1}', "a number twice"),
        (b'{"a": -1}', "the numbers -1 to -1"),
        (b'{"a": 1000000000}', "the numbers 1000000000"),
        (b"O\nO", "'O' twice"),
        (b"[" * 100_000, "nests too deep"),
        (b"x" * (2 << 20), "2,097,152 bytes"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "names").write_bytes(data)
    with pytest.raises(ModelError, match="names: holds no names of outputs; expected a name on each line") as caught:
        read_names(tmp_path / "names")
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^names: can't be read \(No such file"):
        read_names(tmp_path / "names")
