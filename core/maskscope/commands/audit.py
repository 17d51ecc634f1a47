"""The command that audits a model: does what it prints at real tokens depend on padding?"""

import argparse
import html
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.commands.models import choose_model, is_file, start_tensorflow
from maskscope.commands.terminal import TerminalJob, say, say_json, table
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
        _write(values.report, page(report))
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


_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.failed { font-weight: 700; }
:root { color-scheme: light dark; }"""


def page(report: "AuditReport") -> str:
    """A report as one HTML page that needs nothing from elsewhere."""
    rows = []
    for finding in report.findings:
        tolerance = "" if finding.tolerance is None else f" (at most {finding.tolerance:.0e})"
        cells = (
            f"<td>{html.escape(finding.check)}</td>",
            f'<td class="{finding.verdict.replace(" ", "-")}">{html.escape(finding.verdict)}</td>',
            f'<td class="n">{html.escape(_place(finding) + tolerance)}</td>',
            f"<td>{html.escape(finding.meaning)}</td>",
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    title = html.escape(f"Padding audit of {report.model}: {report.verdict}")
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>",
            f"<h1>{title}</h1>",
            f"<p>{len(report.sampled)} of {report.sentences:,} sentences were run through the model.</p>",
            "<table>\n<tr><th>check</th><th>verdict</th><th>largest change, and where</th><th>meaning</th></tr>",
            *rows,
            "</table>\n</body>\n</html>\n",
        )
    )


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
