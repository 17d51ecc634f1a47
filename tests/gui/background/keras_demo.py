"""The demo with a model that only Keras runs."""

import json
import shutil
from pathlib import Path

import numpy as np

from maskscope.project import Project
from maskscope.workflows.demo import write_demo


def write_keras_demo(target: Path, *, scored: bool, at_padding: float | None = None) -> Path:
    """Write the demo, add a copy of its model that is recorded as one that only Keras runs, and return the folder.

    Args:
        target: the project folder to make.
        scored: give the copy the scores of the demo's model.
        at_padding: its output at every padded position; None for not known.
    """
    folder = write_demo(target)
    with Project.open(folder) as project:
        copy = project.path / "models" / ".partial-test"
        shutil.copytree(project.models.get("m1").folder, copy)
        (copy / "weights.npz").unlink()
        run = json.loads((copy / "run.json").read_text(encoding="utf-8"))
        run |= {"engine": "keras", "engine_reason": "holds layer 'conv1d'"}
        (copy / "run.json").write_text(json.dumps(run), encoding="utf-8", newline="\n")
        if scored:
            shutil.copy(project.path / "scores" / "m1.npy", copy / "scores.npy")
        if at_padding is not None:
            np.save(copy / "padding.npy", np.full((project.n_sentences, 1), at_padding, dtype=np.float32))
        project.models.adopt(copy)
    return folder
