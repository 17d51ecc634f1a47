"""A small project with span labels and two models, which the tests of this folder share."""

from pathlib import Path

import numpy as np

from maskscope.engine.packed import PackedTagger
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import TaggerWeights
from maskscope.project import Project, ProjectWriter
from maskscope.runs import RunInfo, TrainSettings
from maskscope.types import Floats, Sentence, TagScheme

SENTENCES = (
    (("Ann", "saw", "New", "York"), ("B-PER", "O", "B-LOC", "I-LOC")),
    (("to", "\ufe0f"), ("O", "O")),
    (("Rome", "?", "now"), ("B-LOC", None, "O")),
)
# The order in which TagScheme.from_labels puts them.
SCHEME = TagScheme("multiclass", ("O", "B-LOC", "B-PER", "I-LOC"))


def random_layer(rng: np.random.Generator) -> RecurrentWeights:
    """A bidirectional layer of 2 units over 4 numbers."""
    kernels, recurrent, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 4, 8), (2, 2, 8), (2, 8)))
    return RecurrentWeights(kernels, recurrent, bias)


def make(path: Path, first_label: str = "B-PER") -> Path:
    """Write a project of three sentences with span labels and one collision, and two random models."""
    rng = np.random.default_rng(0)
    with ProjectWriter(path, 4, np.dtype(np.float32)) as writer:
        for number, (tokens, labels) in enumerate(SENTENCES):
            rows = rng.normal(size=(len(tokens), 4)).astype(np.float32)
            if number == 1:
                rows[1] = 0
            given = (first_label, *labels[1:]) if number == 0 else labels
            writer.add(Sentence(tokens, rows, given))
        writer.finish(source="x.conll")
    with Project.open(path) as project:
        for seed in (1, 2):
            folder = project.models.new_folder()
            rng = np.random.default_rng(seed)
            layer = random_layer(rng)
            dense, bias = rng.normal(size=(4, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
            PackedTagger(TaggerWeights.stack(0.0, (layer,), dense, bias, "softmax")).save_npz(folder / "weights.npz")
            (folder / "model.keras").write_bytes(b"not read here")
            run = RunInfo("BiLSTM 2", 1.5, TrainSettings(units=2), project.scheme, 4, validation_sentences=(2, 0))
            (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
            project.models.adopt(folder)
    return path


def predicting(*names: str) -> Floats:
    """Probabilities that predict these names, at 0.7."""
    probs_nc: Floats = np.stack([np.where(np.array(SCHEME.classes) == name, 0.7, 0.1) for name in names]).astype(
        np.float32
    )
    return probs_nc
