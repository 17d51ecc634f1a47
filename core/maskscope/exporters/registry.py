"""The registry of export formats: a new one is added to `_FORMATS`, and nowhere else."""

from collections.abc import Iterable
from pathlib import Path

from maskscope.errors import ExportError
from maskscope.exporters.base import ExportFormat, LabelledSentence
from maskscope.exporters.conll import FORMAT as CONLL
from maskscope.exporters.jsonl import FORMAT as JSONL
from maskscope.jobs import Job, NullJob

_FORMATS = (CONLL, JSONL)


def formats() -> tuple[ExportFormat, ...]:
    """Every export format."""
    return _FORMATS


def export(
    path: Path,
    sentences: Iterable[LabelledSentence],
    format_name: str,
    classes: tuple[str, ...],
    job: Job | None = None,
) -> int:
    """Write `sentences` to `path` in a format, and return their number.

    Args:
        path: the file; replaced only after the new one was read back and compared.
        sentences: in the order in which they are written; taken one at a time.
        format_name: the name of an export format.
        classes: the label names of the scheme.
        job: receives the progress, and may cancel; None for no job.

    Raises ExportError for an unknown format or what can't be written; Cancelled when the job is.
    """
    for candidate in _FORMATS:
        if candidate.name == format_name:
            return candidate.write(path, sentences, classes, job or NullJob())
    raise ExportError(
        "the format is not known",
        file=path,
        expected=f"one of {', '.join(f.name for f in _FORMATS)}",
        received=format_name,
    )
