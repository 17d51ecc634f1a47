"""`maskscope audit --gallery`: the audit shown at work, on models that must pass it and on mutants that must not."""

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
    from maskscope.audit.gallery import Exhibit

_LETTERS = {"passed": "·", "failed": "X", "could not tell": "?"}
_WORKERS = 2
"""Each takes half a gigabyte, and most of its time on one core."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An exhibit, audited.

    Attributes:
        exhibit: which.
        fresh, moved: what was found with fresh weights, and with all of them moved.
    """

    exhibit: "Exhibit"
    fresh: "AuditReport"
    moved: "AuditReport"

    @property
    def as_expected(self) -> bool:
        """Whether every check passes a sound model, or those that must reject a mutant do, both times."""
        for report in (self.fresh, self.moved):
            failed = {finding.check for finding in report.findings if finding.verdict == "failed"}
            if not self.exhibit.rejected_by <= failed or (self.exhibit.kind == "sound" and report.verdict != "passed"):
                return False
        return True


def gallery(values: argparse.Namespace, write: Callable[["AuditReport"], None]) -> int:
    """``maskscope audit --gallery [NAME]``; 1 when the audit does not find what it must.

    Args:
        values: the command line.
        write: writes the report of the one exhibit that was asked for.
    """
    from maskscope.audit.gallery import GALLERY, exhibit

    chosen = GALLERY
    if values.gallery:
        one = exhibit(values.gallery)
        if one is None:
            names = ", ".join(each.name for each in GALLERY)
            raise MaskscopeError("there is no such exhibit", expected=names, received=values.gallery)
        chosen = (one,)
    elif values.report is not None:
        raise MaskscopeError("--report goes with one exhibit, such as --gallery M3")
    with TerminalJob() as job:
        shown = _audited(chosen, job)
    if values.report is not None:
        write(shown[0].fresh)
    good = all(each.as_expected for each in shown)
    if values.json:
        say_json({"gallery": [_record(each, bool(values.gallery)) for each in shown], "as_expected": good})
        return 0 if good else 1
    if values.gallery:
        _say_one(shown[0])
    else:
        _say_table(shown)
    return 0 if good else 1


def _audited(exhibits: "tuple[Exhibit, ...]", job: TerminalJob) -> list[Shown]:
    """Audit them in as many workers as there are cores, at most `_WORKERS`."""
    from maskscope.audit.report import AuditReport
    from maskscope.worker.client import run_job

    workers = max(1, min(_WORKERS, os.cpu_count() or 1, len(exhibits)))
    parts = [exhibits[number::workers] for number in range(workers)]
    together = _Together(job, len(exhibits))

    def run(number: int) -> list[dict[str, str]]:
        names = ",".join(each.name for each in parts[number])
        # the first tells of a Keras that loses masks; the others would only repeat it
        warn = job.warn if number == 0 else None
        reports = run_job("gallery", {"names": names}, together.part(number), warn=warn, one_core=workers > 1)[
            "reports"
        ]
        found: list[dict[str, str]] = json.loads(str(reports))
        return found

    with ThreadPoolExecutor(workers) as pool:
        found = {each["name"]: each for part in pool.map(run, range(workers)) for each in part}
    return [
        Shown(each, *(AuditReport.from_json(found[each.name][which]) for which in ("fresh", "moved")))
        for each in exhibits
    ]


class _Together:
    """One job of several parts that run side by side: exhibits done, of all."""

    def __init__(self, job: Job, total: int) -> None:
        self._job, self._total = job, total
        self._done: dict[int, int] = {}
        self._lock = threading.Lock()

    def part(self, number: int) -> Job:
        """What the part of that number reports to."""
        return _Part(self, number)

    def report(self, number: int, done: int, text: str) -> None:
        """Part `number` has `done` exhibits. Raises Cancelled when asked to stop."""
        with self._lock:
            self._done[number] = done
            self._job.progress(sum(self._done.values()), self._total, text)


class _Part(NullJob):
    def __init__(self, together: _Together, number: int) -> None:
        self._together, self._number = together, number

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report; raise Cancelled when asked to stop."""
        self._together.report(self._number, done if total else 0, text)


def _record(shown: Shown, whole: bool) -> dict[str, object]:
    record: dict[str, object] = {
        "name": shown.exhibit.name,
        "title": shown.exhibit.title,
        "kind": shown.exhibit.kind,
        "rejected_by": sorted(shown.exhibit.rejected_by),
        "verdict": shown.fresh.verdict,
        "checks": {finding.check: finding.verdict for finding in shown.fresh.findings},
        "moved": {finding.check: finding.verdict for finding in shown.moved.findings},
        "as_expected": shown.as_expected,
    }
    if whole:
        record["report"] = json.loads(shown.fresh.to_json())
    return record


def _say_table(shown: list[Shown]) -> None:
    checks = [finding.check for finding in shown[0].fresh.findings]
    rows = [("", "", *(check[:5] for check in checks), "")]
    for each in shown:
        cells = []
        for one, other in zip(each.fresh.findings, each.moved.findings, strict=True):
            letters = _LETTERS[one.verdict], _LETTERS[other.verdict]
            cells.append(letters[0] if letters[0] == letters[1] else "/".join(letters))
        rows.append((each.exhibit.name, each.exhibit.title, *cells, "" if each.as_expected else "not as expected"))
    say(table(rows))
    say("")
    say("· passed   X failed   ? could not tell   (with fresh weights and with moved ones; a / b where they differ)")
    wrong = [each.exhibit.name for each in shown if not each.as_expected]
    sound = sum(each.exhibit.kind == "sound" for each in shown)
    if wrong:
        say(f"not as expected: {', '.join(wrong)}")
    else:
        say(f"As it should be: {sound} sound models pass every check, {len(shown) - sound} mutants are caught.")


def _say_one(shown: Shown) -> None:
    exhibit = shown.exhibit
    must = f"must be caught by {', '.join(sorted(exhibit.rejected_by))}" if exhibit.rejected_by else "must pass"
    say(f"{exhibit.name}: {exhibit.title}; it {must}")
    say((exhibit.build.__doc__ or "").strip())
    rows = [(finding.check, finding.verdict, finding.meaning) for finding in shown.fresh.findings]
    say(table(rows))
    for advice in shown.fresh.advice:
        say(f"smallest change: {advice}")
    if not shown.as_expected:
        say("This is not what the audit must find.")
