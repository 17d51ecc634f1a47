"""The commands about projects and files: demo, import, info, export, formats."""

import argparse
from typing import TYPE_CHECKING

from maskscope.commands.terminal import TerminalJob, say, say_json, shown, table

if TYPE_CHECKING:
    from maskscope.project import Project
    from maskscope.types import TagScheme

_MOST_LISTED = 1000
_MOST_PRINTED = 20


def demo(values: argparse.Namespace) -> int:
    """``maskscope demo DIR [--typed]``"""
    from maskscope.workflows.demo import write_demo

    target = write_demo(values.target, values.typed)
    if values.json:
        say_json({"path": str(target), "typed": values.typed})
    else:
        say(str(target))
    return 0


def import_source(values: argparse.Namespace) -> int:
    """``maskscope import PROJECT SOURCE``"""
    from maskscope.project import Project
    from maskscope.readers import ReadOptions
    from maskscope.workflows.import_ import import_project

    options = ReadOptions(
        embeddings=values.embeddings, labels=values.labels, lengths=values.lengths, layer=values.layer
    )
    with TerminalJob() as job:
        report = import_project(values.target, values.source, options, values.format, job)
    with Project.open(report.path, read_only=True) as project:
        collisions = _collisions(project)
    if values.json:
        say_json(
            {
                "path": str(report.path),
                "sentences": report.n_sentences,
                "tokens": report.n_tokens,
                "dim": report.dim,
                "dtype": report.dtype,
                "scheme": _scheme(report.scheme),
                "lengths_from": report.lengths_from,
                "collisions": collisions,
                "collision_count": report.n_collisions,
                "data": {
                    "verdict": report.data.verdict,
                    "meaning": report.data.meaning,
                    "sentence": report.data.sentence,
                    "position": report.data.position,
                },
                "free_values": list(report.free_values),
                "notes": [note.text for note in report.notes],
            }
        )
        return 0
    say(f"{report.path}: {report.summary()}")
    say(f"labels: {', '.join(report.scheme.classes)} ({_kind(report.scheme)})")
    if report.lengths_from == "inferred":
        say("lengths: inferred from trailing zero rows; give --lengths to say them")
    for note in report.notes:
        # The two checks below say the same, of the collisions token by token.
        if note.kind not in ("interior-zero-rows", "data"):
            say(f"note: {note.text}")
    say(f"data: {report.data.verdict}: {report.data.words()}")
    if report.n_collisions:
        _say_collisions(collisions, report.n_collisions)
    else:
        say(f"collisions: {report.no_collisions}")
    return 0


def info(values: argparse.Namespace) -> int:
    """``maskscope info PROJECT``"""
    from maskscope.project import Project

    with Project.open(values.project, read_only=True) as project:
        if values.json:
            say_json(describe(project))
        else:
            _say_info(project)
    return 0


def describe(project: "Project") -> dict[str, object]:
    """What ``info --json`` prints of an open project."""
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
        "scheme": _scheme(project.scheme),
        "edits": project.edits.count(),
        "edited_tokens": counts.edited,
        "reviewed": counts.accepted,
        "flagged": counts.flagged,
        "collisions": _collisions(project),
        "collision_count": len(project.collisions()),
        "models": [
            {
                "id": model.id,
                "name": model.name,
                "f1": model.f1,
                "created": model.created,
                "complete": model.run.complete,
                "mask_value": model.mask_value,
                "scored": project.models.scores(model.id) is not None,
                "file": str(model.keras_file),
            }
            for model in project.models.all()
        ],
        "fingerprint": project.fingerprint,
        "source": project.source,
        "lengths_from": project.lengths_from,
        "notes": list(project.notes),
    }


