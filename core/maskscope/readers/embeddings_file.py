"""Embeddings in a file of their own: HDF5 as ELMo tools write it, or rows in a .npy file.

HDF5: one dataset a sentence, called "0", "1", ... in reading order, of shape (T, D) or (layers, T, D); and
optionally ``sentence_to_index``, a JSON object {"sentence text": "index"} (AllenNLP's ``allennlp elmo``).
Sentences of equal text share one entry there.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from maskscope.corpus_scan import Scan, Scanner
from maskscope.errors import ReadError
from maskscope.readers.arrays import ArrayRows, StoredArray
from maskscope.readers.base import (
    Note,
    StoredDtype,
    Tally,
    head,
    narrowed,
    stored_dtype,
)
from maskscope.readers.embedding_notes import embedding_notes, scan_sentence
from maskscope.types import Embeddings

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
INDEX = "sentence_to_index"

MOST_INDEXED = 200_000
"""With more sentences, `sentence_to_index` is not read: it is one string that grows with the corpus."""

Layer: TypeAlias = int | Literal["mean", "concat"] | None


class EmbeddingRows(Protocol):
    """The embeddings of a text, taken sentence by sentence in reading order."""

    @property
    def dim(self) -> int:
        """D of what `take` returns."""

    @property
    def dtype(self) -> StoredDtype:
        """Dtype of what `take` returns."""

    @property
    def n_sentences(self) -> int | None:
        """Number of sentences in the file, None when it is not known."""

    @property
    def n_layers(self) -> int:
        """Layers of each sentence."""

    @property
    def layer_dim(self) -> int:
        """D of one layer; 0 where there is none to choose."""

    def describe(self) -> str:
        """Format, shape and dtype in a few words."""

    def start(self) -> None:
        """Begin again at sentence 0."""

    def take(self, sentence: int, tokens: tuple[str, ...]) -> Embeddings:
        """Embeddings (T, D) of `sentence`, whose tokens are given. Raises ReadError when they don't fit."""

    def finish(self, n_sentences: int) -> None:
        """Raise ReadError when the file holds more than `n_sentences`."""

    def notes(self) -> list[Note]:
        """What was decided or found so far."""

    def scan(self) -> Scan:
        """What the rows taken so far hold."""

    def close(self) -> None:
        """Close the file."""


def open_rows(path: Path, layer: Layer) -> EmbeddingRows:
    """Open the file of `--embeddings`, by its content. Raises ReadError when it is neither HDF5 nor .npy."""
    start = head(path, 16)
    if start.startswith(MAGIC_PREFIX):
        return FlatRows(path, layer)
    if start.startswith(HDF5_MAGIC):
        return Hdf5Rows(path, layer)
    raise ReadError(
        "holds no embeddings that can be read, or is broken",
        file=path,
        expected="an HDF5 file with a dataset a sentence, or a .npy of shape (n_tokens, D)",
        received=f"a file that begins with {start!r}" if start else "an empty file",
    )


class FlatRows:
    """Rows of a .npy file (n_tokens, D) in reading order, as in a project's embeddings.npy."""

    def __init__(self, path: Path, layer: Layer) -> None:
        self._path = path
        self._array = StoredArray(path)
        self.dtype: StoredDtype = stored_dtype(self._array.dtype, path)
        self.n_sentences: int | None = None
        if len(self._array.shape) != 2 or self._array.shape[1] == 0:
            raise ReadError(
                "does not hold one row a token",
                file=path,
                expected="shape (n_tokens, D), rows in reading order",
                received=self._array.describe(),
            )
        if layer not in (None, "mean", "concat", 0):
            raise ReadError("has one layer", file=path, expected="--layer 0", received=f"--layer {layer}")
        self.dim = self._array.shape[1]
        self.n_layers, self.layer_dim = 1, 0
        self._rows: ArrayRows | None = None
        self._tally = Tally()
        self._scanner = Scanner()

    def describe(self) -> str:
        """Such as "NumPy array, 5 tokens × 4, float32"."""
        n_tokens, dim = self._array.shape
        return f"NumPy array, {n_tokens:,} tokens × {dim:,}, {self._array.dtype.name}"

    def start(self) -> None:
        """Begin again at the first row."""
        self.close()
        self._rows = self._array.rows()
        self._tally = Tally()
        self._scanner = Scanner()

    def take(self, sentence: int, tokens: tuple[str, ...]) -> Embeddings:
        """The next len(tokens) rows."""
        rows = self._opened()
        if rows.left < len(tokens):
            raise ReadError(
                "there are fewer rows than tokens",
                file=self._path,
                sentence=sentence,
                expected=f"{len(tokens)} rows, one a token",
                received=f"{rows.left} left of {self._array.shape[0]}",
            )
        raw = rows.take(len(tokens))
        x_td = narrowed(raw, self.dtype)
        scan_sentence(self._scanner, self._tally, x_td, raw, self._path, sentence)
        return x_td

    def finish(self, n_sentences: int) -> None:
        """Raise ReadError when rows are left over."""
        rows = self._opened()
        if rows.left:
            n_rows = self._array.shape[0]
            raise ReadError(
                "there are more rows than tokens",
                file=self._path,
                sentence=max(0, n_sentences - 1),
                expected=f"{n_rows - rows.left} rows, one a token",
                received=str(n_rows),
            )

    def notes(self) -> list[Note]:
        """Narrowing and zero rows."""
        return embedding_notes(self._tally, self._array.dtype)

    def scan(self) -> Scan:
        """What the rows taken so far hold."""
        return self._scanner.result()

    def close(self) -> None:
        """Close the file."""
        if self._rows is not None:
            self._rows.__exit__(None, None, None)
            self._rows = None

    def _opened(self) -> ArrayRows:
        if self._rows is None:
            self.start()
        assert self._rows is not None
        return self._rows


