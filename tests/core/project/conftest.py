"""The fixture of a small project. Puts this folder on the path, so that its tests can share a module."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from small_project import write_small


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a small project, not open: see `write_small`."""
    return write_small(tmp_path / "p.maskscope")
