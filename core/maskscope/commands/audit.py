"""The command that audits a model: do its outputs at real tokens depend on padding?"""

import argparse
import json
import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from maskscope.commands.arguments import Subparsers, add_command, add_model, path
from maskscope.commands.chosen_model import choose_model, is_file
from maskscope.commands.gallery import gallery
from maskscope.commands.terminal import TerminalJob, remark, say, say_json, table
from maskscope.errors import MaskscopeError
from maskscope.padding import Side

if TYPE_CHECKING:
    from maskscope.audit import AuditReport, Finding
    from maskscope.worker.client import ResultT
    from maskscope.worker.requests import AuditRequest, Request


_EXIT_CODES = {"passed": 0, "failed": 1, "could not tell": 3}


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "audit",
        audit,
        "check that a model ignores padding; exit code 1 when a check fails, 3 when one that matters could not tell",
        "maskscope audit tweets.maskscope --model m1\n"
        "maskscope audit --data X.npy --lengths L.npy --model tagger.keras --report audit.html\n"
        "maskscope audit --data X.npy --lengths L.npy --model tagger.keras --repair repaired.keras\n"
        "maskscope audit --gallery\n"
        "maskscope audit --gallery M3",
    )
    parser.add_argument("project", metavar="PROJECT", type=path, nargs="?", help="the project folder")
    parser.add_argument("--data", metavar="X.npy|X.npz", type=path, help="a padded array, in place of a project")
    parser.add_argument("--lengths", metavar="L.npy", type=path, help="number of tokens in each sentence of --data")
    parser.add_argument(
        "--labels",
        metavar="Y.npy",
        type=path,
        help="the labels that the model is trained with, also at padding (default: made-up ones)",
    )
    parser.add_argument(
        "--weights", metavar="W.npy", type=path, help="the sample weights that it is trained with (default: none)"
    )
    add_model(parser)
    parser.add_argument(
        "--padding",
        type=float,
        metavar="V",
        help="the value of padded positions (default: what the data have there, else the model's mask value)",
    )
    parser.add_argument(
        "--padding-side",
        choices=get_args(Side),
        help="where padding is: behind the tokens or in front of them (default: as in the data, else back)",
    )
    parser.add_argument("--report", metavar="FILE.html", type=path, help="write the report as a page, too")
    parser.add_argument(
        "--repair",
        metavar="NEW.keras",
        type=path,
        help="write a copy of the model with automatic repairs made, and audit that",
    )
    parser.add_argument(
        "--gallery",
        metavar="NAME",
        nargs="?",
        const="",
        help="audit the reference models, which must pass, and the mutants, which must fail; or one of them, such as"
        " M3",
    )
    parser.more_help = _checks_help


def _checks_help() -> str:
    """Every check with its definition."""
    from maskscope.audit.checks.registry import CHECKS

    checks = [
        textwrap.fill(f"{check.name:<11}{check.definition}", 100, initial_indent="  ", subsequent_indent=" " * 13)
        for check in CHECKS.values()
    ]
    return "\n".join(["checks:", *checks])


def audit(values: argparse.Namespace) -> int:
    """``maskscope audit (PROJECT | --data X | --gallery) --model ID|FILE.keras``; 1 when a check failed."""
    sources = (values.project is not None, values.data is not None, values.gallery is not None)
    if sum(sources) != 1:
        raise MaskscopeError("give one of a project, --data X.npy or --gallery; see maskscope audit --help")
    for name in ("lengths", "labels", "weights"):
        if getattr(values, name) is not None and values.data is None:
            knows = "; a project knows its lengths" if name == "lengths" else ""
            raise MaskscopeError(f"--{name} needs --data{knows}")
    if values.padding is not None and not math.isfinite(values.padding):
        raise MaskscopeError("--padding is no finite number", received=str(values.padding))
    if values.gallery is not None:
        for name in ("model", "repair", "padding", "padding_side"):
            if getattr(values, name) is not None:
                raise MaskscopeError(
                    f"--{name.replace('_', '-')} can't be combined with --gallery, which has its own models"
                )
        return gallery(values, lambda report: _write_report(report, values))
    if values.repair is not None and (values.repair.suffix != ".keras" or values.repair.exists()):
        raise MaskscopeError(
            "can't be written", file=values.repair, expected="a new name NAME.keras", received=values.repair.name
        )
    from maskscope.worker.requests import RepairRequest

    request = _of_arrays(values) if values.project is None else _of_project(values)
    report = _in_worker(request.model, request).report
    repaired, repair_error = None, ""
    if values.repair is not None and report.repairs:
        out = values.repair.absolute()
        repair = RepairRequest(
            request.model, request.source, report.repairs, out, request.padding, request.padding_side
        )
        try:
            repaired = _in_worker(request.model, repair).report
        except MaskscopeError as error:
            # the audit is told all the same
            repair_error = str(error)
            remark(f"no model was written: {error}")
    elif values.repair is not None:
        remark(f"no model was written: {report.about.no_repair or 'the findings name no automatic repair'}")
    if values.report is not None:
        _write_report(report, values)
    if values.json:
        record = json.loads(report.to_json())
        record["repaired"] = None if repaired is None else _repaired_record(repaired, report, values.repair)
        record["repair_error"] = repair_error or None
        say_json(record)
    else:
        _say(report)
        if repaired is not None:
            _say_repaired(repaired, report, values.repair)
        if values.report is not None:
            say(str(values.report))
    return _EXIT_CODES[report.verdict]


