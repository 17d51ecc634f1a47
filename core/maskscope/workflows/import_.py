"""Import a source file into a new project folder, one sentence at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from maskscope.corpus_scan import DataFinding, data_finding
from maskscope.errors import ReadError
from maskscope.jobs import Job, NullJob
from maskscope.padding import Padding
from maskscope.project.store import Project
from maskscope.project.writer import ProjectWriter
from maskscope.readers import Note, ReadOptions, Source, open_source
from maskscope.types import OUTSIDE_NAMES, Sentence, TagScheme, span_parts

_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        path: the new project folder.
        n_sentences, n_tokens, dim, dtype: its size.
        scheme: its label set.
        lengths_from: "source", or "inferred" from trailing zero rows.
        n_collisions: how many real tokens have an embedding of zeros.
        collisions: (sentence, position) of the first thousand of them.
        notes: what a person should know about the import.
        data: whether the source's array agrees with its lengths; when it "failed", a note says so, too.
        free_values: numbers that could be used as padding, because no token's embedding is filled with one of them.
        padding: what the source was padded with, and on which side; None for a source without padding.
    """

    path: Path
    n_sentences: int
    n_tokens: int
    dim: int
    dtype: str
    scheme: TagScheme
    lengths_from: Literal["source", "inferred"]
    n_collisions: int
    collisions: tuple[tuple[int, int], ...]
    notes: tuple[Note, ...]
    data: DataFinding
    free_values: tuple[float, ...]
    padding: Padding | None = None

    @property
    def no_collisions(self) -> str:
        """The sentence to show when no collision was found."""
        if self.lengths_from == "inferred":
            return (
                "none found; but the lengths were inferred, so a zero token at a sentence's end was taken for padding."
            )
        return "none; no real token has an embedding of zeros."

    def summary(self) -> str:
        """The size of the new project, for a person."""
        return f"{self.n_sentences:,} sentences, {self.n_tokens:,} tokens, {self.dim} numbers each ({self.dtype})"


def import_project(
    target: Path | str,
    source: Path,
    options: ReadOptions | None = None,
    format_name: str | None = None,
    job: Job | None = None,
) -> ImportReport:
    """Read `source` into a new project at `target`, exactly as named; an empty folder of that name is replaced.

    Memory is bounded by one sentence or one block of the source, whatever its size. Raises ReadError,
    ProjectError or Cancelled; then nothing stays behind.
    """
    job = job or NullJob()
    with (
        open_source(source, options or ReadOptions(), format_name) as reader,
        ProjectWriter(
            Path(target), reader.dim, np.dtype(reader.dtype), classes=reader.classes, kind=reader.kind
        ) as writer,
    ):
        beginnings = _copy_sentences(reader, writer, source, job)
        scan = reader.scan()
        padding = reader.padding
        data = data_finding(scan, reader.lengths_from, "back" if padding is None else padding.side)
        scheme = writer.scheme()
        notes = (*reader.notes(), *_data_note(data), *_outside_note(scheme), *beginnings.note(scheme))
        job.progress(writer.n_sentences, writer.n_sentences, "sentences")
        writer.finish(
            source=source.name,
            lengths_from=reader.lengths_from,
            notes=[note.text for note in notes],
            padding=padding,
        )
    return _report(writer.target, notes, data, scan.free_values)


def _copy_sentences(reader: Source, writer: ProjectWriter, source: Path, job: Job) -> "_SpanBeginnings":
    """Add every sentence of the reader to the project. Raises ReadError that names the source."""
    total = reader.n_sentences or 0
    beginnings = _SpanBeginnings()
    try:
        for sentence in reader:
            writer.add(sentence)
            beginnings.add(sentence)
            if writer.n_sentences % 64 == 0:
                job.progress(writer.n_sentences, total, "sentences")
    except ReadError as error:
        if error.file is None:
            raise error.in_file(source) from error
        raise
    except OSError as error:
        raise ReadError(f"reading failed: {error.strerror or error}", file=source) from error
    return beginnings


def _report(path: Path, notes: tuple[Note, ...], data: DataFinding, free_values: tuple[float, ...]) -> ImportReport:
    """The report on a project that was just written."""
    with Project.open(path, read_only=True) as project:
        collisions = project.collisions()
        return ImportReport(
            path=path,
            n_sentences=project.n_sentences,
            n_tokens=project.n_tokens,
            dim=project.dim,
            dtype=project.dtype.name,
            scheme=project.scheme,
            lengths_from=project.lengths_from,
            n_collisions=len(collisions),
            collisions=tuple((int(sentence), int(position)) for sentence, position in collisions[:_MOST_LISTED]),
            notes=notes,
            data=data,
            free_values=free_values,
            padding=project.padding,
        )


def _data_note(data: DataFinding) -> tuple[Note, ...]:
    if data.verdict != "failed":
        return ()
    return (Note("data", data.text(), () if data.sentence is None else (data.sentence,)),)


def _outside_note(scheme: TagScheme) -> tuple[Note, ...]:
    outside = scheme.classes[scheme.outside]
    if outside in OUTSIDE_NAMES:
        return ()
    text = (
        f"No label has a name that means outside, such as O, so {outside} was taken as the outside label: key 0 sets"
        " it, and F1 leaves it out."
    )
    return (Note("outside-guessed", text),)


class _SpanBeginnings:
    """Counts how spans begin, to distinguish the two schemes called BIO.

    In IOB2 (BIO) every span begins with B-. In IOB1, the older one, spans begin with I-, and B- only separates two
    neighbouring spans.
    """

    def __init__(self) -> None:
        self._by_begin = 0
        self._by_inside = 0
        self._first: tuple[int, int] | None = None
        self._sentence = -1

    def add(self, sentence: Sentence) -> None:
        """Count the spans of one more sentence."""
        self._sentence += 1
        open_kind: str | None = None
        for position, name in enumerate(sentence.labels or ()):
            prefix, kind = span_parts(name) if name is not None else ("", "")
            if prefix in ("B", "S", "U"):
                self._by_begin += 1
            elif prefix and kind != open_kind:
                self._by_inside += 1
                self._first = self._first or (self._sentence, position)
            open_kind = kind if prefix and prefix in "BIM" else None

    def note(self, scheme: TagScheme) -> tuple[Note, ...]:
        """A note when spans begin with I-; none otherwise."""
        if scheme.spans is None or self._first is None:
            return ()
        sentence, position = self._first
        share = self._by_inside / (self._by_begin + self._by_inside)
        where = f"the first in sentence {sentence}, position {position}"
        if share > 0.5:
            text = (
                f"Most spans begin with I-, as in IOB1 ({where}): predictions are decoded as {scheme.spans}, where "
                "each begins with B-. Convert the labels, or turn decoding off (View menu, or --decoding argmax)."
            )
            return (Note("span-labels", text, (sentence,)),)
        number = f"{self._by_inside:,} span{' begins' if self._by_inside == 1 else 's begin'}"
        return (Note("span-labels", f"{number} without B-, against {scheme.spans} ({where}).", (sentence,)),)
