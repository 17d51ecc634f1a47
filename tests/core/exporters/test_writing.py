"""An export replaces the file only if it succeeds, in every format."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskscope.errors import Cancelled, ExportError
from maskscope.exporters import LabelledSentence, export, formats, writing
from maskscope.jobs import FlagJob, Job
from tests.core.exporters.export_sentences import labelled

NAMES = [row.name for row in formats()]


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
@pytest.mark.parametrize("format_name", NAMES)
def test_a_cancelled_export_leaves_the_old_file(tmp_path: Path, report: int, format_name: str) -> None:
    path = tmp_path / "x"
    path.write_text("old", encoding="utf-8")
    job: Job = CancelAt(report)
    sentences = (labelled(("a",), ("O",), id=i) for i in range(100))
    with pytest.raises(Cancelled):
        export(path, sentences, format_name, ("O", "B"), job)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["x"]  # noqa: PTH208 - hidden files count


def test_sentences_that_fail_leave_the_old_file(tmp_path: Path) -> None:
    def failing() -> Iterator[LabelledSentence]:
        yield labelled(("a",), ("O",))
        raise KeyError("broken")

    (tmp_path / "x").write_text("old", encoding="utf-8")
    with pytest.raises(KeyError):
        export(tmp_path / "x", failing(), "conll", ("O",))
    assert (tmp_path / "x").read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_reads_back_differently_does_not_replace_the_old_one(tmp_path: Path) -> None:
    def records() -> Iterator[writing.Record]:
        yield writing.Record(4, "a\tO\n", ["a"])
        yield writing.Record(9, "b\tO\n", ["b"])

    def reading(values: list[list[str]]) -> writing.ReadBack:
        return lambda _: iter(values)

    for back, message in (
        ([["a"], ["c"]], r"sentence 9 of x: .*differs"),
        ([["a"]], "expected 2 sentences; received 1"),
        ([["a"], ["b"], ["b"]], "differs"),
    ):
        with pytest.raises(ExportError, match=message):
            writing.write_checked(tmp_path / "x", records(), reading(back), FlagJob())
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["missing/x.conll", "."])
def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(ExportError):
        export(tmp_path / where, [labelled(("a",), ("O",))], "conll", ("O",))


@pytest.mark.parametrize("format_name", NAMES)
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
