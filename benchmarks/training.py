"""How fast training is, as ratios within one run: `python benchmarks/training.py [--sentences N] [--repeat N]`.

The corpus is that of scoring.py (D = 2048, log-normal lengths), labels are random; every way takes one step of Adam
a batch of 32 sentences. Maskscope and torch get the same batches, of like length as Maskscope's trainer makes them
(with --any-length, of the sentences as they come). `fit` on the globally padded array is given a sixteenth of the
sentences, as they come, padded to the longest of all, and its time scaled up: the whole array would take gigabytes and
minutes. Peers that can't drop the recurrent state (torch) are compared without dropout as well. Each row is the best of
several turns.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from maskscope import masks
from maskscope.runs import TrainSettings
from maskscope.training.backprop import Batch
from maskscope.training.dropouts import Dropouts
from maskscope.training.optimizer import Adam
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Embeddings, Labels, Offsets, TagScheme
from scoring import DIM, UNITS, best, corpus

SENTENCES = 32
SCHEME = TagScheme("binary", ("O", "name"))
Work = Callable[[], object]


def ours(x_nd: Embeddings, offsets: Offsets, labels: Labels, recurrent_dropout: float, layers: int = 1) -> Work:
    """Steps of our trainer."""
    spec = TaggerSpec(SCHEME, DIM, units=UNITS, layers=layers, recurrent_dropout=recurrent_dropout)
    rng = np.random.default_rng(0)
    parameters = Parameters.fresh(spec, rng)
    adam = Adam(parameters, TrainSettings(), len(x_nd))
    gradients = Parameters(spec)
    lengths = np.diff(offsets)

    def work() -> None:
        for begin in range(0, len(lengths), SENTENCES):
            own = lengths[begin : begin + SENTENCES]
            rows = slice(int(offsets[begin]), int(offsets[begin + len(own)]))
            x = np.asarray(x_nd[rows], dtype=np.float32)
            batch = Batch(parameters, x, own, Dropouts.draw(spec, len(x), len(own), rng))
            adam.step(batch.gradients(labels[rows], np.ones(len(x), dtype=np.float32), gradients))

    return work


def by_torch(x_nd: Embeddings, offsets: Offsets, labels: Labels) -> Work | None:
    """Steps of torch's packed LSTM; None where torch is not installed."""
    try:
        import torch
    except ImportError:
        return None
    lstm = torch.nn.LSTM(DIM, UNITS, bidirectional=True)
    dense = torch.nn.Linear(2 * UNITS, 1)
    adam = torch.optim.Adam([*lstm.parameters(), *dense.parameters()], lr=0.01)
    x, y = torch.from_numpy(x_nd), torch.from_numpy(labels.astype(np.float32))
    bounds = offsets.tolist()

    def work() -> None:
        for begin in range(0, len(bounds) - 1, SENTENCES):
            ends = bounds[begin : begin + SENTENCES + 1]
            pairs = list(pairwise(ends))
            group = torch.nn.utils.rnn.pack_sequence([x[a:b] for a, b in pairs], enforce_sorted=False)
            wanted = torch.nn.utils.rnn.pack_sequence([y[a:b] for a, b in pairs], enforce_sorted=False)
            adam.zero_grad()
            printed = dense(lstm(group)[0].data)[:, 0]
            torch.nn.functional.binary_cross_entropy_with_logits(printed, wanted.data).backward()
            adam.step()

    return work


def by_fit(x_nd: Embeddings, offsets: Offsets, labels: Labels, n_positions: int) -> Work:
    """`fit` on the sentences as one padded array, `n_positions` wide."""
    import keras

    from maskscope.keras_io import keras_model

    model = keras_model.build(TaggerSpec(SCHEME, DIM, units=UNITS))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    padded = masks.pad(x_nd[: offsets[-1]], offsets, n_positions)
    y_bt = np.zeros(padded.mask_bt.shape, dtype=np.float32)
    y_bt[padded.mask_bt] = labels[: offsets[-1]]
    return lambda: model.fit(padded.x_btd, y_bt[..., None], batch_size=SENTENCES, shuffle=False, verbose=0)


def by_length(x_nd: Embeddings, offsets: Offsets) -> tuple[Embeddings, Offsets]:
    """The same sentences, those of like length in one batch, the batches in any order."""
    order = np.argsort(np.diff(offsets), kind="stable")
    batches = [order[begin : begin + SENTENCES] for begin in range(0, len(order), SENTENCES)]
    ids = np.concatenate([batches[i] for i in np.random.default_rng(2).permutation(len(batches))])
    rows = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in ids])
    return x_nd[rows], np.concatenate([[0], np.cumsum(np.diff(offsets)[ids])]).astype(np.int64)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=4)
    parser.add_argument("--any-length", action="store_true", help="take the sentences as they come")
    options = parser.parse_args()
    as_they_come = x_nd, offsets = corpus(options.sentences)
    if not options.any_length:
        x_nd, offsets = by_length(x_nd, offsets)
    labels: Labels = np.random.default_rng(1).integers(0, 2, len(x_nd)).astype(np.int16)
    half_nd = x_nd.astype(np.float16)
    works: dict[str, Work | None] = {
        "Maskscope": ours(x_nd, offsets, labels, 0.3),
        "Maskscope, no recurrent dropout": ours(x_nd, offsets, labels, 0.0),
        "Maskscope, float16 embeddings": ours(half_nd, offsets, labels, 0.3),
        "Maskscope, two layers": ours(x_nd, offsets, labels, 0.3, 2),
        "torch, pack_sequence": by_torch(x_nd, offsets, labels),
    }
    rows = best({name: work for name, work in works.items() if work is not None}, options.repeat)
    # as they come: sentences of one length would not represent all
    part = as_they_come[1][: max(SENTENCES, options.sentences // 16) + 1]
    longest = int(np.diff(offsets).max())
    slow = by_fit(as_they_come[0], part, labels, longest)
    name = f"Keras, fit on one array padded to {longest}"
    rows[name] = best({name: slow}, 3)[name] * len(x_nd) / int(part[-1])
    fit, torch = rows[name], rows.get("torch, pack_sequence")
    print(f"{platform.machine()}, {os.cpu_count()} cores, {options.sentences} sentences, {len(x_nd)} tokens, D = {DIM}")
    print(f"{'way':40} {'tokens/s':>10} {'of fit':>8} {'of torch':>9}")
    for way, seconds in rows.items():
        of_torch = "" if torch is None else f"{torch / seconds:9.2f}"
        print(f"{way:40} {len(x_nd) / seconds:10,.0f} {fit / seconds:8.1f} {of_torch}")


if __name__ == "__main__":
    main()
