"""``maskscope add-model``: add a model that was made elsewhere to a project, and score the project with it."""

import argparse
import shutil
import uuid
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command, add_project, path
from maskscope.commands.chosen_model import EngineUsed
from maskscope.commands.open_options import add_open_options, open_options
from maskscope.commands.output_text import mask_value_json, output_record, output_text
from maskscope.commands.terminal import TerminalJob, say, say_json
from maskscope.errors import ReadOnlyError

if TYPE_CHECKING:
    from maskscope.project import ModelRecord, Project
    from maskscope.workflows.model_description import OpenOptions


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "add-model",
        run,
        "add a Keras model that was made elsewhere to a project, and score the project with it",
        "maskscope add-model tweets.maskscope tagger.keras\n"
        "maskscope add-model tweets.maskscope tagger.keras --output logits --classes tags.txt",
    )
    add_project(parser)
    parser.add_argument(
        "file", metavar="FILE.keras", type=path, help="a Keras model that gives one output for each token"
    )
    add_open_options(parser)


def run(values: argparse.Namespace) -> int:
    """Add a model."""
    from maskscope.project import Project

    options = open_options(values)
    with Project.open(values.project) as project:
        if project.read_only:
            raise ReadOnlyError(
                "is open in another program, or can't be written, so no model can be added", file=project.path
            )
        with TerminalJob() as job:
            record = _add(project, values, options, job)
        if values.json:
            say_json(_record(record, project))
        else:
            _say(record)
    return 0


def _add(project: "Project", values: argparse.Namespace, options: "OpenOptions", job: TerminalJob) -> "ModelRecord":
    from maskscope.worker.client import run_job
    from maskscope.worker.requests import OpenModelRequest
    from maskscope.workflows.fit_model import choose_engine
    from maskscope.workflows.open_model import open_model

    folder = project.path / "models" / f".partial-{uuid.uuid4().hex[:8]}"
    try:
        if choose_engine(values.file).engine == "packed":
            open_model(project, values.file, folder, job, options)
        else:
            # In a worker with limits, since the file may come from anyone.
            run_job(OpenModelRequest(project.path, values.file, folder, options), job, warn=job.warn)
        return project.models.adopt(folder)
    finally:
        # A worker that was stopped can't remove it.
        shutil.rmtree(folder, ignore_errors=True)


def _record(record: "ModelRecord", project: "Project") -> dict[str, object]:
    run = record.run
    return {
        "model": record.id,
        "name": record.name,
        "path": str(record.folder),
        "source": run.source,
        "engine": run.engine,
        "engine_reason": run.engine_reason,
        "mask_value": mask_value_json(record.mask_value),
        "masked": len(project.masked_tokens(record.mask_value)),
        "classes": list(record.output_names),
        **output_record(run.output, run.notes, record.n_columns),
        "scored": project.models.is_scored(record.id),
    }


def _say(record: "ModelRecord") -> None:
    run = record.run
    say(f"model {record.id}: {record.name}, of {run.source}, is kept with the project and scored")
    say(EngineUsed(run.engine, run.engine_reason).text)
    for line in output_text(run.output, record.output_names, run.notes):
        say(line)
