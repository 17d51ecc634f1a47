"""Errors of a model that is run for the audit."""

import warnings
from collections.abc import Callable
from typing import TypeVar

from maskscope.keras_io.error_summary import error_summary

Result = TypeVar("Result")


class Unrunnable(Exception):  # noqa: N818 - the runner turns it into a finding
    """The model can't be measured; the message says why, in one sentence.

    Attributes:
        matters: whether the verdict of the audit hangs on it; False for what a model or data can't have wrong.
    """

    def __init__(self, message: str, matters: bool = True) -> None:
        super().__init__(message)
        self.matters = matters


def run_model(function: Callable[[], Result]) -> Result:
    """Call a function that runs a model. Raises Unrunnable for whatever the model raises."""
    try:
        with warnings.catch_warnings():
            # Keras also warns where a mask survives, so its warnings prove nothing
            warnings.simplefilter("ignore", UserWarning)
            return function()
    except Unrunnable:
        raise
    except Exception as error:
        # the layers' code may be from anyone and raise anything
        raise Unrunnable(f"The model does not run ({error_summary(error)}).") from error
