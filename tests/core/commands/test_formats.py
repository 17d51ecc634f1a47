"""maskscope formats: what the registries hold, as a table, as JSON and as documentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maskscope import exporters, readers
from maskscope.exporters import registry as export_registry
from maskscope.readers import registry as import_registry

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "formats.md"


def test_json_and_table(run: Run) -> None:
    record = run("formats", "--json").json()
    assert {"npy", "npz", "conll"} <= {each["name"] for each in record["readers"]}
    assert {"conll", "jsonl"} <= {each["name"] for each in record["exporters"]}
    assert set(record["readers"][0]) == {"name", "title", "suffixes", "needs", "loses"}
    out = run("formats").out
    for each in (*record["readers"], *record["exporters"]):
        assert each["needs"] in out
        assert each["loses"] in out


def test_the_documentation_is_what_the_registries_hold(run: Run) -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    mark = "maskscope formats --markdown -->\n"
    written = text.partition(f"<!-- begin: {mark}")[2].partition(f"<!-- end: {mark}")[0]
    assert written == run("formats", "--markdown").out


def test_a_registered_format_is_listed_and_documented(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_import = replace(readers.formats()[0], name="toys", title="Toys", suffixes=(".toy",), needs="a box")
    toy_export = replace(exporters.formats()[0], name="toyx", title="Toy export", suffixes=(".toyx",))
    monkeypatch.setattr(import_registry, "_FORMATS", (*readers.formats(), toy_import))
    monkeypatch.setattr(export_registry, "_FORMATS", (*exporters.formats(), toy_export))
    record = run("formats", "--json").json()
    assert record["readers"][-1]["name"] == "toys"
    assert record["exporters"][-1]["suffixes"] == [".toyx"]
    assert "a box" in run("formats").out
    markdown = run("formats", "--markdown").out
    assert "| `toys` | `.toy` | a box |" in markdown
    assert "### Import toys: Toys" in markdown
    assert "### Export toyx: Toy export" in markdown
