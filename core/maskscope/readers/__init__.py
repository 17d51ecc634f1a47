"""Readers: one module a format behind one registry. A reader yields Sentences, streaming.

Memory is bounded by one sentence or a fixed block, whatever the size of the source. What a source can't mean
is refused with one `ReadError`; what it leaves open is decided and told in a `Note`.
"""

from maskscope.readers.base import Format, Note, ReadOptions, Source
from maskscope.readers.registry import formats, open_source

__all__ = ["Format", "Note", "ReadOptions", "Source", "formats", "open_source"]
