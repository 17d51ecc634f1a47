"""Readers: one module for each import format, and their registry. A reader yields Sentences, one after another.

Memory is bounded by one sentence or a fixed block, whatever the size of the source. A source that can't be read
raises one `ReadError`; what a source leaves open is decided, and a `Note` says how.
"""

from maskscope.readers.base import Companion, ImportFormat, Note, Preview, ReadOptions, Source
from maskscope.readers.registry import formats, open_source, recognise

__all__ = [
    "Companion",
    "ImportFormat",
    "Note",
    "Preview",
    "ReadOptions",
    "Source",
    "formats",
    "open_source",
    "recognise",
]
