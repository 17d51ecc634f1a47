"""Write the demo project: a small corpus of our own with its embeddings, a trained model and its scores."""

import shutil
import uuid
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np

from maskscope.errors import ProjectError
from maskscope.files import sync_folder
from maskscope.project.store import Project
from maskscope.project.writer import ProjectWriter, refuse_taken
from maskscope.readers import ReadOptions, open_source
from maskscope.runs import RunInfo
from maskscope.types import Sentence, TagScheme

TYPED = TagScheme("multiclass", ("none", "person", "place", "organisation", "work"))
BINARY = TagScheme("binary", ("none", "name"))
_MODEL_FILES = ("model.keras", "weights.npz", "run.json", "scores.npy")


def write_demo(target: Path | str, typed: bool = False) -> Path:
    """Write the demo project to the folder `target`, exactly as named, and return it.

    Args:
        target: must not exist, unless as an empty folder.
        typed: four types of names as labels, with a softmax head; else one label, name, with a sigmoid head.

    Raises ProjectError when the name is taken or the folder can't be written; then nothing stays behind.
    """
    target = Path(target)
    refuse_taken(target)
    # Written to a temporary folder and renamed, so that no demo is ever there without its model.
    partial = target.with_name(f"{target.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        with resources.as_file(resources.files("maskscope_resources") / "demo") as source:
            _write_sentences(partial, source, TYPED if typed else BINARY)
            _add_model(partial, source / ("typed" if typed else "binary"))
        if target.exists():
            target.rmdir()
        partial.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise ProjectError(f"the demo can't be written here: {error.strerror or error}", file=target) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _write_sentences(target: Path, source: Path, scheme: TagScheme) -> None:
    kind: Literal["binary", "multiclass"] = scheme.kind
    options = ReadOptions(embeddings=source / "embeddings.npy")
    with (
        open_source(source / "sentences.conll", options, "conll") as reader,
        ProjectWriter(target, reader.dim, np.dtype(reader.dtype), classes=scheme.classes, kind=kind) as writer,
    ):
        for sentence in reader:
            writer.add(sentence if kind == "multiclass" else _binary(sentence))
        writer.finish(source="demo")


def _binary(sentence: Sentence) -> Sentence:
    outside, inside = BINARY.classes
    names = tuple(None if name is None else outside if name == outside else inside for name in sentence.labels or ())
    return replace(sentence, labels=names)


def _add_model(target: Path, source: Path) -> None:
    with Project.open(target) as project:
        folder = project.models.new_folder()
        for name in _MODEL_FILES:
            shutil.copyfile(source / name, folder / name)
        run = RunInfo.from_json((folder / "run.json").read_text(encoding="utf-8"), folder / "run.json")
        run = replace(run, fingerprint=project.fingerprint)
        (folder / "run.json").write_text(run.to_json(), encoding="utf-8", newline="\n")
        project.models.adopt(folder)
