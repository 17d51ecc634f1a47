"""How fast scoring is, as ratios within one run: `python benchmarks/scoring.py [--sentences N] [--repeat N]`.

The corpus: D = 2048, log-normal sentence lengths with mean 22 and at most 120, standard normal embeddings, given
as they are in a project: one (n_tokens, D) array. Each row is the best of several runs; "of product" compares
with the matrix product that no way can do without, "of predict" with `keras.Model.predict` on one padded array.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from maskscope import masks
from maskscope.engine import packed
from maskscope.types import Embeddings, Floats, Offsets, TagScheme

DIM = 2048
UNITS = 10


@dataclass(frozen=True)
class Row:
    """One line of the table: what was run, its best time in seconds, its largest difference from Keras."""

    name: str
    seconds: float
    difference: float | None = None


def corpus(n_sentences: int, seed: int = 0) -> tuple[Embeddings, Offsets]:
    """Standard normal embeddings (n, DIM) float32 and offsets of sentences of log-normal length."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(np.round(rng.lognormal(np.log(22) - 0.18, 0.6, n_sentences)), 1, 120).astype(np.int64)
    lengths[rng.integers(n_sentences)] = 120
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return rng.standard_normal((int(offsets[-1]), DIM), dtype=np.float32), offsets


def best(works: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Seconds of the fastest of `repeat` runs of each, taken in turn, so that a busy moment hits all alike."""
    seconds = dict.fromkeys(works, float("inf"))
    for turn in range(repeat + 1):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            taken = time.perf_counter() - begin
            if turn:  # the first turn only warms up
                seconds[name] = min(seconds[name], taken)
    return seconds


def measure(n_sentences: int, repeat: int) -> tuple[list[Row], int]:
    """The rows of the table, and how many tokens the corpus holds."""
    import keras

    from maskscope.keras_io import keras_model
    from maskscope.training.spec import TaggerSpec

    x_nd, offsets = corpus(n_sentences)
    rng = np.random.default_rng(1)
    scheme = TagScheme("binary", ("O", "name"))

    def tagger(model: keras_model.KerasModel, folder: Path) -> tuple[keras_model.KerasModel, packed.PackedTagger]:
        model.set_weights([w + rng.normal(0, 0.1 if w.ndim == 1 else 0.0, w.shape) for w in model.get_weights()])
        keras_model.save(model, folder / "model.keras")
        return model, packed.load(folder / "model.keras")

    def lstm() -> keras.layers.Layer:
        return keras.layers.LSTM(UNITS, return_sequences=True)

    mixed_layers = [
        keras.Input((None, DIM)),
        keras.layers.Masking(),
        lstm(),
        keras.layers.LayerNormalization(),
        keras.layers.Dense(2 * UNITS, "relu"),
        keras.layers.Bidirectional(lstm(), merge_mode="sum"),
        keras.layers.Dense(1, "sigmoid"),
    ]
    with tempfile.TemporaryDirectory() as name:
        model, one = tagger(keras_model.build(TaggerSpec(scheme, DIM, units=UNITS)), Path(name))
        _, two = tagger(keras_model.build(TaggerSpec(scheme, DIM, units=UNITS, layers=2)), Path(name))
        _, mixed = tagger(keras.Sequential(mixed_layers), Path(name))
    kernel = rng.standard_normal((DIM, 8 * UNITS), dtype=np.float32)
    gates: Floats = np.empty((len(x_nd), 8 * UNITS), dtype=np.float32)
    half_nd = x_nd.astype(np.float16)
    works: dict[str, Callable[[], object]] = {
        "matrix product alone": lambda: np.matmul(x_nd, kernel, out=gates),
        "packed, float32": lambda: one.score(x_nd, offsets),
        "packed, float16": lambda: one.score(half_nd, offsets),
        "packed, float32, two layers": lambda: two.score(x_nd, offsets),
        "packed, float32, other layers": lambda: mixed.score(x_nd, offsets),
    }
    torch_work = _torch(x_nd, offsets)
    if torch_work is not None:
        works["torch, pack_sequence"] = torch_work
    rows = [Row(name, seconds) for name, seconds in best(works, repeat).items()]

    by_keras = by_batches_of_like_length(keras_model.inference_function(model, DIM), x_nd, offsets)
    rows[1] = replace(rows[1], difference=float(np.abs(one.score(x_nd, offsets) - by_keras()).max()))
    # the whole padded array would take 4 GB, and predict as much again: a quarter shows the speed as well
    share = max(1, n_sentences // 4)
    part = offsets[: share + 1]
    batch = masks.pad(x_nd[: part[-1]], part, int(np.diff(offsets).max()))
    slow: dict[str, Callable[[], object]] = {
        "Keras, batches of like length": by_keras,
        "Keras, predict on one padded array": lambda: model.predict(batch.x_btd, verbose=0),
    }
    scale = {"Keras, predict on one padded array": len(x_nd) / int(part[-1])}
    rows += [Row(name, seconds * scale.get(name, 1.0)) for name, seconds in best(slow, 1).items()]
    return rows, len(x_nd)


def by_batches_of_like_length(
    predict: Callable[[Floats], Floats], x_nd: Embeddings, offsets: Offsets
) -> Callable[[], Floats]:
    """Score by Keras, shortest sentences first, in padded batches of at most 4096 positions."""
    lengths = np.diff(offsets)
    ordered = np.argsort(lengths, kind="stable")
    batches, begin = [], 0
    for end in range(1, len(ordered) + 1):
        # lengths rise, so the next sentence would be the batch's longest
        if end == len(ordered) or lengths[ordered[end]] * (end + 1 - begin) > 4096:
            batches.append(ordered[begin:end])
            begin = end

    def work() -> Floats:
        probs: Floats = np.empty((len(x_nd), 1), dtype=np.float32)
        for ids in batches:
            rows, own_offsets = masks.token_rows(ids, offsets)
            batch = masks.pad(x_nd[rows], own_offsets)
            probs[rows] = predict(batch.x_btd)[batch.mask_bt]
        return probs

    return work


def _torch(x_nd: Embeddings, offsets: Offsets) -> Callable[[], object] | None:
    try:
        import torch
    except ImportError:
        return None
    lstm = torch.nn.LSTM(DIM, UNITS, bidirectional=True)
    dense = torch.nn.Linear(2 * UNITS, 1)
    sentences = [torch.from_numpy(x_nd[begin:end]) for begin, end in pairwise(offsets.tolist())]

    def work() -> None:
        with torch.no_grad():
            for i in range(0, len(sentences), 256):
                group = torch.nn.utils.rnn.pack_sequence(sentences[i : i + 256], enforce_sorted=False)
                torch.sigmoid(dense(lstm(group)[0].data))

    return work


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rows, n_tokens = measure(options.sentences, options.repeat)
    product, predict = rows[0].seconds, rows[-1].seconds
    print(f"{platform.machine()}, {os.cpu_count()} cores, {options.sentences} sentences, {n_tokens} tokens, D = {DIM}")
    print(f"{'way':36} {'tokens/s':>10} {'of product':>11} {'of predict':>11}  largest |difference| from Keras")
    for row in rows:
        difference = "" if row.difference is None else f"  {row.difference:.1e}"
        print(
            f"{row.name:36} {n_tokens / row.seconds:10,.0f} {product / row.seconds:11.2f} "
            f"{predict / row.seconds:11.1f}{difference}"
        )


if __name__ == "__main__":
    main()
