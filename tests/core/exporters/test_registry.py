"""The registry of export formats: everything that is shown of a format comes from its row."""

from pathlib import Path

import pytest

from maskscope.errors import ExportError
from maskscope.exporters import export, formats

DOCS = Path(__file__).parents[3] / "docs"


def test_an_unknown_format_is_refused_with_the_list_of_formats(tmp_path: Path) -> None:
    names = ", ".join(row.name for row in formats())
    with pytest.raises(ExportError, match=f"one of {names}; received xml"):
        export(tmp_path / "x", [], "xml", ("O",))


def test_each_format_describes_itself() -> None:
    documentation = (DOCS / "formats.md").read_text(encoding="utf-8")
    for row in formats():
        assert row.suffixes
        assert all(suffix.startswith(".") for suffix in row.suffixes)
        assert row.title
        assert row.needs
        assert row.not_included
        assert row.description in documentation
