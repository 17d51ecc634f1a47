"""Progress and cancelling, as long work sees them."""

from typing import Protocol

from maskscope.errors import Cancelled


class Job(Protocol):
    """What long work reports to. Each call may raise `Cancelled`; work holds nothing half-done across one."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report that `done` of `total` units are done; `total` is 0 when it is not known.

        `text` names the unit or the phase in a few words ("sentences", "epoch 3").
        Raises Cancelled when the person has asked to stop.
        """

    def figure(self, name: str, step: int, value: float) -> None:
        """Report one live figure, such as ("loss", epoch, 0.31). Raises Cancelled as `progress` does."""


class NullJob:
    """A job that nobody watches and nobody cancels."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Do nothing."""

    def figure(self, name: str, step: int, value: float) -> None:
        """Do nothing."""


class FlagJob(NullJob):
    """A job that can be cancelled from another thread by `cancel()`; each report then raises Cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Ask the work to stop at its next report."""
        self.cancelled = True

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Raise Cancelled when asked to."""
        if self.cancelled:
            raise Cancelled

    def figure(self, name: str, step: int, value: float) -> None:
        """Raise Cancelled when asked to."""
        if self.cancelled:
            raise Cancelled
