"""The memory layout of the recurrent part of a training batch: step after step, each a contiguous block."""

import numpy as np

from maskscope.types import Floats, Indices


class StepBlocks:
    """Where in memory the numbers of a batch of sentences are.

    Each call of numpy on the numbers of one step then runs over one piece of memory: for so few numbers, iterating over
    separate rows costs several times the arithmetic. The block of a step is (units, 2, count), or (4, units, 2, count)
    for the gates; axis -2 is the direction, and the last axis holds the sentences that still run, longest first, as in
    `recurrence.Schedule`.

    Attributes:
        steps: for each step how many sentences still run, and the first place of its block of states.
        ranks: (n,) for each token the place of its sentence among all, longest first.

    Args:
        lengths: (B,) tokens of each sentence.
        units: LSTM units in each direction.
    """

    def __init__(self, lengths: Indices, units: int) -> None:
        n = int(lengths.sum())
        order = np.argsort(-lengths, kind="stable")
        rank_of = np.empty(len(order), dtype=np.int64)
        rank_of[order] = np.arange(len(order))
        counts = np.searchsorted(-lengths[order], -np.arange(int(lengths.max(initial=0))), side="left")
        starts = np.cumsum(counts) - counts
        self.steps = [(count, 2 * units * start) for count, start in zip(counts.tolist(), starts.tolist(), strict=True)]
        self.ranks: Indices = np.repeat(rank_of, lengths)
        step = np.arange(n) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        steps = np.stack([step, np.repeat(lengths, lengths) - 1 - step])
        count, start = counts[steps], starts[steps]
        across = np.arange(2)[:, None] * count + self.ranks
        down = 2 * count[..., None] * np.arange(units)
        # (2, n, units) for each direction, where the states of each token are
        self._places: Indices = (2 * units * start + across)[..., None] + down
        by_gate = np.arange(4)[:, None] * (2 * units * count)[:, None]
        # (2, 4, n, units), where its gates are
        self._gate_places: Indices = (8 * units * start + across)[:, None, :, None] + by_gate[..., None] + down[:, None]

    def rows(self, flat: Floats) -> Floats:
        """States in blocks (2 units n) -> (n, 2 units), both directions of a token side by side."""
        n, units = self._places.shape[1:]
        rows: Floats = np.empty((n, 2 * units), dtype=np.float32)
        rows[:, :units] = flat.take(self._places[0])
        rows[:, units:] = flat.take(self._places[1])
        return rows

    def flat(self, rows: Floats) -> Floats:
        """The inverse of `rows`."""
        units = self._places.shape[2]
        flat: Floats = np.empty(rows.size, dtype=np.float32)
        flat[self._places[0]] = rows[:, :units]
        flat[self._places[1]] = rows[:, units:]
        return flat

    def gate_rows(self, flat: Floats) -> Floats:
        """Gates in blocks (8 units n) -> (n, 8 units): four gates forward, then four backward."""
        n, units = self._places.shape[1:]
        taken = flat.take(self._gate_places)
        return taken.transpose(2, 0, 1, 3).reshape(n, 8 * units)

    def flat_gates(self, rows: Floats) -> Floats:
        """The inverse of `gate_rows`."""
        n, units = self._places.shape[1:]
        flat: Floats = np.empty(rows.size, dtype=np.float32)
        flat[self._gate_places] = rows.reshape(n, 2, 4, units).transpose(1, 2, 0, 3)
        return flat


def first_sentences(block: Floats, units: int, widest: int, count: int) -> Floats:
    """The states (2 units count) of the first `count` sentences of a block of `widest`."""
    return block if count == widest else block.reshape(2 * units, widest)[:, :count].reshape(-1)


def add_to_first_sentences(block: Floats, states: Floats, units: int, widest: int, count: int) -> None:
    """Add states (2 units count) to those of the first `count` sentences of a block of `widest`."""
    if count == widest:
        np.add(block, states, out=block)
        return
    part = block.reshape(2 * units, widest)[:, :count]
    np.add(part, states.reshape(2 * units, count), out=part)
