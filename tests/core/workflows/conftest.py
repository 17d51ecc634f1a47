"""The fixture of a project with span labels. Puts this folder on the path, so that its tests can share a module."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskscope.project import Project

sys.path.append(str(Path(__file__).parent))

from span_project import SCHEME, make


@pytest.fixture
def span_project(tmp_path: Path) -> Iterator[Project]:
    with Project.open(make(tmp_path / "p.maskscope")) as opened:
        assert opened.scheme == SCHEME
        yield opened
