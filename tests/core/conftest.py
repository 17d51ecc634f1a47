"""Fixtures of a project with span labels."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from maskscope.project import Project
from tests.core.span_project import SCHEME, make, predicting


@pytest.fixture
def span_project(tmp_path: Path) -> Iterator[Project]:
    """A project with span labels and two models without scores, open for writing."""
    with Project.open(make(tmp_path / "p.maskscope")) as opened:
        assert opened.scheme == SCHEME
        yield opened


@pytest.fixture
def scored_spans(tmp_path: Path) -> Path:
    """Such a project, not open, with scores of both models; m1 breaks the span scheme at "York" and misses "Rome"."""
    path = make(tmp_path / "scored.maskscope")
    with Project.open(path) as project:
        project.models.write_scores("m1", predicting("B-PER", "O", "O", "I-LOC", "O", "O", "O", "O", "O"))
        project.models.write_scores("m2", predicting("O", "O", "B-LOC", "I-LOC", "O", "O", "B-LOC", "B-PER", "O"))
    return path
