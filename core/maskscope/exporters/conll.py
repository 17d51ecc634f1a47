"""Export to CoNLL-like text: token, tab, label. The grammar and the escapes are in `maskscope.readers.conll_text`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from maskscope.errors import ExportError
from maskscope.exporters.base import ExportFormat, LabelledSentence
from maskscope.exporters.writing import Record, write_checked
from maskscope.jobs import Job
from maskscope.readers import conll_text


def write(path: Path, sentences: Iterable[LabelledSentence], classes: tuple[str, ...], job: Job) -> int:
    """Write the chosen labels of `sentences` and return the number of sentences.

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
            text = conll_text.sentence_lines(s.name, s.tokens, s.labels, s.comments)
            yield Record(s.id, text, [s.name, s.tokens, s.labels, s.comments])

    return write_checked(path, records(), _read_back, job)


def _read_back(path: Path) -> Iterator[object]:
    for s in conll_text.sentences(path, conll_text.layout(path)):
        if s is not None:
            yield [s.name, s.tokens, s.labels, s.comments]


_DESCRIPTION = r"""
`token<tab>label`, with the sentence's name and comments before it. Tokens and labels come back as they were,
whatever they contain. A sentence that holds something that a line can't hold begins with a
special comment, and everything from there to its end is escaped; all other sentences are not, backslashes included.
```
# maskscope.escaped = backslash
tab\there	O
\e	O
unlabelled	\N
```
| escape | means | when |
|---|---|---|
| `\N` | no label (which is not `O`) | as a whole column |
| `\e` | the empty string | as a whole column |
| `\t` `\n` `\r` `\\` | tab, line feed, carriage return, backslash | |
| `\uXXXX` | the character of that code | see below |

`\uXXXX` is written for other control characters and line ends (U+0000-001F, 007F-009F, 2028, 2029), for a space at
either end, for the first character of a token that begins with `# `, `-DOCSTART-` or U+FEFF, and for that of a comment
that begins with `maskscope.` or `sent_id`.

A sentence without tokens is the comment `# maskscope.empty = true`. Half a surrogate pair is refused: UTF-8 can't hold
it.
"""

FORMAT = ExportFormat(
    name="conll",
    title="CoNLL text",
    suffixes=(".conll",),
    needs="labels; what a line can't hold is escaped, and a comment marks the sentence",
    not_included="embeddings, probabilities, the mask, review states, labels other than the chosen ones",
    description=_DESCRIPTION.strip(),
    write=write,
)