def export(values: argparse.Namespace) -> int:
    """``maskscope export PROJECT FILE --format NAME``"""
    from maskscope.project import Project
    from maskscope.workflows.export import export_project

    with Project.open(values.project, read_only=True) as project, TerminalJob() as job:
        model = None
        if values.labels == "predicted" or values.model is not None:
            model = project.models.get(values.model).id
        written = export_project(
            project,
            values.file,
            values.format,
            values.labels,
            values.only == "reviewed",
            model,
            job,
            values.decoding,
        )
    if values.json:
        say_json(
            {
                "path": str(values.file),
                "format": values.format,
                "labels": values.labels,
                "only": values.only,
                "decoding": values.decoding,
                "model": model,
                "sentences": written,
            }
        )
    else:
        whose = f" of model {model}" if values.labels == "predicted" else ""
        say(f"{values.file}: {_count(written, 'sentence')}, {values.labels} labels{whose}")
    return 0


def formats(values: argparse.Namespace) -> int:
    """``maskscope formats``"""
    from maskscope import exporters, readers

    if values.json:
        say_json(
            {
                "readers": [
                    {
                        "name": each.name,
                        "title": each.title,
                        "suffixes": list(each.suffixes),
                        "needs": each.needs,
                        "loses": each.loses,
                    }
                    for each in readers.formats()
                ],
                "exporters": [
                    {
                        "name": each.name,
                        "title": each.title,
                        "suffixes": [each.suffix],
                        "needs": each.needs,
                        "loses": each.loses,
                    }
                    for each in exporters.formats()
                ],
            }
        )
        return 0
    rows = [("", "FORMAT", "FILES", "NEEDS")]
    rows += [("read", each.name, " ".join(each.suffixes), each.needs) for each in readers.formats()]
    rows += [("write", each.name, each.suffix, each.needs) for each in exporters.formats()]
    say(table(rows))
    say("")
    rows = [("", "FORMAT", "LOSES", "")]
    rows += [("read", each.name, each.loses, "") for each in readers.formats()]
    rows += [("write", each.name, each.loses, "") for each in exporters.formats()]
    say(table(rows))
    return 0


def _scheme(scheme: "TagScheme") -> dict[str, object]:
    return {
        "kind": scheme.kind,
        "classes": list(scheme.classes),
        "outside": scheme.classes[scheme.outside],
        "spans": scheme.spans,
    }


def _kind(scheme: "TagScheme") -> str:
    return scheme.kind if scheme.spans is None else f"{scheme.kind}, {scheme.spans} spans"


def _collisions(project: "Project") -> list[dict[str, object]]:
    places = project.collisions()[:_MOST_LISTED].tolist()
    return [
        {"sentence": sentence, "position": position, "token": project.sentence(sentence).tokens[position]}
        for sentence, position in places
    ]


def _say_collisions(collisions: list[dict[str, object]], count: int) -> None:
    if not count:
        return
    say(
        f"collisions: {_count(count, 'token')} whose embedding is all zeros, so that Masking(0) takes"
        f" {'it' if count == 1 else 'them'} for padding:"
    )
    for each in collisions[:_MOST_PRINTED]:
        say(f"  sentence {each['sentence']}, position {each['position']}: {shown(str(each['token']))}")
    if count > _MOST_PRINTED:
        say(f"  and {count - _MOST_PRINTED:,} more")


def _say_info(project: "Project") -> None:
    import numpy as np

    counts = project.counts()
    longest = int(np.diff(project.offsets).max(initial=0))
    say(str(project.path))
    say(f"{_count(project.n_sentences, 'sentence')}, {_count(project.n_tokens, 'token')}, the longest has {longest}")
    inferred = "; lengths inferred from trailing zero rows" if project.lengths_from == "inferred" else ""
    say(f"embeddings: {project.dim} numbers a token, {project.dtype.name}{inferred}")
    labels = [f"{name} {n:,}" for name, n in zip(project.scheme.classes, counts.labels, strict=True)]
    if counts.unlabelled:
        labels.append(f"without a label {counts.unlabelled:,}")
    say(f"labels: {', '.join(labels)} ({_kind(project.scheme)})")
    say(
        f"edits: {project.edits.count():,} ({_count(counts.edited, 'token')});"
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
    _say_collisions(_collisions(project), len(project.collisions()))


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
