"""Exporters, one module a format: each file is read back and compared before it replaces the old one."""

from maskscope.exporters.base import ExportFormat, LabelledSentence
from maskscope.exporters.registry import export, formats

__all__ = ["ExportFormat", "LabelledSentence", "export", "formats"]
