"""From a source file to a project folder, streaming."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from maskscope.errors import ReadError
from maskscope.jobs import Job, NullJob
from maskscope.project.store import Project
from maskscope.project.writer import ProjectWriter
from maskscope.readers import Note, ReadOptions, open_source
from maskscope.types import OUTSIDE_NAMES, TagScheme


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import made, and what it has to say about it.

    Attributes:
        path: the new project folder.
        collisions: (sentence, position) of the first thousand real tokens whose embedding is all zeros.
        n_collisions: how many there are.
        lengths_from: "source", or "inferred" from trailing zero rows.
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

    def summary(self) -> str:
        """The import in a few words."""
        return f"{self.n_sentences:,} sentences, {self.n_tokens:,} tokens, {self.dim} numbers each ({self.dtype})"


def import_project(
    target: Path | str,
    source: Path,
    options: ReadOptions | None = None,
    format_name: str | None = None,
    job: Job | None = None,
) -> ImportReport:
    """Read `source` into a new project at `target`, exactly as named; an empty folder of that name is taken.

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
        total = reader.n_sentences or 0
        try:
            for sentence in reader:
                writer.add(sentence)
                if writer.n_sentences % 64 == 0:
                    job.progress(writer.n_sentences, total, "sentences")
        except ReadError as error:
            if error.file is None:
                raise ReadError(
                    error.message,
                    file=source,
                    sentence=error.sentence,
                    expected=error.expected,
                    received=error.received,
                ) from error
            raise
        except OSError as error:
            raise ReadError(f"reading failed: {error.strerror or error}", file=source) from error
        notes = (*reader.notes(), *_outside_note(writer.scheme()))
        meta = {
            "source": source.name,
            "lengths_from": reader.lengths_from,
            "notes": json.dumps([note.text for note in notes], ensure_ascii=False),
        }
        job.progress(writer.n_sentences, writer.n_sentences, "sentences")
        scheme = writer.finish(meta)
    with Project.open(writer.target, read_only=True) as project:
        first = [(int(sentence), int(position)) for sentence, position in project.collisions()[:1000]]
        return ImportReport(
            writer.target,
            project.n_sentences,
            project.n_tokens,
            project.dim,
            project.dtype.name,
            scheme,
            project.lengths_from,
            writer.n_collisions,
            tuple(first),
            notes,
        )


def _outside_note(scheme: TagScheme) -> tuple[Note, ...]:
    outside = scheme.classes[scheme.outside]
    if outside in OUTSIDE_NAMES:
        return ()
    words = f"No label says “nothing here”, so {outside} was taken for it: key 0 sets it, and F1 leaves it out."
    return (Note("outside-guessed", words),)
