"""Export to CoNLL-like text: token, tab, label. Its grammar and escapes are in `maskscope.readers.conll_text`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from maskscope.errors import ExportError
from maskscope.exporters.base import ExportFormat, LabelledSentence
from maskscope.exporters.writing import Record, write_checked
from maskscope.jobs import Job
from maskscope.readers import conll_text


def write(path: Path, sentences: Iterable[LabelledSentence], classes: tuple[str, ...], job: Job) -> int:
    """Write the chosen labels of `sentences` and return how many sentences there were.

    Raises ExportError when something can't be written, Cancelled from `job`.
    """

    def records() -> Iterator[Record]:
        for s in sentences:
            if len(s.labels) != len(s.tokens):
                raise ExportError(
                    "labels don't fit the tokens",
                    file=path,
                    sentence=s.id,
                    expected=f"{len(s.tokens)} labels",
                    received=str(len(s.labels)),
                )
            text = conll_text.sentence_text(s.name, s.tokens, s.labels, s.comments)
            yield Record(s.id, text, [s.name, s.tokens, s.labels, s.comments])

    return write_checked(path, records(), _read_back, job)


def _read_back(path: Path) -> Iterator[object]:
    for s in conll_text.sentences(path, conll_text.layout(path)):
        if s is not None:
            yield [s.name, s.tokens, s.labels, s.comments]


FORMAT = ExportFormat(
    name="conll",
    title="CoNLL text",
    suffix=".conll",
    needs="labels; what a line can't hold is escaped, and the sentence says so",
    loses="embeddings, probabilities, the mask, review states, and gold and predictions beside the chosen labels",
    write=write,
)
