"""Progress and cancelling of long work."""

from typing import Protocol

from maskscope.errors import Cancelled


class Job(Protocol):
    """Receives the progress of long work. Each call may raise `Cancelled`: it comes only between whole steps."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report that `done` of `total` units are done; `total` is 0 when it is not known.

        `text` names the unit or the phase in a few words ("sentences", "epoch 3").
        Raises Cancelled when the person has asked to stop.
        """

    def figure(self, name: str, step: int, value: float) -> None:
        """Report one value to plot, such as ("loss", epoch, 0.31). Raises Cancelled as `progress` does."""


class NullJob:
    """A job that shows nothing and is never cancelled."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Do nothing."""

    def figure(self, name: str, step: int, value: float) -> None:
        """Do nothing."""


class FlagJob(NullJob):
    """A job that `cancel()` cancels, from any thread: the next report raises Cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Make the next report raise Cancelled."""
        self.cancelled = True

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Raise Cancelled after `cancel`."""
        if self.cancelled:
            raise Cancelled

    def figure(self, name: str, step: int, value: float) -> None:
        """Raise Cancelled after `cancel`."""
        if self.cancelled:
            raise Cancelled


def format_duration(seconds: float) -> str:
    """Format a time for a person, such as "12 s", "3 min 20 s", "1 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