class Hdf5Rows:
    """An HDF5 file with a dataset for each sentence, as ELMo tools write it."""

    def __init__(self, path: Path, layer: Layer) -> None:
        import h5py  # here, because it is slow to start and only this format needs it

        if isinstance(layer, int) and layer < 0:
            raise ReadError("layers count from 0", file=path, expected="--layer 0, 1, ...", received=str(layer))
        self._path = path
        self._layer = layer
        self._tally = Tally()
        self._scanner = Scanner()
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise self._broken(error, None) from None
        try:
            self._has_index = INDEX in self._file
            self.n_sentences: int | None = len(self._file) - int(self._has_index)
            shape, self._raw_dtype = self._shape(0)
            self._n_layers = shape[0] if len(shape) == 3 else None
            self._raw_dim = shape[-1]
            self.dtype: StoredDtype = stored_dtype(self._raw_dtype, path, 0)
            if self._n_layers == 0 or self._raw_dim == 0:
                raise ReadError(
                    "the dataset is empty",
                    file=path,
                    sentence=0,
                    expected="shape (T, D) or (layers, T, D)",
                    received=f"{shape} {self._raw_dtype}",
                )
            if isinstance(layer, int) and layer >= (self._n_layers or 1):
                raise ReadError(
                    "there is no such layer",
                    file=path,
                    sentence=0,
                    expected=f"--layer 0 to {(self._n_layers or 1) - 1}, mean or concat",
                    received=f"--layer {layer}",
                )
            self.dim = self._raw_dim * (self._n_layers or 1 if layer == "concat" else 1)
            self._order_note: Note | None = None
            self._place_of, self._text_at = self._index()
        except BaseException:
            self._file.close()
            raise

    @property
    def n_layers(self) -> int:
        """Layers of each sentence."""
        return self._n_layers or 1

    @property
    def layer_dim(self) -> int:
        """D of one layer."""
        return self._raw_dim

    def describe(self) -> str:
        """Such as "HDF5, 2 sentences × 3 layers of 4, float32"."""
        layers = f"{self.n_layers} layers of " if self.n_layers > 1 else ""
        return f"HDF5, {self.n_sentences:,} sentences × {layers}{self._raw_dim:,}, {self._raw_dtype}"

    def start(self) -> None:
        """Begin again at sentence 0."""
        self._tally = Tally()
        self._scanner = Scanner()

    def take(self, sentence: int, tokens: tuple[str, ...]) -> Embeddings:
        """Dataset `sentence`, its layers combined."""
        shape, dtype = self._shape(sentence)
        layers = shape[0] if len(shape) == 3 else None
        if dtype != self._raw_dtype or shape[-1] != self._raw_dim or layers != self._n_layers:
            first = "" if self._n_layers is None else f"{self._n_layers}, "
            raise ReadError(
                "the dataset is unlike that of sentence 0",
                file=self._path,
                sentence=sentence,
                expected=f"({first}n, {self._raw_dim}) {self._raw_dtype}",
                received=f"{shape} {dtype}",
            )
        if shape[-2] != len(tokens):
            raise ReadError(
                "the rows don't fit the tokens",
                file=self._path,
                sentence=sentence,
                expected=f"{len(tokens)} rows, one a token",
                received=f"{shape} {dtype}",
            )
        self._refuse_other_order(sentence, tokens)
        raw = self._combined(sentence)
        x_td = narrowed(raw, self.dtype)
        scan_sentence(self._scanner, self._tally, x_td, raw, self._path, sentence)
        return x_td

    def finish(self, n_sentences: int) -> None:
        """Raise ReadError when there is a dataset for one more sentence."""
        if str(n_sentences) in self._file:
            raise ReadError(
                "there are more datasets than sentences",
                file=self._path,
                sentence=n_sentences,
                expected=f"{n_sentences} datasets, one a sentence",
                received=str(self.n_sentences),
            )

    def notes(self) -> list[Note]:
        """Layers, narrowing, zero rows, and an order that could not be checked."""
        notes = [] if self._order_note is None else [self._order_note]
        if (self._n_layers or 1) > 1:
            what = {
                None: "their mean was taken (to choose another: --layer, or Layers in the import dialog)",
                "mean": "their mean was taken",
                "concat": f"they were joined end to end to {self.dim} columns",
            }
            chosen = f"layer {self._layer} was taken" if isinstance(self._layer, int) else what[self._layer]
            notes.append(Note("layers", f"Each sentence has {self._n_layers} layers; {chosen}."))
        return notes + embedding_notes(self._tally, self._raw_dtype)

    def scan(self) -> Scan:
        """What the rows taken so far hold."""
        return self._scanner.result()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _shape(self, sentence: int) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
        """Shape (T, D) or (layers, T, D) and dtype of a sentence's dataset."""
        try:
            found = self._file.get(str(sentence))
            shape = getattr(found, "shape", None)
            if found is not None and shape is not None and len(shape) in (2, 3):
                return tuple(shape), np.dtype(found.dtype)
        except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
            raise self._broken(error, sentence) from None
        if found is None:
            raise ReadError(
                f'there is no dataset "{sentence}"',
                file=self._path,
                sentence=sentence,
                expected='datasets "0", "1", ..., one a sentence',
                received=f"{self.n_sentences} datasets",
            )
        raise ReadError(
            "the dataset has another shape",
            file=self._path,
            sentence=sentence,
            expected="shape (T, D) or (layers, T, D)",
            received=f"a group named {sentence}" if shape is None else f"{shape} {found.dtype}",
        )

    def _combined(self, sentence: int) -> np.ndarray:
        """Rows (T, D) in a float dtype."""
        try:
            dataset = self._file[str(sentence)]
            if self._n_layers is None:
                return np.asarray(dataset[()])
            if isinstance(self._layer, int):
                return np.asarray(dataset[self._layer])
            layers: np.ndarray = dataset[()]
        except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
            raise self._broken(error, sentence) from None
        if self._layer == "concat":
            return np.concatenate(list(layers), axis=1)
        # The sum of float16 rows can be out of the range of float16 where their mean is not.
        wide = np.float64 if layers.dtype.itemsize > 4 else np.float32
        with np.errstate(over="ignore", invalid="ignore"):
            mean: np.ndarray = layers.mean(axis=0, dtype=wide)
        return mean

    def _index(self) -> tuple[dict[str, int], dict[int, str]]:
        """Index of each sentence's text, and the text at each index; both empty when there is nothing to check."""
        if not self._has_index:
            return {}, {}
        if self.n_sentences is not None and self.n_sentences > MOST_INDEXED:
            self._order_note = Note(
                "order-unchecked", f"{INDEX} was not read, because there are more than {MOST_INDEXED} sentences."
            )
            return {}, {}
        place_of: dict[str, int] = {}
        with suppress(OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
            stored = self._file[INDEX]
            text = stored[()] if stored.shape == () else stored[0]
            read = json.loads(text)
            place_of = {str(key): int(place) for key, place in read.items()}
        if not place_of:
            self._order_note = Note(
                "order-unchecked",
                f"{INDEX} is not a JSON object of sentences and their places, so the order was not checked.",
            )
        return place_of, {place: text for text, place in place_of.items()}

    def _refuse_other_order(self, sentence: int, tokens: tuple[str, ...]) -> None:
        """Raise ReadError when the index has this text at another place, and another text here.

        A text that the index does not have is no error, since it may have been tokenised otherwise. Of several
        sentences with the same text only the last has a place.
        """
        if not self._place_of:
            return
        text = " ".join(tokens)
        # Some tools write keys as names of HDF5 datasets, which can't contain these two characters.
        for key in (text, text.replace(".", "$period$").replace("/", "$backslash$")):
            place = self._place_of.get(key)
            if place is None:
                continue
            claimed = self._text_at.get(sentence)
            if place != sentence and claimed is not None and claimed != key:
                raise ReadError(
                    f"the sentences are in another order than in {INDEX}",
                    file=self._path,
                    sentence=sentence,
                    expected=repr(claimed[:60]),
                    received=f"{text[:60]!r}, which the file has at {place}",
                )
            return

    def _broken(self, error: Exception, sentence: int | None) -> ReadError:
        return ReadError(
            "can't be read, so it is broken or truncated",
            file=self._path,
            sentence=sentence,
            expected="a whole HDF5 file",
            received=str(error).splitlines()[0] if str(error) else type(error).__name__,
        )
