"""`maskscope audit --gallery`: audits models that must pass and mutants that must not."""

import argparse
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskscope.commands.terminal import TerminalJob, say, say_json, table
from maskscope.errors import MaskscopeError
from maskscope.jobs import Job, NullJob

if TYPE_CHECKING:
    from maskscope.audit import AuditReport
    from maskscope.audit.gallery import GalleryModel

_LETTERS = {"passed": "·", "failed": "X", "could not tell": "?"}
_WORKERS = 2
"""Each takes half a gigabyte, and most of its time on one core."""


@dataclass(frozen=True, slots=True)
class AuditedModel:
    """A model of the gallery with its audits.

    Attributes:
        model: which.
        rejected_by: the checks that must reject it; empty for a sound one.
        fresh, perturbed: the audits with fresh weights, and with all weights perturbed.
    """

    model: "GalleryModel"
    rejected_by: frozenset[str]
    fresh: "AuditReport"
    perturbed: "AuditReport"

    @property
    def as_expected(self) -> bool:
        """Whether, both times, a sound model passes every check, and a mutant fails those that must reject it."""
        for report in (self.fresh, self.perturbed):
            failed = {finding.check for finding in report.findings if finding.verdict == "failed"}
            if not self.rejected_by <= failed or (self.model.kind == "sound" and report.verdict != "passed"):
                return False
        return True


def gallery(values: argparse.Namespace, write: Callable[["AuditReport"], None]) -> int:
    """``maskscope audit --gallery [NAME]``; 1 when the audit does not find what it must.

    Args:
        values: the command line.
        write: writes the report of the one model that was asked for.
    """
    from maskscope.audit.gallery import GALLERY, gallery_model

    chosen = GALLERY
    if values.gallery:
        one = gallery_model(values.gallery)
        if one is None:
            names = ", ".join(each.name for each in GALLERY)
            raise MaskscopeError("the gallery has no such model", expected=names, received=values.gallery)
        chosen = (one,)
    elif values.report is not None:
        raise MaskscopeError("--report needs one model of the gallery, such as --gallery M3")
    with TerminalJob() as job:
        audited = _audit(chosen, job)
    if values.report is not None:
        write(audited[0].fresh)
    good = all(each.as_expected for each in audited)
    if values.json:
        say_json({"gallery": [_record(each, bool(values.gallery)) for each in audited], "as_expected": good})
    elif values.gallery:
        _say_one(audited[0])
    else:
        _say_table(audited)
    return 0 if good else 1


def _audit(models: "tuple[GalleryModel, ...]", job: TerminalJob) -> list[AuditedModel]:
    """Audit the models in as many workers as there are cores, at most `_WORKERS`."""
    from maskscope.audit.checks.registry import rejected_by
    from maskscope.worker.client import run_job
    from maskscope.worker.requests import GalleryReports, GalleryRequest

    workers = max(1, min(_WORKERS, os.cpu_count() or 1, len(models)))
    parts = [models[number::workers] for number in range(workers)]
    progress = _JoinedProgress(job, len(models))

    def run(number: int) -> tuple[GalleryReports, ...]:
        request = GalleryRequest(tuple(each.name for each in parts[number]))
        # one worker's warning of a Keras that drops masks is enough
        warn = job.warn if number == 0 else None
        return run_job(request, progress.part(number), warn=warn, one_core=workers > 1).reports

    with ThreadPoolExecutor(workers) as pool:
        found = {each.name: each for part in pool.map(run, range(workers)) for each in part}
    return [
        AuditedModel(each, rejected_by(each.name), found[each.name].fresh, found[each.name].perturbed)
        for each in models
    ]


class _JoinedProgress:
    """The progress of several parts that run at the same time, as one: models done, of all."""

    def __init__(self, job: Job, total: int) -> None:
        self._job, self._total = job, total
        self._done: dict[int, int] = {}
        self._lock = threading.Lock()

    def part(self, number: int) -> Job:
        """The job that the part of that number reports to."""
        return _Part(self, number)

    def report(self, number: int, done: int, text: str) -> None:
        """Part `number` has finished `done` models. Raises Cancelled when asked to stop."""
        with self._lock:
            self._done[number] = done
            self._job.progress(sum(self._done.values()), self._total, text)


class _Part(NullJob):
    def __init__(self, joined: _JoinedProgress, number: int) -> None:
        self._joined, self._number = joined, number

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report; raise Cancelled when asked to stop."""
        self._joined.report(self._number, done if total else 0, text)


def _record(audited: AuditedModel, with_report: bool) -> dict[str, object]:
    record: dict[str, object] = {
        "name": audited.model.name,
        "title": audited.model.title,
        "kind": audited.model.kind,
        "rejected_by": sorted(audited.rejected_by),
        "verdict": audited.fresh.verdict,
        "checks": {finding.check: finding.verdict for finding in audited.fresh.findings},
        "moved": {finding.check: finding.verdict for finding in audited.perturbed.findings},
        "as_expected": audited.as_expected,
    }
    if with_report:
        record["report"] = json.loads(audited.fresh.to_json())
    return record


def _say_table(audited: list[AuditedModel]) -> None:
    checks = [finding.check for finding in audited[0].fresh.findings]
    rows = [("", "", *(check[:5] for check in checks), "")]
    for each in audited:
        cells = []
        for one, other in zip(each.fresh.findings, each.perturbed.findings, strict=True):
            letters = _LETTERS[one.verdict], _LETTERS[other.verdict]
            cells.append(letters[0] if letters[0] == letters[1] else "/".join(letters))
        rows.append((each.model.name, each.model.title, *cells, "" if each.as_expected else "not as expected"))
    say(table(rows))
    say("")
    say("· passed   X failed   ? could not tell   (with fresh weights and with perturbed ones; a/b where they differ)")
    wrong = [each.model.name for each in audited if not each.as_expected]
    sound = sum(each.model.kind == "sound" for each in audited)
    if wrong:
        say(f"not as expected: {', '.join(wrong)}")
    else:
        say(f"As expected: {sound} sound models pass every check, {len(audited) - sound} mutants are rejected.")


def _say_one(audited: AuditedModel) -> None:
    model = audited.model
    must = f"must be rejected by {', '.join(sorted(audited.rejected_by))}" if audited.rejected_by else "must pass"
    say(f"{model.name}: {model.title}; it {must}")
    say((model.build.__doc__ or "").strip())
    say(table([(finding.check, finding.verdict, finding.meaning) for finding in audited.fresh.findings]))
    for advice in audited.fresh.advice:
        say(f"to repair: {advice}")
    if not audited.as_expected:
        say("This is not what the audit must find.")
