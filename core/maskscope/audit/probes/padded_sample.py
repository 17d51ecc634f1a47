"""The sample as one padded batch, for the checks that run the model on a batch."""

from dataclasses import dataclass

import numpy as np

from maskscope import masks
from maskscope.audit.probes.context import Subject
from maskscope.errors import ModelError
from maskscope.types import Floats, Mask


@dataclass(frozen=True, slots=True, eq=False)
class PaddedSample:
    """Sentences of the sample, padded right with the subject's padding.

    Attributes:
        sentences: their ids.
        x_btd: (B, T, D); T is the model's own length where it has one, else that of the longest sentence.
        mask_bt: (B, T), True = real token by the lengths, without the collisions, which COLLISIONS tells of.
        fixed: whether T is the model's own, so that no position can be added.
        lengths: (B,) tokens of each; fewer than the sentence has where it was cut.
    """

    sentences: tuple[int, ...]
    x_btd: Floats
    mask_bt: Mask
    fixed: bool
    lengths: tuple[int, ...]


def padded_sample(subject: Subject, sentences: int | None = None, tokens: int | None = None) -> PaddedSample:
    """Pad the sample for the model.

    There is at least one padded position: where the sentences leave none, the shortest lends its last token's place,
    or, when it has but one token and T is free, a position is added.

    Args:
        subject: the model and its sentences.
        sentences: how many at most, None for all of the sample.
        tokens: longer sentences are cut to so many, None for no limit.

    Raises ModelError, in words for a person, when there is no sentence, or the model takes another shape of input.
    """
    shape = subject.input_shape
    if not isinstance(shape, tuple) or len(shape) != 3 or not all(isinstance(size, int | None) for size in shape):
        raise ModelError("the model takes no padded batch", expected="one input (B, T, D)", received=str(shape))
    n_positions: int | None = shape[1]
    limits = [limit for limit in (tokens, n_positions) if limit is not None]
    limit = min(limits) if limits else None
    lengths = subject.data.lengths
    # of a model of fixed length, longer sentences are none of its inputs
    fitting = [i for i in subject.sample if n_positions is None or lengths[i] <= n_positions]
    chosen = tuple(fitting[:sentences])
    if not chosen:
        raise ModelError(
            "the model can be run on no sentence of the sample",
            expected="a sentence with a token" if n_positions is None else f"one of at most {n_positions} tokens",
            received=f"{len(subject.sample)} sentences",
        )
    rows = [subject.data.rows(sentence)[:limit] for sentence in chosen]
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
    x_btd: Floats = np.full((len(rows), longest, rows[0].shape[1]), subject.padding, dtype=np.float32)
    for row, each in enumerate(rows):
        x_btd[row, : len(each)] = each
    kept = tuple(len(each) for each in rows)
    real_bt = masks.mask_from_lengths(kept, longest) & subject.masked(x_btd)
    return PaddedSample(chosen, x_btd, real_bt, n_positions is not None, kept)
