"""What is audited: a model, and the sentences it is to work on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.types import Embeddings, Floats, Offsets

if TYPE_CHECKING:
    from maskscope.tagger.keras_model import KerasModel

SAMPLE = 32
_BLOCK_ROWS = 8192

Source = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Sentences one after another, as in a project.

    Attributes:
        embeddings: (n, D).
        offsets: (n_sentences + 1,).
        lengths_from: "source", or "inferred" from the zeros themselves.
    """

    embeddings: Embeddings
    offsets: Offsets
    lengths_from: Literal["source", "inferred"]

    @property
    def n_sentences(self) -> int:
        """How many sentences there are."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n_sentences,) tokens of each."""
        return np.diff(self.offsets)

    def rows(self, sentence: int) -> Floats:
        """The sentence's embeddings (T, D) float32."""
        return np.asarray(self.embeddings[self.offsets[sentence] : self.offsets[sentence + 1]], dtype=np.float32)

    def masked(self, mask_value: float | None) -> Iterator[tuple[int, int]]:
        """Sentence and position of each token that a Masking layer takes for padding."""
        for begin in range(0, len(self.embeddings), _BLOCK_ROWS):
            real = masks.masking_layer(self.embeddings[begin : begin + _BLOCK_ROWS], mask_value)
            for token in np.flatnonzero(~real) + begin:
                sentence = int(np.searchsorted(self.offsets, token, side="right")) - 1
                yield sentence, int(token - self.offsets[sentence])


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """Sentences as one padded array, as one gives it to Keras.

    Attributes:
        x: (N, T, D) of any numeric type.
        lengths: (N,) by the source, or inferred from trailing zero rows.
        lengths_from: which of the two.
    """

    x: Source
    lengths: npt.NDArray[np.int64]
    lengths_from: Literal["source", "inferred"]

    @property
    def n_sentences(self) -> int:
        """How many sentences there are."""
        return len(self.x)

    def rows(self, sentence: int) -> Floats:
        """The sentence's embeddings (T, D) float32."""
        return np.asarray(self.x[sentence, : self.lengths[sentence]], dtype=np.float32)

    def masked(self, mask_value: float | None) -> Iterator[tuple[int, int]]:
        """Sentence and position of each token that a Masking layer takes for padding."""
        for sentence in range(self.n_sentences):
            for position in np.flatnonzero(~masks.masking_layer(self.rows(sentence), mask_value)):
                yield sentence, int(position)


Data = Ragged | Padded


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What a check is given.

    Attributes:
        model: loaded, in inference mode; a check that changes its weights puts them back.
        mask_value: of its Masking layer; None when it has none.
        data: the sentences.
        sample: ids of the sentences to run the model on, rising.
        tolerance: largest deviation of a probability that rounding explains, by the model's compute type.
    """

    model: "KerasModel"
    mask_value: float | None
    data: Data
    sample: tuple[int, ...]
    tolerance: float


def choose_sample(data: Data, mask_value: float | None, seed: int = 0) -> tuple[int, ...]:
    """At most `SAMPLE` sentences that are not empty: shortest, longest, some with collisions, the rest at random."""
    lengths = data.lengths
    usable = np.flatnonzero(lengths > 0)
    if not len(usable):
        return ()
    by_length = usable[np.argsort(lengths[usable], kind="stable")]
    chosen = {int(by_length[0]), int(by_length[-1])}
    for sentence, _ in data.masked(mask_value):
        chosen.add(sentence)
        if len(chosen) >= SAMPLE // 2:
            break
    for sentence in np.random.default_rng(seed).permutation(usable):
        if len(chosen) >= SAMPLE:
            break
        chosen.add(int(sentence))
    return tuple(sorted(chosen))
