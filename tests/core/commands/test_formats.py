"""maskscope formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_json_and_table(run: Run) -> None:
    record = run("formats", "--json").json()
    assert [each["name"] for each in record["readers"]] == ["npy", "npz", "conll"]
    assert [each["name"] for each in record["exporters"]] == ["conll", "jsonl"]
    assert set(record["readers"][0]) == {"name", "title", "suffixes", "needs", "loses"}
    out = run("formats").out
    for each in (*record["readers"], *record["exporters"]):
        assert each["needs"] in out
        assert each["loses"] in out
