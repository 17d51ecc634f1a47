"""The errors that the core raises. Only the command line and the window show them.

``str(error)`` is a whole sentence: where, what was wrong, what was expected and what was received.
"""

from pathlib import Path
from typing import Self


class MaskscopeError(Exception):
    """Base class of the errors that a person can do something about.

    Args:
        message: one sentence, without the place.
        file: the file where it occurred.
        sentence: the sentence where it occurred, counted from 0 in reading order.
        expected: what would have been right.
        received: what was found instead.
    """

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        sentence: int | None = None,
        expected: str | None = None,
        received: str | None = None,
    ) -> None:
        self.message = message
        self.file = None if file is None else Path(file)
        self.sentence = sentence
        self.expected = expected
        self.received = received
        super().__init__(self._text())

    def in_file(self, file: Path | str) -> Self:
        """The same error, naming that file."""
        return type(self)(
            self.message, file=file, sentence=self.sentence, expected=self.expected, received=self.received
        )

    def _text(self) -> str:
        place = []
        if self.sentence is not None:
            place.append(f"sentence {self.sentence}")
        if self.file is not None:
            place.append(f"{self.file.name}")
        text = f"{' of '.join(place)}: {self.message}" if place else self.message
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.received is not None:
            text += f"; received {self.received}"
        return text


class ReadError(MaskscopeError):
    """A source file can't be read as sentences with embeddings."""


class ExportError(MaskscopeError):
    """Labels can't be written in a format, or the file read back differs from what was written."""


class ProjectError(MaskscopeError):
    """A project folder can't be created, opened or changed."""


class ReadOnlyError(ProjectError):
    """The project is open read-only, because another program holds its lock or the disk is write-protected."""


class ModelError(MaskscopeError):
    """A model file is refused, or its shape does not fit the project."""


class WorkerError(MaskscopeError):
    """The worker process ended or failed while it had a job."""


class Cancelled(Exception):  # noqa: N818 - not an error: a person asked for it
    """A person cancelled the job. Nothing unfinished is left behind."""
