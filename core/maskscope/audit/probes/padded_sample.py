"""Padded batches: of sentences of the sample, and of made-up numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskscope import masks
from maskscope.audit.probes.context import AuditContext
from maskscope.audit.probes.targets import Targets
from maskscope.errors import ModelError
from maskscope.padding import Padding
from maskscope.types import Floats, Mask, MaskValue

_MADE_UP_SENTENCES, _MADE_UP_POSITIONS, _FREE_AXIS = 3, 7, 4
"""Size of a made-up batch, and of another axis that is free in a model's input."""


@dataclass(frozen=True, slots=True, eq=False)
class PaddedSample:
    """Sentences of the sample, padded as the context says.

    Attributes:
        sentences: their ids.
        x_btd: (B, T, D) float32; T is the model's own length where it has one, else that of the longest sentence.
        mask_bt: (B, T), True = real token by the lengths, without collisions, which COLLISIONS reports.
        fixed: whether T is the model's own, so that no position can be added.
        lengths: (B,) tokens of each; fewer than the sentence has where it was cut.
        padding: what its padded positions hold, and on which side they are.
    """

    sentences: tuple[int, ...]
    x_btd: Floats
    mask_bt: Mask
    fixed: bool
    lengths: tuple[int, ...]
    padding: Padding

    def tokens(self, row: int) -> slice:
        """The positions of a row's tokens."""
        return self.padding.tokens(self.lengths[row], self.x_btd.shape[1])

    def longer(self, n: int, y: Targets) -> tuple[Floats, Targets]:
        """The batch with n more padded positions, and its labels, which are those of padding there."""
        return self.padding.add(self.x_btd, n), y.longer(n, self.tokens_bt)

    @property
    def tokens_bt(self) -> Mask:
        """(B, T), True = real token by the lengths, collisions as well."""
        return self.padding.mask(self.lengths, self.x_btd.shape[1])


def sample_of_given(context: AuditContext, sentences: int, tokens: int) -> PaddedSample:
    """As `padded_sample`, in the number of positions and of sentences that the given model was built for, if it was.

    Sentences are repeated where there are too few. Raises ModelError.
    """
    from maskscope.keras_io.keras_graph import functional
    from maskscope.keras_io.tagger_shape import tagger_inputs

    inputs = tagger_inputs(functional(context.given))
    shape = (None, inputs.n_positions, inputs.dim)
    sample = padded_sample(context, inputs.batch_size or sentences, tokens, shape)
    if inputs.batch_size is None:
        return sample
    rows = np.resize(np.arange(len(sample.sentences)), inputs.batch_size)
    return replace(
        sample,
        sentences=tuple(sample.sentences[row] for row in rows),
        x_btd=sample.x_btd[rows],
        mask_bt=sample.mask_bt[rows],
        lengths=tuple(sample.lengths[row] for row in rows),
    )


def padded_sample(
    context: AuditContext, sentences: int | None = None, tokens: int | None = None, shape: object = None
) -> PaddedSample:
    """Pad sentences of the sample for the model.

    At least one position is padded: where the sentences leave none, the last token of the first is replaced, or, when
    all have one token and T is free, a position is added.

    Args:
        context: the model and its sentences.
        sentences: how many at most, None for all of the sample.
        tokens: longer sentences are cut to so many, None for no limit.
        shape: (B, T, D) of the model's input; None for that of the context.

    Raises ModelError, with a message for a person, when there is no sentence, or the model takes another input shape.
    """
    shape = context.input_shape if shape is None else shape
    if not isinstance(shape, tuple) or len(shape) != 3 or not all(isinstance(size, int | None) for size in shape):
        raise ModelError("the model takes no padded batch", expected="one input (B, T, D)", received=str(shape))
    n_positions: int | None = shape[1]
    limits = [limit for limit in (tokens, n_positions) if limit is not None]
    limit = min(limits) if limits else None
    lengths = context.data.lengths
    # a model of fixed length can't take longer sentences
    fitting = [i for i in context.sample if n_positions is None or lengths[i] <= n_positions]
    chosen = tuple(fitting[:sentences])
    if not chosen:
        raise ModelError(
            "the model can be run on no sentence of the sample",
            expected="a sentence with a token" if n_positions is None else f"one of at most {n_positions} tokens",
            received=f"{len(context.sample)} sentences",
        )
    rows = [context.data.rows(sentence)[:limit] for sentence in chosen]
    longest = n_positions or max(len(each) for each in rows)
    if all(len(each) == longest for each in rows):
        if longest > 1:
            rows[0] = rows[0][:-1]
        elif n_positions is None:
            longest += 1
        else:
            raise ModelError(
                "the model has one position, so nothing can be padded", expected="more", received=str(shape)
            )
    padding = context.padding
    x_btd = np.stack([padding.add(each, longest - len(each)) for each in rows])
    kept = tuple(len(each) for each in rows)
    real_bt = padding.mask(kept, longest) & context.masked(x_btd)
    return PaddedSample(chosen, x_btd, real_bt, n_positions is not None, kept, padding)


def made_up_batch(inputs: Sequence[object], padding: MaskValue) -> tuple[tuple[Floats, ...], Mask]:
    """A small padded batch of random numbers for a model's symbolic inputs, and its true mask (B, T).

    Args:
        inputs: symbolic tensors with a `shape`.
        padding: the number at padded positions, or the row of numbers.
    """
    shapes = [tuple(getattr(each, "shape", ())) for each in inputs]
    batches = {shape[0] for shape in shapes if shape and shape[0] is not None}
    n_sentences = batches.pop() if len(batches) == 1 else _MADE_UP_SENTENCES
    lengths = {shape[1] for shape in shapes if len(shape) == 3 and shape[1] is not None}
    n_positions = lengths.pop() if len(lengths) == 1 else _MADE_UP_POSITIONS
    longest = max(1, n_positions - 2)
    mask_bt = masks.mask_from_lengths(
        [max(0, min(n_positions - 1, longest - row)) for row in range(n_sentences)], n_positions
    )
    rng = np.random.default_rng(0)
    held: Floats = np.atleast_1d(np.asarray(padding, dtype=np.float32))
    # no token may be taken for padding
    above = np.float32(np.abs(held[np.isfinite(held)]).max(initial=0))
    arrays = []
    for each, shape in zip(inputs, shapes, strict=True):
        if len(shape) == 2 and (shape[1] is None or str(getattr(each, "dtype", "")) == "bool"):
            # an input for the mask itself
            arrays.append(mask_bt.astype(np.float32))
            continue
        free = [n_sentences, n_positions] if len(shape) == 3 else [n_sentences]
        sizes = [free[axis] if axis < len(free) else size or _FREE_AXIS for axis, size in enumerate(shape)]
        if len(shape) == 3 and shape[1] is not None:
            sizes[1] = shape[1]
        array = rng.uniform(1, 2, sizes).astype(np.float32) + above
        if array.shape[:2] == mask_bt.shape and array.ndim == 3:
            array[~mask_bt] = held if len(held) in (1, array.shape[2]) else held[0]
        arrays.append(array)
    return tuple(arrays), mask_bt
