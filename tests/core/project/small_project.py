"""A small project to test with, and what the tests of this folder share."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskscope.project import Project, ProjectWriter
from maskscope.runs import OutputMap, RunInfo, TrainSettings
from maskscope.types import NO_EDIT, NO_LABEL, Floats, Sentence

OUT, LOC, PER = 0, 1, 2
"""Class ids of the small project."""

Tallies = tuple[list[int], int, int, int, int]


def sentence(tokens: Sequence[str], labels: Sequence[str | None] | None = None, fill: float = 1.0) -> Sentence:
    rows = np.full((len(tokens), 3), fill, dtype=np.float32)
    return Sentence(tuple(tokens), rows, None if labels is None else tuple(labels))


def write(target: Path, sentences: Sequence[Sentence]) -> Path:
    with ProjectWriter(target, 3, np.dtype(np.float32)) as writer:
        for each in sentences:
            writer.add(each)
        writer.finish(source="x")
    return target


def write_small(target: Path) -> Path:
    """Ann(PER) went(OUT) | an empty sentence | to(OUT) Rome(LOC) ?(no label)."""
    return write(
        target,
        [
            sentence(["Ann", "went"], ["PER", "O"]),
            sentence([], []),
            sentence(["to", "Rome", "?"], ["O", "LOC", None]),
        ],
    )


def counted(project: Project) -> Tallies:
    """The counts that the project keeps."""
    counts = project.counts()
    return list(counts.labels), counts.unlabelled, counts.edited, counts.accepted, counts.flagged


def recounted(project: Project) -> Tallies:
    """The same counts, from the sentences alone."""
    now = np.concatenate([row.labels for row in project.sentences()])
    edits = np.concatenate([row.edits for row in project.sentences()])
    states = [row.state for row in project.sentences()]
    return (
        [int((now == code).sum()) for code in range(len(project.scheme.classes))],
        int((now == NO_LABEL).sum()),
        int((edits != NO_EDIT).sum()),
        states.count("accepted"),
        states.count("flagged"),
    )


def fill_disk(project: Project) -> None:
    """Forbid the database to grow, as a full disk does."""
    pages = project._db.execute("PRAGMA page_count").fetchone()[0]
    project._db.execute(f"PRAGMA max_page_count = {pages}")


def free_disk(project: Project) -> None:
    """Let the database grow again."""
    project._db.execute("PRAGMA max_page_count = 1000000")


def model_folder(
    project: Project, name: str = "BiLSTM 10", scores: Floats | None = None, output: OutputMap | None = None
) -> Path:
    made = project.models.new_folder()
    (made / "model.keras").write_bytes(b"keras")
    (made / "weights.npz").write_bytes(b"npz")
    run = RunInfo(
        name,
        12.5,
        TrainSettings(),
        project.scheme,
        project.dim,
        fingerprint=project.fingerprint,
        output=output or OutputMap(),
    )
    (made / "run.json").write_text(run.to_json(), encoding="utf-8")
    if scores is not None:
        np.save(made / "scores.npy", scores)
    return made


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
