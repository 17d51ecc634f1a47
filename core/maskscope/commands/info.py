"""``maskscope info``: describe a project."""

import argparse
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command, add_project
from maskscope.commands.output_text import mask_value_json, output_record
from maskscope.commands.project_text import (
    collision_records,
    padding_record,
    say_collisions,
    scheme_record,
    scheme_text,
)
from maskscope.commands.terminal import counted, say, say_json

if TYPE_CHECKING:
    from maskscope.project import Project


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "info",
        run,
        "describe a project: sentences, labels, edits and models",
        "maskscope info tweets.maskscope\nmaskscope info tweets.maskscope --json",
    )
    add_project(parser)


def run(values: argparse.Namespace) -> int:
    """Describe a project."""
    from maskscope.project import Project

    with Project.open(values.project, read_only=True) as project:
        if values.json:
            say_json(_record(project))
        else:
            _say(project)
    return 0


def _record(project: "Project") -> dict[str, object]:
    import numpy as np

    counts = project.counts()
    return {
        "path": str(project.path),
        "sentences": project.n_sentences,
        "tokens": project.n_tokens,
        "longest": int(np.diff(project.offsets).max(initial=0)),
        "dim": project.dim,
        "dtype": project.dtype.name,
        "labels": dict(zip(project.scheme.classes, counts.labels, strict=True)),
        "unlabelled": counts.unlabelled,
        "scheme": scheme_record(project.scheme),
        "edits": project.edits.count(),
        "edited_tokens": counts.edited,
        "reviewed": counts.accepted,
        "flagged": counts.flagged,
        "collisions": collision_records(project),
        "collision_count": len(project.collisions()),
        "models": [
            {
                "id": model.id,
                "name": model.name,
                "f1": model.f1,
                "created": model.created,
                "complete": model.run.complete,
                "mask_value": mask_value_json(model.mask_value),
                "engine": model.run.engine,
                "engine_reason": model.run.engine_reason,
                "classes": list(model.output_names),
                **output_record(model.run.output, model.run.notes, model.n_columns),
                "scored": project.models.scores(model.id) is not None,
                "file": str(model.keras_file),
            }
            for model in project.models.all()
        ],
        "fingerprint": project.fingerprint,
        "source": project.source,
        "lengths_from": project.lengths_from,
        "padding": padding_record(project.padding),
        "notes": list(project.notes),
    }


def _say(project: "Project") -> None:
    import numpy as np

    counts = project.counts()
    longest = int(np.diff(project.offsets).max(initial=0))
    say(str(project.path))
    say(f"{counted(project.n_sentences, 'sentence')}, {counted(project.n_tokens, 'token')}, the longest has {longest}")
    rows = "leading" if project.padding is not None and project.padding.side == "front" else "trailing"
    inferred = f"; lengths inferred from {rows} rows of zeros" if project.lengths_from == "inferred" else ""
    say(f"embeddings: {project.dim} numbers per token, {project.dtype.name}{inferred}")
    if project.padding is not None:
        say(f"padding of the source: {project.padding.text_with_side}")
    labels = [f"{name} {n:,}" for name, n in zip(project.scheme.classes, counts.labels, strict=True)]
    if counts.unlabelled:
        labels.append(f"without a label {counts.unlabelled:,}")
    say(f"labels: {', '.join(labels)} ({scheme_text(project.scheme)})")
    say(
        f"edits: {project.edits.count():,} ({counted(counts.edited, 'token')});"
        f" reviewed: {counts.accepted:,}; flagged: {counts.flagged:,}"
    )
    models = project.models.all()
    for model in models:
        f1 = model.run.headline or "no F1"
        stale = "" if project.models.scores(model.id) is not None else ", not scored"
        say(f"model {model.id}: {model.name}, {f1}{stale}")
    if not models:
        say("models: none yet")
    for note in project.notes:
        say(f"note: {note}")
    say_collisions(collision_records(project), len(project.collisions()))
