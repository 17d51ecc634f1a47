"""Small labelled projects for the tests of the pages."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskscope.project import ProjectWriter
from maskscope.types import Sentence


@pytest.fixture
def write_labelled(tmp_path: Path) -> Callable[..., Path]:
    """Write a project of sentences whose tokens are numbers and whose labels are given, "." for none."""

    def write(*sentences: str) -> Path:
        target = tmp_path / "labelled.maskscope"
        rng = np.random.default_rng(5)
        with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
            for labels in sentences:
                names = tuple(None if name == "." else name for name in labels.split())
                rows = rng.normal(size=(len(names), 4)).astype(np.float32)
                writer.add(Sentence(tuple(str(number) for number in range(len(names))), rows, names))
            writer.finish()
        return target

    return write
