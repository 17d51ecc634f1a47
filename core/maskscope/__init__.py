"""Maskscope's core: masks, the tagger, the audit, projects and formats. It knows no screen."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskscope.audit import audit_model as audit_model

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`maskscope.audit_model`, imported when it is asked for: every program of Maskscope imports this package."""
    if name != "audit_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from maskscope.audit import audit_model

    return audit_model
