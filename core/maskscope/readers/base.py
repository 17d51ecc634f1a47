"""What every reader implements and returns, and what the registry holds of each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias

import numpy as np

from maskscope.corpus_scan import Scan
from maskscope.errors import ReadError
from maskscope.padding import Padding
from maskscope.types import Embeddings, Sentence

MOST_LISTED = 1000
"""A note lists at most this many sentences, so that its memory is bounded; its text gives the full count."""

StoredDtype: TypeAlias = np.dtype[np.float16] | np.dtype[np.float32]


@dataclass(frozen=True)
class Note:
    """Something that a reader decided or found, for the person who imports.

    Attributes:
        kind: a stable name: "lengths-inferred", "interior-zero-rows", "padding-not-zero",
            "float64-stored-as-float32", "layers", "tokens-made", "no-labels", "members-ignored",
            "padded-in-front", "docstart-skipped", "conll-u", "order-unchecked"; the import adds "outside-guessed",
            "span-labels" and "data".
        text: one sentence for a person.
        sentences: the sentences it is about, counted from 0, at most `MOST_LISTED` of them.
    """

    kind: str
    text: str
    sentences: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReadOptions:
    """What a person can choose about a source besides its path.

    Attributes:
        embeddings: HDF5 file, or .npy of shape (n_tokens, D), for a format that holds no embeddings.
        labels: .npy of labels (N, T), (N, T, 1) or one-hot (N, T, C), for a padded array.
        lengths: .npy of ints (N,), or .txt with one int a line, for a padded array.
        layer: which of several layers to take; None means their mean, with a `Note`.
    """

    embeddings: Path | None = None
    labels: Path | None = None
    lengths: Path | None = None
    layer: int | Literal["mean", "concat"] | None = None


class Source(Protocol):
    """An open source. Use it as a context manager and iterate over it; each iteration starts from the top."""

    @property
    def n_sentences(self) -> int | None:
        """Sentences in the source, None when that is known only at its end."""

    @property
    def dim(self) -> int:
        """D of every sentence's embeddings (T, D)."""

    @property
    def dtype(self) -> StoredDtype:
        """Dtype of every sentence's embeddings: float16 or float32."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Label names in the source's own order, None when the labels seen are all there is to know."""

    @property
    def kind(self) -> Literal["binary", "multiclass"] | None:
        """The kind of scheme that the source itself implies, None when the label names decide."""

    @property
    def lengths_from(self) -> Literal["source", "inferred"]:
        """Whether lengths come from the source or were inferred from trailing zero rows."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[Sentence]:
        """Yield the sentences in reading order. Raises ReadError at the first that can't be read."""

    def notes(self) -> tuple[Note, ...]:
        """What was decided or found; complete after an iteration has ended."""

    def scan(self) -> Scan:
        """What an iteration found in the embeddings, padding included; complete after it has ended."""

    @property
    def padding(self) -> Padding | None:
        """What an iteration found at padded positions, and their side; None where there was none."""


@dataclass(frozen=True)
class Companion:
    """A file that a source may need, such as its labels: an option of the command and a field of the dialog.

    Attributes:
        name: of the field of `ReadOptions` and of the option `--NAME`.
        label: of the field of the dialog, with its mnemonic.
        help: below that field: what the file holds, a few words.
        description: Markdown: what the file holds, for docs/formats.md.
        suffixes: usual file suffixes, lower case, with their dot.
        matches: whether a file is such a file, by its name and first bytes.
        find: the file near a source that seems to be its companion; None when there is none.
        required: whether a source can't be read without it.
    """

    name: Literal["embeddings", "labels", "lengths"]
    label: str
    help: str
    description: str
    suffixes: tuple[str, ...]
    matches: Callable[[Path], bool]
    find: Callable[[Path], Path | None]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What the headers of a source and of its companions hold, for the import dialog.

    Attributes:
        text: one sentence about the source.
        companions: one sentence about a companion, by its name.
        n_layers: layers of each sentence's embeddings.
        layer_dim: D of one layer; 0 where layers can't be chosen.
    """

    text: str
    companions: Mapping[str, str] = field(default_factory=dict)
    n_layers: int = 1
    layer_dim: int = 0


@dataclass(frozen=True)
class ImportFormat:
    """An import format, one row of the registry. The import dialog, `maskscope formats` and the docs are made from it.

    Attributes:
        name: the value of `--format`.
        title: the name in a dialog.
        suffixes: usual file suffixes, lower case, with their dot.
        needs: one line: what the source must have.
        not_included: one line: what of such a file is not read.
        description: Markdown: what such a file holds, for docs/formats.md.
        sniff: whether the content of a file is of this format, by its first bytes.
        open: opens a file of this format; raises ReadError.
        preview: reads the headers of a file, and of the companions that are given; raises ReadError.
        companions: files that the reader takes besides the source.
        layers: whether the reader takes `--layer`.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    needs: str
    not_included: str
    description: str
    sniff: Callable[[Path], bool]
    open: Callable[[Path, ReadOptions], Source]
    preview: Callable[[Path, ReadOptions], Preview]
    companions: tuple[Companion, ...] = ()
    layers: bool = False

    def applicable(self, options: ReadOptions) -> ReadOptions:
        """`options` without those that this format does not take."""
        taken = {companion.name for companion in self.companions} | ({"layer"} if self.layers else set())
        return replace(options, **{each.name: None for each in fields(ReadOptions) if each.name not in taken})