def _of_project(values: argparse.Namespace) -> "AuditRequest":
    from maskscope.project import Project
    from maskscope.worker.requests import AuditRequest, ProjectSource

    with Project.open(values.project, read_only=True) as project:
        chosen = choose_model(project, values.model)
        return AuditRequest(chosen.keras_file, ProjectSource(project.path), values.padding, values.padding_side)


def _of_arrays(values: argparse.Namespace) -> "AuditRequest":
    if values.model is None or not (is_file(values.model) or Path(values.model).is_file()):
        raise MaskscopeError("--data needs a model's file; give --model FILE.keras")
    from maskscope.audit.files import read_arrays
    from maskscope.worker.requests import ArraySource, AuditRequest

    # to report errors in the arrays before TensorFlow is started
    read_arrays(values.data, values.lengths, values.labels, values.weights)
    files = [None if file is None else file.absolute() for file in (values.lengths, values.labels, values.weights)]
    source = ArraySource(values.data.absolute(), *files)
    return AuditRequest(Path(values.model), source, values.padding, values.padding_side)


def _in_worker(model: Path, request: "Request[ResultT]") -> "ResultT":
    """Audit or repair in a worker with limits: the model's file may come from anyone."""
    from maskscope.keras_io.safety import inspect_keras_file
    from maskscope.worker.client import run_job

    inspect_keras_file(model)
    with TerminalJob() as job:
        return run_job(request, job, warn=job.warn)


def _repaired_record(repaired: "AuditReport", report: "AuditReport", file: Path) -> dict[str, object]:
    record = json.loads(repaired.to_json())
    return {
        "path": str(file),
        "repairs": list(report.repairs),
        "verdict": repaired.verdict,
        "findings": record["findings"],
        "about": record["about"],
    }


def _say_repaired(repaired: "AuditReport", report: "AuditReport", file: Path) -> None:
    from maskscope.audit.html.summary import after_repair
    from maskscope.audit.repair import REPAIRS

    say("")
    say(f"{file}: {'; '.join(REPAIRS[name] for name in report.repairs)}")
    still = [finding.check for finding in repaired.findings if finding.verdict == "failed"]
    after = f"{', '.join(still)} still fail{'s' if len(still) == 1 else ''}" if still else "none fails"
    before = report.count("failed")
    say(f"{before} check{'s' if before > 1 else ''} failed before; with the repaired model {after}.")
    say(after_repair(report))
    say("Its optimizer, where it is one of Keras, has the old settings and starts anew.")


def _say(report: "AuditReport") -> None:
    from maskscope.audit.html.summary import how_it_was_run, padding_sentence, targets_sentence

    say(f"{report.model}: {report.verdict} ({len(report.sampled)} of {report.sentences:,} sentences sampled)")
    say(f"padded with {padding_sentence(report.about)}; labels {targets_sentence(report.about)}")
    for sentence in how_it_was_run(report.about):
        say(sentence)
    say(table([(f.check, f.verdict_in_words, _place(f), f.meaning) for f in report.findings]))
    if any("perturbed biases" in finding.meaning for finding in report.findings):
        say("(each check runs the model with its weights as given, and with N(0, 0.5) added to every bias)")
    for advice, checks in report.advice.items():
        say(f"to repair ({', '.join(checks)}): {advice}")
    if report.repairs:
        asked = ", ".join(each.check for each in report.findings if each.verdict == "failed" and each.repair)
        say(f"Maskscope can save a repaired copy of the model, which passes {asked}: --repair NAME.keras")


def _place(finding: "Finding") -> str:
    parts = []
    if finding.deviation is not None:
        parts.append(f"{finding.deviation:.1e}")
    if finding.sentence is not None:
        parts.append(f"sentence {finding.sentence}")
    if finding.position is not None:
        parts.append(f"position {finding.position}")
    if finding.layer is not None:
        parts.append(finding.layer)
    return ", ".join(parts) or "-"


def html_report(report: "AuditReport", values: argparse.Namespace) -> str:
    """The report as a page, with the model's picture where Qt can start; where it can't, a remark goes to stderr."""
    from maskscope.audit.html.page import html_page

    return html_page(report, _picture(report), _command(values))


def _write_report(report: "AuditReport", values: argparse.Namespace) -> None:
    from maskscope.audit.html.page import write_page

    write_page(html_report(report, values), values.report)


def _picture(report: "AuditReport") -> str | None:
    """The model's picture, or None where there is none to draw or Qt can't start here."""
    if report.graph is None:
        return None
    from maskscope.commands.model_picture import model_svg

    try:
        return model_svg(report.graph)
    except MaskscopeError as error:
        remark(f"the report is written without the model's picture: {error}")
        return None


def _command(values: argparse.Namespace) -> str:
    """The command line that makes the report again."""
    from maskscope.audit.html.page import command_line

    parts = ["maskscope", "audit"]
    if values.project is not None:
        parts.append(str(values.project))
    if values.gallery is not None:
        parts.append("--gallery")
        parts += [values.gallery] if values.gallery else []
    for name in ("data", "lengths", "labels", "weights", "model", "padding", "padding_side", "repair", "report"):
        given = getattr(values, name)
        if given is not None:
            parts += [f"--{name.replace('_', '-')}", str(given)]
    return command_line(parts)
