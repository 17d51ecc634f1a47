"""How fast the built-in engine scores other designs and sizes: `python benchmarks/scoring_sizes.py [--sentences N]`.

For each size: bidirectional LSTM, two layers of it, GRU (`reset_after`), and an LSTM on float16 embeddings, each with a
sigmoid, as ratios within one run: of the matrix product that no way can do without (the lowest kernel of the
same design), and of torch's packed sequences with the same layers on float32, where torch is installed. The corpus is
that of `scoring.py`. Each time is the best of several runs.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

import numpy as np

from maskscope.engine.packed import PackedTagger
from maskscope.engine.recurrence import N_GATES, CellKind, RecurrentWeights
from maskscope.engine.weights import TaggerWeights
from maskscope.types import Embeddings, Floats, Offsets
from scoring import best

SIZES = ((2048, 10), (768, 32), (384, 64))
"""D and units."""
DESIGNS: dict[str, tuple[CellKind, int]] = {"LSTM": ("lstm", 1), "LSTM, two layers": ("lstm", 2), "GRU": ("gru", 1)}


def corpus(dim: int, n_sentences: int) -> tuple[Floats, Offsets]:
    """Standard normal embeddings (n, dim) and offsets of sentences of log-normal length, at most 120."""
    rng = np.random.default_rng(0)
    lengths = np.clip(np.round(rng.lognormal(np.log(22) - 0.18, 0.6, n_sentences)), 1, 120).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return rng.standard_normal((int(offsets[-1]), dim), dtype=np.float32), offsets


def tagger(cell: CellKind, n_layers: int, dim: int, units: int) -> PackedTagger:
    """Bidirectional layers with random weights below one sigmoid."""
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> Floats:
        return rng.normal(0, 0.1, shape).astype(np.float32)

    width = N_GATES[cell] * units
    biases = 2 * width if cell == "gru" else width
    layers = [
        RecurrentWeights(
            draw(2, 2 * units if layer else dim, width),
            draw(2, units, width),
            draw(2, biases),
            cell=cell,
            reset_after=cell == "gru",
        )
        for layer in range(n_layers)
    ]
    return PackedTagger(TaggerWeights.stack(0.0, layers, draw(2 * units, 1), draw(1), "sigmoid"))


def torch_work(cell: CellKind, n_layers: int, x_nd: Embeddings, offsets: Offsets, units: int) -> Callable[[], object]:
    """The same layers in torch, on packed sequences; raises ImportError without torch."""
    import torch

    kind = torch.nn.LSTM if cell == "lstm" else torch.nn.GRU
    layer = kind(x_nd.shape[1], units, num_layers=n_layers, bidirectional=True)
    dense = torch.nn.Linear(2 * units, 1)
    sentences = [torch.from_numpy(x_nd[begin:end]) for begin, end in pairwise(offsets.tolist())]

    def work() -> None:
        with torch.no_grad():
            for i in range(0, len(sentences), 256):
                group = torch.nn.utils.rnn.pack_sequence(sentences[i : i + 256], enforce_sorted=False)
                torch.sigmoid(dense(layer(group)[0].data))

    return work


def measure(dim: int, units: int, n_sentences: int, repeat: int) -> None:
    """Print the rows of one size."""
    x_nd, offsets = corpus(dim, n_sentences)
    half_nd = x_nd.astype(np.float16)
    works: dict[str, Callable[[], object]] = {}
    for gates in (4, 3):
        kernel = np.random.default_rng(1).standard_normal((dim, 2 * gates * units), dtype=np.float32)
        out: Floats = np.empty((len(x_nd), kernel.shape[1]), dtype=np.float32)
        works[f"product {gates}"] = lambda kernel=kernel, out=out: np.matmul(x_nd, kernel, out=out)  # type: ignore[misc]
    for name, (cell, n_layers) in DESIGNS.items():
        own = tagger(cell, n_layers, dim, units)
        works[name] = lambda own=own: own.score(x_nd, offsets)  # type: ignore[misc]
        if name == "LSTM":
            works["LSTM, float16"] = lambda own=own: own.score(half_nd, offsets)  # type: ignore[misc]
        try:
            works[f"torch {name}"] = torch_work(cell, n_layers, x_nd, offsets, units)
        except ImportError:
            print(f"no torch to compare {name} with", file=sys.stderr)
    seconds = best(works, repeat)
    for name in ("LSTM", "LSTM, two layers", "LSTM, float16", "GRU"):
        product = seconds["product 3" if name == "GRU" else "product 4"]
        by_torch = seconds.get(f"torch {name.removesuffix(', float16')}")
        ratio = "" if by_torch is None else f"{by_torch / seconds[name]:9.1f}"
        speed = len(x_nd) / seconds[name]
        print(f"{dim:6} {units:6}  {name:18} {speed:10,.0f} {product / seconds[name]:11.2f} {ratio}")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {options.sentences} sentences")
    print(f"{'D':>6} {'units':>6}  {'way':18} {'tokens/s':>10} {'of product':>11}  of torch")
    for dim, units in SIZES:
        measure(dim, units, options.sentences, options.repeat)


if __name__ == "__main__":
    main()
