"""The fixture of a small project."""

from pathlib import Path

import pytest

from tests.core.project.small_project import write_small


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a small project, not open: see `write_small`."""
    return write_small(tmp_path / "p.maskscope")
