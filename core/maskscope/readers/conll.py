"""Import CoNLL-like text, with its embeddings from another file."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from maskscope.corpus_scan import Scan
from maskscope.errors import ReadError
from maskscope.padding import Padding
from maskscope.readers import conll_text
from maskscope.readers.base import (
    ImportFormat,
    Note,
    Preview,
    ReadOptions,
    Source,
    StoredDtype,
    head,
)
from maskscope.readers.embeddings_companion import EMBEDDINGS
from maskscope.readers.embeddings_file import open_rows
from maskscope.types import Sentence

_DESCRIPTION = r"""
```
# sent_id = dev-17
# text = #nowplaying in New York
#nowplaying	O
in	O
New York	B-location

next	O
```
- UTF-8; a line ends at `\n` (a `\r` before it is dropped), and at no other character.
- Columns are separated by tabs if the first token line has one (tokens may then hold spaces), else by runs of
  spaces and tabs. The token is the first column, its label the last; an empty label is no label; a file with
  one column has no labels. Every token line has as many columns as the first.
- An empty line, or one of spaces and tabs, ends a sentence.
- A line that begins with `#` is a comment if it comes before the first token of its sentence and has another
  number of columns than the token lines. So `#nowplaying<tab>O` and `#<tab>O` are tokens.
  `# sent_id = ` names the sentence; other comments are kept with it.
- `-DOCSTART-` lines before a sentence are skipped, with a note. They have no embeddings.
- CoNLL-U (ten columns separated by tabs, numbered tokens): the token is FORM, the label MISC; multiword ranges
  (`1-2`) and empty nodes (`1.1`) are skipped.
""".strip()


class ConllSource:
    """A `Source` over a text and a file of its embeddings.

    Args:
        path: the text.
        options: `embeddings` is required; `layer` is used.

    Raises ReadError when one of the two is refused.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        if options.embeddings is None:
            raise ReadError(
                "the text comes without embeddings",
                file=path,
                expected="--embeddings FILE (HDF5 with a dataset a sentence, or .npy with a row a token)",
                received="none",
            )
        self._path = path
        self._layout = conll_text.layout(path)
        self._rows = open_rows(options.embeddings, options.layer)
        self._docstarts = 0

    @property
    def n_sentences(self) -> int | None:
        """Datasets of the HDF5 file; None when the embeddings don't say."""
        return self._rows.n_sentences

    @property
    def dim(self) -> int:
        """D, after layers were combined."""
        return self._rows.dim

    @property
    def dtype(self) -> StoredDtype:
        """float16 or float32."""
        return self._rows.dtype

    @property
    def classes(self) -> tuple[str, ...] | None:
        """None: the labels seen are all there is to know."""
        return None

    @property
    def kind(self) -> Literal["binary", "multiclass"] | None:
        """None: the label names decide."""
        return None

    @property
    def lengths_from(self) -> Literal["source", "inferred"]:
        """Always "source": the file has one line for each token, so each sentence has a known length."""
        return "source"

    @property
    def padding(self) -> Padding | None:
        """None: the sentences are not padded."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()

    def __iter__(self) -> Iterator[Sentence]:
        """Yield the sentences of the text, each with its embeddings."""
        self._rows.start()
        self._docstarts = 0
        n_sentences = 0
        for text in conll_text.sentences(self._path, self._layout):
            if text is None:
                self._docstarts += 1
                continue
            embeddings = self._rows.take(n_sentences, text.tokens)
            n_sentences += 1
            yield Sentence(text.tokens, embeddings, text.labels, text.name, text.comments)
        if not n_sentences:
            raise _no_sentence(self._path)
        self._rows.finish(n_sentences)

    def notes(self) -> tuple[Note, ...]:
        """What was decided about columns and layers, and what was found."""
        notes = []
        if self._layout.conllu:
            notes.append(Note("conll-u", "The file is CoNLL-U: tokens are its second column, labels its last (MISC)."))
        if self._docstarts:
            notes.append(Note("docstart-skipped", f"Lines that begin with -DOCSTART- were skipped: {self._docstarts}."))
        if self._layout.columns == 1:
            notes.append(Note("no-labels", "The file has a single column, so there are no labels."))
        return (*notes, *self._rows.notes())

    def scan(self) -> Scan:
        """What was seen of the embeddings."""
        return self._rows.scan()


def sniff(path: Path) -> bool:
    """Whether `path` is UTF-8 text whose first line that is no comment has a tab."""
    start = head(path)
    if b"\0" in start:
        return False
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut off by the end of the block is no fault of the file.
        if error.start < len(start) - 3:
            return False
        text = start[: error.start].decode("utf-8")
    first = next((line for line in text.split("\n") if line.strip() and not line.startswith("# ")), "")
    return "\t" in first


def open_conll(path: Path, options: ReadOptions) -> Source:
    """Open a text with a line a token. Raises ReadError when it or its embeddings are refused."""
    return ConllSource(path, options)


def preview(path: Path, options: ReadOptions) -> Preview:
    """The columns of the text, and the shape of its embeddings. Raises ReadError when one of the files is refused."""
    lines = conll_text.layout(path)
    if lines.columns == 0:
        raise _no_sentence(path)
    if lines.conllu:
        text = "CoNLL-U text: tokens are its second column, labels its last"
    elif lines.columns == 1:
        text = "Text with a token a line and no labels"
    else:
        text = f"CoNLL text, {lines.columns} columns: the token first, its label last"
    if options.embeddings is None:
        return Preview(text)
    rows = open_rows(options.embeddings, options.layer)
    try:
        return Preview(text, {EMBEDDINGS.name: rows.describe()}, rows.n_layers, rows.layer_dim)
    finally:
        rows.close()


def _no_sentence(path: Path) -> ReadError:
    return ReadError("holds no sentence", file=path, expected="a line a token", received="no token line")


FORMAT = ImportFormat(
    name="conll",
    title="CoNLL text with embeddings",
    suffixes=(".conll", ".conllu", ".bio", ".iob", ".iob2", ".tsv", ".txt"),
    needs="a line a token, its label last, an empty line between sentences; --embeddings in HDF5 or .npy",
    not_included="columns between the first and the last, and -DOCSTART- lines",
    description=_DESCRIPTION,
    sniff=sniff,
    open=open_conll,
    preview=preview,
    companions=(EMBEDDINGS,),
    layers=True,
)
