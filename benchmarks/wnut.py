"""What entity F1 is reached on WNUT-17, in what time, and what moved it:

    python benchmarks/wnut.py TRAIN DEV [--only NAME]

TRAIN and DEV are folders with sentences.conll and embeddings.hdf5, as ELMo tools write it. A tenth of TRAIN is held
back; DEV is only evaluated on, by seqeval's default counting. Each row changes one thing of the recipe.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

import numpy as np

from maskscope.evaluation import token_scores
from maskscope.project import Project
from maskscope.readers import ReadOptions
from maskscope.runs import TrainSettings
from maskscope.training import trainer
from maskscope.training.spec import TaggerSpec
from maskscope.workflows.import_ import import_project

RECIPE = TrainSettings(
    units=64,
    layers=2,
    recurrent_dropout=0.3,
    dropout=0.5,
    input_dropout=0.2,
    epochs=12,
    batch_tokens=512,
    learning_rate=0.003,
    decay="linear",
    keep_by="last",
    validation=0.1,
    seed=0,
)
VARIANTS = {
    "the recipe": RECIPE,
    "seed 1": replace(RECIPE, seed=1),
    "seed 2": replace(RECIPE, seed=2),
    "one layer": replace(RECIPE, layers=1),
    "no dropout of inputs": replace(RECIPE, input_dropout=0.0),
    "no dropout of outputs": replace(RECIPE, dropout=0.0),
    "no dropout of the state": replace(RECIPE, recurrent_dropout=0.0),
    "a learning rate that stays": replace(RECIPE, decay="none"),
    "epoch of the lowest loss": replace(RECIPE, keep_by="loss"),
    "epoch of the highest F1": replace(RECIPE, keep_by="f1"),
    "class weights, square root": replace(RECIPE, class_weights="sqrt"),
    "the program's defaults": TrainSettings(),
}


def load(source: Path, target: Path) -> Project:
    """The folder's sentences as a project."""
    import_project(target, source / "sentences.conll", ReadOptions(embeddings=source / "embeddings.hdf5"))
    return Project.open(target, read_only=True)


def main() -> None:
    """Train, evaluate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("dev", type=Path)
    parser.add_argument("--only", metavar="NAME", choices=tuple(VARIANTS), help="one row of the table")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores")
    print(f"{'':28} {'seconds':>8} {'epoch':>6} {'held back':>10} {'dev':>7} {'dev, argmax':>12} {'dev, strict':>12}")
    with tempfile.TemporaryDirectory() as name:
        train, dev = (load(source, Path(name) / source.name) for source in (options.train, options.dev))
        if train.scheme != dev.scheme:
            sys.exit(f"the label sets differ: {train.scheme.classes} and {dev.scheme.classes}")
        gold, ids = dev.labels("gold"), np.flatnonzero(np.diff(dev.offsets))
        for variant, settings in VARIANTS.items():
            if options.only not in (None, variant):
                continue
            spec = TaggerSpec.from_settings(train.scheme, train.dim, settings)
            began = time.perf_counter()
            trained = trainer.train(train.embeddings, train.offsets, train.labels("gold"), spec, settings)
            seconds = time.perf_counter() - began
            probs, rows, offsets = trainer.score(trained.parameters, dev.embeddings, dev.offsets, ids)
            found = token_scores.evaluate(gold[rows], probs, dev.scheme, None, offsets)
            assert found.argmax is not None
            entities = found.metrics.entities
            assert entities.strict is not None
            best = trained.history[trained.best_epoch - 1]
            print(
                f"{variant:28} {seconds:8.0f} {trained.best_epoch:3d}/{len(trained.history):2d} {best.entity_f1:10.3f} "
                f"{entities.micro.f1:7.3f} {found.argmax.entity_f1:12.3f} {entities.strict.micro.f1:12.3f}",
                flush=True,
            )
        train.close()
        dev.close()


if __name__ == "__main__":
    main()
