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
    from maskscope.types import Floats, Mask, TagScheme

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
    record = project.models.get(given)
    return ChosenModel(record.id, record.weights_file, record)


def start_tensorflow(job: TerminalJob) -> None:
    """Import it, without its remarks on stderr, and warn of a Keras that loses masks."""
    with hushed():
        import maskscope.keras_io.keras_model  # noqa: F401
        from maskscope.keras_io.keras_check import keras_trouble

        words = keras_trouble()
    if words:
        job.warn(words)


def score(values: argparse.Namespace) -> int:
    """``maskscope score PROJECT``"""
    import numpy as np

    from maskscope.project import Project

    with Project.open(values.project) as project:
        chosen = choose_model(project, values.model)
        if chosen.record is None and values.out is None:
            from maskscope.keras_io.safety import inspect_keras_file

            # what is wrong with the file matters more than where its scores shall go
            inspect_keras_file(chosen.file)
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
            project.models.write_scores(chosen.name, scored.probs_nc)
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
                    "engine": scored.ran.engine,
                    "engine_reason": scored.ran.reason,
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
        say(scored.ran.words)
        if masked:
            say(f"collisions: the model's Masking layer takes {masked:,} real tokens for padding; see maskscope info")
        if values.out is not None:
            say(str(values.out))
    return 0


@dataclass(frozen=True, slots=True)
class Ran:
    """What ran a model.

    Attributes:
        engine: "packed" or "keras".
        reason: why "keras"; "" for "packed".
    """

    engine: "Engine"
    reason: str = ""

    @property
    def words(self) -> str:
        """Which engine, and why, for a person."""
        if self.engine == "packed":
            return "engine: packed, which knows this stack"
        why = self.reason if self.reason == _ASKED_FOR else f"it {self.reason}"
        return f"engine: Keras, in a process of its own: {why}"


@dataclass(frozen=True, eq=False)
class Scored:
    """Probabilities of a project's tokens.

    Attributes:
        probs_nc: (n_tokens, C) float32.
        mask: (n_tokens,) bool, what the model's Masking layer makes of real tokens; False = collision.
        scheme: what the C columns stand for.
        ran: what computed them.
        padding: (n_sentences, C), what the model prints behind each sentence, when Keras was asked for it; else None.
    """

    probs_nc: "Floats"
    mask: "Mask"
    scheme: "TagScheme"
    ran: Ran
    padding: "Floats | None" = None


def run_model(
    project: "Project", chosen: ChosenModel, wanted: "Engine | None", job: TerminalJob, *, padding: bool = False
) -> Scored:
    """A model's probabilities for the project, computed now.

    By the engine that is `wanted`; None: by the packed one where it knows the stack, else by Keras, which is asked for
    what it prints at padding, too, with `padding`.
    """
    from maskscope.workflows.open_model import EngineChoice, check_outputs, choose_engine, fit_columns

    if chosen.record is None:
        choice = choose_engine(chosen.file)
    elif chosen.record.run.engine == "keras":
        choice = EngineChoice("keras", chosen.record.run.engine_reason)
    else:
        from maskscope.engine import packed

        choice = EngineChoice("packed", tagger=packed.load(chosen.file))
    if wanted == "packed" and choice.engine == "keras":
        raise ModelError(
            f"the packed engine does not know this stack, leave --engine out to run it in Keras: {choice.reason}",
            file=chosen.file if chosen.record is None else chosen.name,
        )
    scheme = project.scheme if chosen.record is None else chosen.record.scheme
    if choice.tagger is None or wanted == "keras":
        return _score_in_keras(project, chosen, scheme, Ran("keras", choice.reason or _ASKED_FOR), padding, job)
    check_outputs(choice.tagger.n_outputs, scheme, chosen.file)
    probs_nc = fit_columns(choice.tagger.score(project.embeddings, project.offsets, "model", job), scheme.n_outputs)
    return Scored(probs_nc, _mask(project, choice.tagger.mask_value), scheme, Ran("packed"))


def _score_in_keras(
    project: "Project", chosen: ChosenModel, scheme: "TagScheme", ran: Ran, padding: bool, job: TerminalJob
) -> Scored:
    """In a worker with limits: the file may be anyone's."""
    import tempfile

    import numpy as np

    from maskscope.worker.client import run_job

    with tempfile.TemporaryDirectory() as folder:
        out, behind = Path(folder) / "scores.npy", Path(folder) / "padding.npy"
        given = {"project": str(project.path), "model": str(chosen.keras_file), "out": str(out), "engine": "keras"}
        told = run_job("score", given | ({"padding": str(behind)} if padding else {}), job, warn=job.warn)
        value = told.get("mask_value")
        return Scored(
            np.load(out, allow_pickle=False),
            _mask(project, None if value is None else float(value)),
            scheme,
            ran,
            np.load(behind, allow_pickle=False) if padding else None,
        )


def _mask(project: "Project", mask_value: float | None) -> "Mask":
    import numpy as np

    mask: Mask = np.ones(project.n_tokens, dtype=np.bool_)
    mask[project.masked_tokens(mask_value)] = False
    return mask


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
