"""How fast the window is: its start against `import tensorflow`, and its answers against one frame of a screen.

Run in an installed checkout, on a display (or under `xvfb-run`): ``python benchmarks/window.py``. Every number is
measured in this run; a frame is 16 ms, the bound that the design sets for selecting and for the padding slider.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from maskscope_gui.background.padding_experiment import PaddingExperiment

FRAME_MS = 16.0
LABEL_MS = 20.0
DIM = 2048


def make_project(folder: Path, n_sentences: int) -> Path:
    """A project of D = 2048 with log-normal lengths (mean 22, longest 120), and a tagger with fresh weights."""
    from maskscope.engine import packed
    from maskscope.keras_io import keras_model
    from maskscope.project import Project, ProjectWriter
    from maskscope.runs import RunInfo, TrainSettings
    from maskscope.training.spec import TaggerSpec
    from maskscope.types import Sentence

    path = folder / "wide.maskscope"
    rng = np.random.default_rng(0)
    with ProjectWriter(path, DIM, np.dtype(np.float16)) as writer:
        for length in rng.lognormal(2.9, 0.6, n_sentences).clip(1, 120).astype(int).tolist():
            tokens = tuple(f"token{i}" for i in range(length))
            labels = tuple(rng.choice(["O", "name"], length, p=[0.85, 0.15]).tolist())
            writer.add(Sentence(tokens, rng.normal(0, 1, (length, DIM)).astype(np.float16), labels))
        scheme = writer.finish(source="made")
    with Project.open(path) as project:
        model = project.models.new_folder()
        keras_model.save(keras_model.build(TaggerSpec(scheme, DIM)), model / "model.keras")
        tagger = packed.load(model / "model.keras")
        tagger.save_npz(model / "weights.npz")
        run = RunInfo("BiLSTM 10", time.time(), TrainSettings(), scheme, DIM)
        (model / "run.json").write_text(run.to_json(), encoding="utf-8")
        np.save(model / "scores.npy", tagger.score(project.embeddings, project.offsets))
        project.models.adopt(model)
    return path


def seconds(command: list[str], rounds: int, environment: dict[str, str]) -> float:
    """Median wall time of a command."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def start_times(project: Path, rounds: int) -> list[tuple[str, float]]:
    """Seconds of `import tensorflow`, and of the program from its start to a painted window and out again."""
    environment = {**os.environ, "MASKSCOPE_QUIT_WHEN_PAINTED": "1"}
    window = [sys.executable, "-m", "maskscope", str(project)]
    peer = [sys.executable, "-c", "import tensorflow"]
    seconds(window, 1, environment)
    seconds(peer, 1, environment)
    return [
        ("import tensorflow", seconds(peer, rounds, environment)),
        ("window painted", seconds(window, rounds, environment)),
    ]


def answer_times(path: Path, rounds: int) -> list[tuple[str, list[float], float]]:
    """Milliseconds from the call to the end of painting, for what a hand does most."""
    from PySide6.QtCore import QCoreApplication

    from maskscope_gui.app import Program, make_application

    make_application()
    program = Program()
    window = program.window
    window.session.open(path)
    window.add_curve()
    window.resize(1440, 900)
    window.show()
    rows = []

    def measure(name: str, act: Callable[[int], object], bound: float) -> None:
        times = []
        for turn in range(rounds):
            # Time for the curve of the last turn, which is computed in the background.
            until = time.perf_counter() + 0.25
            while time.perf_counter() < until:
                QCoreApplication.processEvents()
                time.sleep(0.005)
            start = time.perf_counter()
            act(turn)
            QCoreApplication.processEvents()
            times.append(1000 * (time.perf_counter() - start))
        rows.append((name, times, bound))

    measure("select the next sentence", lambda turn: window.session.cursor.select_row(turn + 1), FRAME_MS)
    measure("move the padding slider one step", lambda turn: window.experiment.set_added(turn + 1), FRAME_MS)
    measure("the same, filled with noise, no mask", lambda turn: _noise(window.experiment, turn), FRAME_MS)
    measure("set a label, durable and painted", lambda turn: window.session.editing.set_label(turn % 2), LABEL_MS)
    program.close()
    window.close()
    window.session.close()
    return rows


def _noise(experiment: "PaddingExperiment", turn: int) -> None:
    if turn == 0:
        experiment.set_fill("noise")
        experiment.set_mask_source("none")
    experiment.set_added(100 + turn)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sentences", type=int, default=1000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        project = make_project(folder, arguments.sentences)
        starts = start_times(project, 5)
        print(f"| start, D = {DIM}, {arguments.sentences:,} sentences | s | of import tensorflow |\n|---|---|---|")
        for name, value in starts:
            print(f"| {name} | {value:.2f} | {value / starts[0][1]:.2f} |")
        print("\n| answer | median ms | 95 of 100 ms | median of its bound |\n|---|---|---|---|")
        for name, times, bound in answer_times(project, arguments.rounds):
            high = float(np.percentile(times, 95))
            middle = statistics.median(times)
            print(f"| {name} | {middle:.1f} | {high:.1f} | {middle / bound:.2f} of {bound:.0f} |")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
