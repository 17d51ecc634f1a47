"""Maskscope's core: masks, the tagger, the audit, projects and formats. It knows no screen."""

__version__ = "0.1.0"
