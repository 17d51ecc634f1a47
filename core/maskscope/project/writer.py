"""Write a new project folder, one sentence at a time, in bounded memory."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal

import numpy as np

from maskscope.errors import ProjectError, ReadError
from maskscope.files import sync_folder
from maskscope.masks import collisions
from maskscope.padding import Padding
from maskscope.project import schema
from maskscope.project.schema import (
    json_text,
    labels_blob,
    labels_from_blob,
    padding_json,
    plain_text,
    scheme_json,
)
from maskscope.types import NO_LABEL, OUTSIDE_NAMES, Embeddings, Labels, Sentence, TagScheme

SUFFIX = ".maskscope"
BLOCK = 4096
MOST_CLASSES = 2000


def project_path(path: Path | str) -> Path:
    """`path` with the suffix of project folders added, unless it has it."""
    path = Path(path)
    return path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)


def refuse_taken(target: Path) -> None:
    """Raise ProjectError when no new project can be made at `target`: it has no name, or one that is taken.

    An empty folder is not taken.
    """
    if target.name in ("", ".."):
        raise ProjectError("a new project needs a name of its own", received=repr(str(target)))
    if target.exists() and not (target.is_dir() and next(target.iterdir(), None) is None):
        raise ProjectError("a file or folder of this name is there already; choose another name", file=target)


class ProjectWriter:
    """Writes a project into a temporary folder, which `finish` renames to `target`; use it as a context manager.

    When `finish` was not called, or failed, nothing stays behind.

    Args:
        target: the project folder to make, exactly as named; must not exist, unless as an empty folder.
        dim: D, numbers per embedding.
        dtype: float16 or float32, in which the embeddings are stored.
        classes: label names in the order of their class ids, when the source knows it.
        kind: the kind of scheme that `classes` make; None decides by their number.

    Raises ProjectError when the target exists or its folder can't be written.
    """

    def __init__(
        self,
        target: Path,
        dim: int,
        dtype: np.dtype[np.float16] | np.dtype[np.float32],
        *,
        classes: Sequence[str] | None = None,
        kind: Literal["binary", "multiclass"] | None = None,
    ) -> None:
        self.target = target
        refuse_taken(target)
        self._folder = target.with_name(f"{target.name}.partial-{uuid.uuid4().hex[:8]}")
        self._dim = dim
        self._dtype = np.dtype(dtype)
        self._given = tuple(classes) if classes is not None else None
        self._kind = kind
        self._codes: dict[str, int] = {name: code for code, name in enumerate(self._given or ())}
        self._hash = hashlib.blake2b(digest_size=16)
        self.n_sentences = 0
        self.n_tokens = 0
        self._lengths: list[int] = []
        self._rows: list[tuple[int, str, str, bytes | None, str | None]] = []
        self._collisions: list[tuple[int, int]] = []
        self._counts: dict[int, int] = {}
        self._opened = contextlib.ExitStack()
        try:
            self._open()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | sqlite3.Error):
                reason = error.strerror if isinstance(error, OSError) else None
                raise ProjectError(f"the project can't be written here: {reason or error}", file=target) from error
            raise

    def _open(self) -> None:
        """Make the folder and open its files; `close` closes and removes what was made."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir()
        self._opened.callback(shutil.rmtree, self._folder, ignore_errors=True)
        (self._folder / "models").mkdir()
        (self._folder / "scores").mkdir()
        self._array: IO[bytes] = self._opened.enter_context((self._folder / "embeddings.npy").open("wb"))
        _write_npy_header(self._array, (0, self._dim), self._dtype)
        self._db = sqlite3.connect(self._folder / "project.sqlite", isolation_level=None)
        self._opened.callback(self._db.close)
        # Safe without a journal: until the folder is renamed, nobody takes it for a project.
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(schema.TABLES)
        self._db.execute("BEGIN")

    def __enter__(self) -> "ProjectWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files, and remove the folder unless `finish` has made it a project."""
        # On a full disk a file can't be closed cleanly; it is removed all the same.
        with contextlib.suppress(sqlite3.Error, OSError):
            self._opened.close()

    def add(self, sentence: Sentence) -> None:
        """Append one sentence. Raises ReadError when its arrays do not fit its tokens or the project."""
        n_tokens = len(sentence.tokens)
        if sentence.embeddings.shape != (n_tokens, self._dim):
            raise ReadError(
                "the embeddings don't fit the tokens",
                sentence=self.n_sentences,
                expected=f"{(n_tokens, self._dim)} {self._dtype}",
                received=f"{sentence.embeddings.shape} {sentence.embeddings.dtype}",
            )
        rows: Embeddings = np.ascontiguousarray(sentence.embeddings, dtype=self._dtype)  # type: ignore[assignment]
        data = rows.tobytes()
        self._hash.update(data)
        self._hash.update(n_tokens.to_bytes(8, "little"))
        with self._saving():
            self._array.write(data)
        for position in collisions(rows):
            self._collisions.append((self.n_sentences, int(position)))
        gold = None if sentence.labels is None else self._encode(sentence.labels)
        if gold is not None:
            codes, counts = np.unique(gold, return_counts=True)
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
                self._counts[code] = self._counts.get(code, 0) + count
        else:
            self._counts[NO_LABEL] = self._counts.get(NO_LABEL, 0) + n_tokens
        comments = json_text(sentence.comments) if sentence.comments else None
        self._rows.append(
            (
                self.n_sentences,
                plain_text(sentence.name),
                json_text(sentence.tokens),
                None if gold is None else labels_blob(gold),
                comments,
            )
        )
        self._lengths.append(n_tokens)
        self.n_sentences += 1
        self.n_tokens += n_tokens
        with self._saving():
            if len(self._lengths) == BLOCK:
                self._flush_block()
            elif len(self._rows) == 256:
                self._flush_rows()

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise ProjectError(
                "the project could not be written; is the disk full?", file=self.target, received=reason or str(error)
            ) from error

    def _encode(self, labels: tuple[str | None, ...]) -> Labels:
        codes = self._codes
        for name in labels:
            if name is not None and name not in codes:
                if self._given is not None or len(codes) == MOST_CLASSES:
                    expected = (
                        f"one of {', '.join(self._given[:8])}" if self._given else f"at most {MOST_CLASSES} labels"
                    )
                    raise ReadError(
                        "a label is not of the label set",
                        sentence=self.n_sentences,
                        expected=expected,
                        received=name,
                    )
                codes[name] = len(codes)
        return np.array([NO_LABEL if name is None else codes[name] for name in labels], dtype=np.int16)

    def _flush_rows(self) -> None:
        self._db.executemany(
            "INSERT INTO sentence (id, name, tokens, gold, comments) VALUES (?, ?, ?, ?, ?)", self._rows
        )
        self._rows.clear()
        self._db.executemany("INSERT INTO collision VALUES (?, ?)", self._collisions)
        self._collisions.clear()

    def _flush_block(self) -> None:
        self._flush_rows()
        first = self.n_sentences - len(self._lengths)
        self._db.execute("INSERT INTO block VALUES (?, ?)", (first, np.array(self._lengths, dtype="<i4").tobytes()))
        self._lengths.clear()

    def finish(
        self,
        *,
        source: str = "",
        lengths_from: Literal["source", "inferred"] = "source",
        notes: Sequence[str] = (),
        padding: Padding | None = None,
    ) -> TagScheme:
        """Write the rest, sync everything to the disk, and rename the folder to `target`.

        Args:
            source: name of the file that the sentences come from.
            lengths_from: "inferred" when the lengths come from trailing zero rows.
            notes: notes of the import, a sentence each.
            padding: what the source was padded with; None when it was not, or that is not known.

        Returns the label set. Raises ProjectError when there is no sentence, or `target` has come to exist meanwhile.
        """
        if self.n_sentences == 0:
            raise ProjectError("the source holds no sentence", file=self.target)
        with self._saving():
            self._flush_block()
            scheme = self._settle_scheme()
            origin = {"source": source, "lengths_from": lengths_from, "notes": json_text(list(notes))}
            self._write_meta(scheme, {**origin, "padding": padding_json(padding)})
            self._sync()
        try:
            if self.target.exists():
                # Only an empty folder lets itself be removed; Windows renames nothing onto a folder.
                self.target.rmdir()
            self._folder.rename(self.target)
        except OSError as error:
            raise ProjectError(f"the finished project can't be put here: {error.strerror}", file=self.target) from error
        sync_folder(self.target.parent)
        return scheme

    def _write_meta(self, scheme: TagScheme, origin: dict[str, str]) -> None:
        for code, count in self._counts.items():
            self._db.execute("INSERT INTO tally VALUES (?, ?)", (f"class:{code}", count))
        meta = {
            "scheme": scheme_json(scheme),
            "dim": str(self._dim),
            "dtype": self._dtype.name,
            "n_sentences": str(self.n_sentences),
            "n_tokens": str(self.n_tokens),
            "fingerprint": self._hash.hexdigest(),
            "created": repr(time.time()),
            **{key: plain_text(value) for key, value in origin.items()},
        }
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self._db.execute("COMMIT")
        self._db.execute(f"PRAGMA user_version = {schema.VERSION}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.close()

    def _sync(self) -> None:
        _write_npy_header(self._array, (self.n_tokens, self._dim), self._dtype)
        self._array.flush()
        os.fsync(self._array.fileno())
        self._array.close()
        with (self._folder / "project.sqlite").open("rb+") as file:
            os.fsync(file.fileno())
        sync_folder(self._folder)

    def scheme(self) -> TagScheme:
        """The label set of the sentences added so far."""
        if self._given is not None:
            binary = self._kind == "binary" or (self._kind is None and len(self._given) == 2)
            outside = next((place for place, name in enumerate(self._given) if name in OUTSIDE_NAMES), 0)
            return TagScheme("binary" if binary else "multiclass", self._given, 0 if binary else outside)
        scheme = TagScheme.from_labels(self._codes)
        if self._kind == "multiclass" and scheme.kind == "binary":
            scheme = TagScheme("multiclass", scheme.classes, scheme.outside)
        return scheme

    def _settle_scheme(self) -> TagScheme:
        scheme = self.scheme()
        if self._given is not None:
            return scheme
        place = np.array([scheme.classes.index(name) for name in self._codes], dtype=np.int16)
        if (place != np.arange(len(place))).any():
            self._renumber(np.append(place, np.int16(NO_LABEL)))
        return scheme

    def _renumber(self, place: Labels) -> None:
        # -1 picks the last entry of `place`, so a token without a label keeps having none.
        for first in range(0, self.n_sentences, BLOCK):
            rows = self._db.execute(
                "SELECT gold, id FROM sentence WHERE id >= ? AND id < ? AND gold IS NOT NULL",
                (first, first + BLOCK),
            ).fetchall()
            self._db.executemany(
                "UPDATE sentence SET gold = ? WHERE id = ?",
                [(labels_blob(place[labels_from_blob(gold)]), key) for gold, key in rows],
            )
        self._counts = {int(place[code]): count for code, count in self._counts.items()}


def _write_npy_header(
    stream: IO[bytes], shape: tuple[int, int], dtype: np.dtype[np.float16] | np.dtype[np.float32]
) -> None:
    """Write the header of an .npy file at the start; numpy makes it as long for any number of rows."""
    stream.seek(0)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
