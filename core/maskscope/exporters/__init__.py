"""Exporters: one module a format behind one registry. A file is written beside its place, read back, compared,
and only then put in its place."""

from maskscope.exporters.base import ExportFormat, LabelledSentence
from maskscope.exporters.registry import export, formats

__all__ = ["ExportFormat", "LabelledSentence", "export", "formats"]
