"""maskscope screenshot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_a_sentence_that_is_not_there(run: Run, project: Path, tmp_path: Path) -> None:
    refusal = run("screenshot", project, tmp_path / "s.png", "--sentence", 9).refused()
    assert "expected 0 to 1; received 9" in refusal