class Tally:
    """Counts the sentences that notes are about, and lists the first of them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._listed: dict[str, list[int]] = {}

    def add(self, kind: str, sentence: int) -> None:
        """Count `sentence` under `kind`; a sentence is added once a kind."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        listed = self._listed.setdefault(kind, [])
        if len(listed) < MOST_LISTED:
            listed.append(sentence)

    def count(self, kind: str) -> int:
        """How many sentences were added under `kind`."""
        return self._counts.get(kind, 0)

    def listed(self, kind: str) -> tuple[int, ...]:
        """The first `MOST_LISTED` sentences added under `kind`."""
        return tuple(self._listed.get(kind, ()))

    def text(self, kind: str) -> str:
        """Such as "3 sentences (403, 883, 982)", with at most ten numbers written out."""
        count = self.count(kind)
        shown = ", ".join(str(i) for i in self.listed(kind)[:10])
        more = ", ..." if count > 10 else ""
        return f"{count} sentence{'' if count == 1 else 's'} ({shown}{more})"


def stored_dtype(dtype: np.dtype[np.generic], file: Path, sentence: int | None = None) -> StoredDtype:
    """The dtype that embeddings of `dtype` are stored in: float16 and float32 stay, wider floats become float32.

    Raises ReadError for anything but real floating point numbers.
    """
    if dtype.hasobject:
        raise ReadError(
            "the array holds Python objects (a pickle), which are never loaded",
            file=file,
            sentence=sentence,
            expected="float16 or float32 embeddings",
            received=f"dtype {dtype}",
        )
    if dtype.kind != "f":
        raise ReadError(
            "embeddings are not floating point",
            file=file,
            sentence=sentence,
            expected="float16 or float32 (pad_sequences needs dtype='float32')",
            received=f"dtype {dtype}",
        )
    return np.dtype(np.float16) if dtype.itemsize == 2 else np.dtype(np.float32)


def is_narrowed(dtype: np.dtype[np.generic]) -> bool:
    """Whether embeddings of `dtype` lose precision when they are stored as float32."""
    return dtype.kind == "f" and dtype.itemsize > 4


def narrowed(raw: np.ndarray, dtype: StoredDtype) -> Embeddings:
    """`raw` (..., D) of any float dtype and byte order as native, C-ordered `dtype`; too large values become Inf."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if dtype == np.float16:
            return raw.astype(np.float16, order="C", copy=False)
        return raw.astype(np.float32, order="C", copy=False)


def refuse_not_finite(rows: Embeddings, raw: np.ndarray, file: Path, sentence: int) -> None:
    """Raise ReadError when one of a sentence's `rows` (T, D), narrowed from `raw` (T, D), is not finite."""
    finite = np.isfinite(rows).all(axis=1)
    if finite.all():
        return
    position = int(np.argmin(finite))
    place = int(np.argmin(np.isfinite(rows[position])))
    value = raw[position, place]
    if np.isfinite(value):
        raise ReadError(
            f"the embedding at position {position} does not fit float32",
            file=file,
            sentence=sentence,
            expected=f"values up to {np.finfo(np.float32).max:.3g}",
            received=f"{value:.3g} in column {place}",
        )
    raise ReadError(
        f"the embedding at position {position} holds a value that is not a finite number",
        file=file,
        sentence=sentence,
        expected="finite values",
        received=f"{value} in column {place}",
    )


def refuse_surrogates(texts: tuple[str, ...], file: Path, sentence: int) -> None:
    """Raise ReadError when one of `texts` holds half a surrogate pair, which UTF-8 can't encode."""
    try:
        "".join(texts).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ReadError(
            "a token holds half a surrogate pair",
            file=file,
            sentence=sentence,
            expected="Unicode text",
            received=f"U+{ord(error.object[error.start]):04X}",
        ) from None


def head(path: Path, n_bytes: int = 4096) -> bytes:
    """The first bytes of a file. Raises ReadError when it can't be opened."""
    try:
        with path.open("rb") as stream:
            return stream.read(n_bytes)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> ReadError:
    """The error for a file that the system refuses to open or read."""
    return ReadError("can't be read", file=path, expected="a readable file", received=error.strerror or str(error))
