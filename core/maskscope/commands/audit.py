"""The command that audits a model: does what it prints at real tokens depend on padding?"""

import argparse
import json
import shlex
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.commands.models import choose_model, is_file, start_tensorflow
from maskscope.commands.terminal import TerminalJob, remark, say, say_json, table
from maskscope.errors import MaskscopeError
from maskscope.files import replace_durably

if TYPE_CHECKING:
    from maskscope.audit import AuditReport, Finding


def audit(values: argparse.Namespace) -> int:
    """``maskscope audit (PROJECT | --data X) --model ID|FILE.keras``; 1 when a check failed."""
    if (values.project is None) == (values.data is None):
        raise MaskscopeError("give a project or --data X.npy, one of the two; see maskscope audit --help")
    if values.lengths is not None and values.data is None:
        raise MaskscopeError("--lengths goes with --data; a project knows its lengths")
    report = _of_project(values) if values.data is None else _of_arrays(values)
    if values.report is not None:
        _write(values.report, html_report(report, values))
    if values.json:
        say_json(json.loads(report.to_json()))
    else:
        _say(report)
        if values.report is not None:
            say(str(values.report))
    return 1 if report.verdict == "failed" else 0


def _of_project(values: argparse.Namespace) -> "AuditReport":
    from maskscope.project import Project

    with Project.open(values.project, read_only=True) as project:
        chosen = choose_model(project, values.model)
        if chosen.record is None or chosen.record.run.source:
            return _in_worker({"project": str(project.path), "model": str(chosen.keras_file)})
        from maskscope.audit import audit_project

        with TerminalJob() as job:
            job.progress(0, 0, "starting TensorFlow")
            start_tensorflow(job)
            return audit_project(project, chosen.keras_file, job)


def _of_arrays(values: argparse.Namespace) -> "AuditReport":
    if values.model is None or not is_file(values.model):
        raise MaskscopeError("--data goes with a model's file; give --model FILE.keras")
    from maskscope.audit.files import read_padded

    # what is wrong with the arrays is told before TensorFlow is started
    read_padded(values.data, values.lengths)
    given = {"data": str(values.data.absolute()), "model": values.model}
    if values.lengths is not None:
        given["lengths"] = str(values.lengths.absolute())
    return _in_worker(given)


def _in_worker(given: dict[str, str]) -> "AuditReport":
    """Audit a file that may be anyone's, in a worker with limits."""
    from maskscope.audit import AuditReport
    from maskscope.tagger.safety import inspect_keras_file
    from maskscope.worker.client import run_job

    inspect_keras_file(Path(given["model"]))
    with TerminalJob() as job:
        report = run_job("audit", given, job, warn=job.warn)["report"]
    return AuditReport.from_json(str(report))


def _say(report: "AuditReport") -> None:
    say(f"{report.model}: {report.verdict} ({len(report.sampled)} of {report.sentences:,} sentences looked at)")
    say(table([(f.check, f.verdict, _place(f), f.meaning) for f in report.findings]))


def _place(finding: "Finding") -> str:
    words = []
    if finding.deviation is not None:
        words.append(f"{finding.deviation:.1e}")
    if finding.sentence is not None:
        words.append(f"sentence {finding.sentence}")
    if finding.position is not None:
        words.append(f"position {finding.position}")
    if finding.layer is not None:
        words.append(finding.layer)
    return ", ".join(words) or "-"


def html_report(report: "AuditReport", values: argparse.Namespace) -> str:
    """The report as a page, with the model's picture where Qt can start; where it can't, stderr says so."""
    from maskscope.audit.page import html_page

    return html_page(report, _picture(report), _command(values))


def _picture(report: "AuditReport") -> str | None:
    """The model's picture, or None where there is none to draw or Qt can't start here."""
    if report.graph is None:
        return None
    from maskscope.commands.window import model_svg

    try:
        return model_svg(report.graph)
    except MaskscopeError as error:
        remark(f"the report is written without the model's picture: {error}")
        return None


def _command(values: argparse.Namespace) -> str:
    """The command line as one types it to make the report again."""
    words = ["maskscope", "audit"]
    if values.project is not None:
        words.append(str(values.project))
    for name in ("data", "lengths", "model", "report"):
        given = getattr(values, name)
        if given is not None:
            words += [f"--{name}", str(given)]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _write(file: Path, text: str) -> None:
    beside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with beside.open("x", encoding="utf-8", newline="\n", errors="backslashreplace") as stream:
            stream.write(text)
        replace_durably(beside, file)
    except OSError as error:
        raise MaskscopeError(f"the report can't be written: {error.strerror or error}", file=file) from error
    finally:
        beside.unlink(missing_ok=True)
