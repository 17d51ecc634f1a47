"""The command that runs taggers: score."""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.commands.terminal import TerminalJob, hushed, remark, say, say_json
from maskscope.errors import MaskscopeError, ModelError
from maskscope.files import replace_durably

if TYPE_CHECKING:
    import numpy as np

    from maskscope.project import ModelRecord, Project
    from maskscope.runs import Engine
    from maskscope.types import Embeddings, Floats, Mask, TagScheme

_ASKED_FOR = "--engine keras asks for it"


@dataclass(frozen=True)
class ChosenModel:
    """What ``--model`` names.

    Attributes:
        name: the id, or the path as it was given.
        file: weights.npz of a project's model (there only when the packed engine runs it), else the .keras file.
        record: of a project's model, None for a file.
    """

    name: str
    file: Path
    record: "ModelRecord | None"

    @property
    def keras_file(self) -> Path:
        """The plain Keras file."""
        return self.file if self.record is None else self.record.keras_file


def is_file(given: str) -> bool:
    """Whether what ``--model`` was given names a file, and not a model of the project."""
    return given.endswith(".keras") or "/" in given or os.sep in given


def choose_model(project: "Project", given: str | None) -> ChosenModel:
    """The model of that id, the file of that name, or the newest. Raises ProjectError or ModelError."""
    if given is not None and is_file(given):
        file = Path(given)
        if not file.is_file():
            raise ModelError("there is no such file", file=file)
        return ChosenModel(given, file, None)
    record = project.model(given)
    return ChosenModel(record.id, record.weights_file, record)


def start_tensorflow() -> None:
    """Import it, without its remarks on stderr."""
    with hushed():
        import maskscope.tagger.keras_model  # noqa: F401


def score(values: argparse.Namespace) -> int:
    """``maskscope score PROJECT``"""
    import numpy as np

    from maskscope.project import Project

    with Project.open(values.project) as project:
        chosen = choose_model(project, values.model)
        if chosen.record is None and values.out is None:
            raise MaskscopeError(
                "scores of a model outside the project are not kept in it; say where to with --out FILE.npz",
                file=chosen.file,
            )
        began = time.perf_counter()
        with TerminalJob() as job:
            scored = run_model(project, chosen, values.engine, job)
        seconds = time.perf_counter() - began
        stored = chosen.record is not None and not project.read_only
        if stored:
            project.write_scores(chosen.name, scored.probs_nc)
        elif chosen.record is not None:
            remark("maskscope: the project is open in another program, so the scores are not kept in it")
        if values.out is not None:
            arrays: dict[str, np.ndarray] = {
                "probabilities": scored.probs_nc,
                "offsets": project.offsets,
                "mask": scored.mask,
                "classes": np.array(scored.scheme.output_names),
            }
            _write_npz(values.out, arrays)
        masked = int((~scored.mask).sum())
        if values.json:
            say_json(
                {
                    "model": chosen.name,
                    "engine": scored.engine,
                    "engine_reason": scored.engine_reason,
                    "sentences": project.n_sentences,
                    "tokens": project.n_tokens,
                    "classes": list(scored.scheme.output_names),
                    "masked": masked,
                    "stored": stored,
                    "out": None if values.out is None else str(values.out),
                    "seconds": seconds,
                    "tokens_per_second": project.n_tokens / seconds if seconds else None,
                }
            )
            return 0
        say(
            f"model {chosen.name}: {project.n_tokens:,} tokens in {seconds:.2f} s"
            f"{'; kept with the project' if stored else ''}"
        )
        say(scored.engine_words)
        if masked:
            say(f"collisions: the model takes {masked:,} real tokens for padding; their numbers are no prediction")
        if values.out is not None:
            say(str(values.out))
    return 0


@dataclass(frozen=True, eq=False)
class Scored:
    """Probabilities of a project's tokens.

    Attributes:
        probs_nc: (n_tokens, C) float32.
        mask: (n_tokens,) bool, what the model's Masking layer makes of real tokens; False = collision.
        scheme: what the C columns stand for.
        engine: what computed them.
        engine_reason: one sentence: why "keras"; "" for "packed".
    """

    probs_nc: "Floats"
    mask: "Mask"
    scheme: "TagScheme"
    engine: "Engine"
    engine_reason: str

    @property
    def engine_words(self) -> str:
        """Which engine, and why, for a person."""
        if self.engine == "packed":
            return "engine: packed, which knows this stack"
        why = self.engine_reason if self.engine_reason == _ASKED_FOR else f"it {self.engine_reason}"
        return f"engine: Keras, in a process of its own: {why}"


def run_model(project: "Project", chosen: ChosenModel, wanted: "Engine | None", job: TerminalJob) -> Scored:
    """A model's probabilities for the project, computed now.

    By the engine that is `wanted`; None: by the packed one where it knows the stack, else by Keras.
    """
    from maskscope.tagger.foreign import EngineChoice, check_outputs, choose_engine, fit_columns

    if chosen.record is None:
        choice = choose_engine(chosen.file)
    elif chosen.record.run.engine == "keras":
        choice = EngineChoice("keras", chosen.record.run.engine_reason)
    else:
        from maskscope.tagger import packed

        choice = EngineChoice("packed", tagger=packed.load(chosen.file))
    if wanted == "packed" and choice.engine == "keras":
        raise ModelError(
            f"the packed engine does not know this stack, leave --engine out to run it in Keras: {choice.reason}",
            file=chosen.file if chosen.record is None else chosen.name,
        )
    scheme = project.scheme if chosen.record is None else chosen.record.scheme
    if choice.tagger is None or wanted == "keras":
        probs_nc, mask_value = _score_in_keras(project, chosen.keras_file, job)
        reason = choice.reason or _ASKED_FOR
        return Scored(probs_nc, _mask(project.embeddings, mask_value), scheme, "keras", reason)
    check_outputs(choice.tagger.n_outputs, scheme, chosen.file)
    probs_nc = fit_columns(choice.tagger.score(project.embeddings, project.offsets, "model", job), scheme)
    return Scored(probs_nc, _mask(project.embeddings, choice.tagger.mask_value), scheme, "packed", "")


def _score_in_keras(project: "Project", keras_file: Path, job: TerminalJob) -> "tuple[Floats, float | None]":
    """Probabilities and the mask value, from a worker with limits: the file may be anyone's."""
    import tempfile

    import numpy as np

    from maskscope.worker.client import run_job

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scores.npy"
        given = {"project": str(project.path), "model": str(keras_file), "out": str(out), "engine": "keras"}
        told = run_job("score", given, job)
        value = told.get("mask_value")
        return np.load(out, allow_pickle=False), None if value is None else float(value)


def _mask(embeddings: "Embeddings", mask_value: float | None) -> "Mask":
    import numpy as np

    from maskscope.masks import masking_layer

    block = max(1, (8 << 20) // max(1, embeddings.shape[1]))
    parts = [masking_layer(embeddings[i : i + block], mask_value) for i in range(0, len(embeddings), block)]
    return np.concatenate(parts) if parts else np.ones(0, dtype=np.bool_)


def _write_npz(file: Path, arrays: "dict[str, np.ndarray]") -> None:
    import uuid

    import numpy as np

    beside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with beside.open("xb") as stream:
            # numpy's stub takes **arrays for allow_pickle
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        replace_durably(beside, file)
    except OSError as error:
        raise MaskscopeError(f"the scores can't be written: {error.strerror or error}", file=file) from error
    finally:
        beside.unlink(missing_ok=True)
