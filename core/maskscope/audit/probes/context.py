"""What is audited, as plain data: a model and the sentences to run it on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.corpus_scan import Scan, scan_padded, scan_ragged
from maskscope.jobs import Job
from maskscope.padding import Padding
from maskscope.types import Embeddings, Floats, Indices, Mask, MaskValue, Offsets

if TYPE_CHECKING:
    from maskscope.keras_io.compiled import Compiled
    from maskscope.keras_io.keras_model import KerasModel

SAMPLE = 32
"""Sentences at most that the model is run on."""

Source = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Sentences one after another without padding, as in a project.

    Attributes:
        embeddings: (n, D).
        offsets: (n_sentences + 1,).
        lengths_from: "source", or "inferred" from the zeros themselves.
        padding: what their source was padded with; None where that is not known.
        labels, weights: none are used.
    """

    embeddings: Embeddings
    offsets: Offsets
    lengths_from: Literal["source", "inferred"]
    padding: Padding | None = None
    labels: None = None
    weights: None = None

    @property
    def n_sentences(self) -> int:
        """How many sentences there are."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Indices:
        """(n_sentences,) tokens of each."""
        return np.diff(self.offsets)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.embeddings.shape[1])

    def rows(self, sentence: int) -> Floats:
        """The sentence's embeddings (T, D) float32."""
        return np.asarray(self.embeddings[self.offsets[sentence] : self.offsets[sentence + 1]], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """Sentences as one padded array, as Keras takes it.

    Attributes:
        x: (N, T, D) of any numeric type.
        lengths: (N,) tokens of each sentence.
        lengths_from: "source", or "inferred" from the padding itself.
        padding: what the array's padded positions hold; None where none is padded.
        labels: (N, T, ...) that the model is trained with, or (N, ...) for a sentence classifier; None for none.
        weights: (N, T) sample weights, or (N,); None for none.
    """

    x: Source
    lengths: Indices
    lengths_from: Literal["source", "inferred"]
    padding: Padding | None = None
    labels: Source | None = None
    weights: Source | None = None

    @property
    def n_sentences(self) -> int:
        """How many sentences there are."""
        return len(self.x)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.x.shape[2])

    def rows(self, sentence: int) -> Floats:
        """The sentence's embeddings (T, D) float32."""
        return np.asarray(self.x[sentence, self.tokens(sentence)], dtype=np.float32)

    def tokens(self, sentence: int) -> slice:
        """The positions of the sentence's tokens."""
        n_positions = self.x.shape[1]
        length = min(int(self.lengths[sentence]), n_positions)
        return slice(0, length) if self.padding is None else self.padding.tokens(length, n_positions)


Data = Ragged | Padded


@dataclass(frozen=True, eq=False)
class AuditContext:
    """What is audited: a model, sentences, and what is known of both.

    Attributes:
        model: that the checks run; a check that changes its weights restores them. A copy of the given one, where that
            can't be run on sentences of any number and length.
        given: the model as it was loaded, or given.
        mask_value: of its Masking layer; None when it has none.
        data: the sentences.
        sample: ids of the sentences to run the model on, rising.
        tolerance: largest deviation of a probability that rounding explains, by the model's compute type.
        padding: what padded positions hold, and on which side of the tokens they are.
        compiled: the model's loss and metrics; None when it was not compiled.
        reload_suffix: of the file that RELOAD writes: ".keras" or ".h5".
        mask_dtype: compute type of the Masking layer, which may differ from that of the layers after it.
        compute_dtype: the coarsest type that a layer computes in: "bfloat16", "float16" or "float32".
        scanned: result of the pass over all sentences; None when none was made yet.
        notes: what the copy does in another way than the given model, a sentence each; empty without a copy.
        no_copy: why there is none though the given model needs one; "" else.
    """

    model: "KerasModel"
    given: "KerasModel"
    mask_value: MaskValue | None
    data: Data
    sample: tuple[int, ...]
    tolerance: float
    padding: Padding
    compiled: "Compiled | None" = None
    reload_suffix: str = ".keras"
    mask_dtype: str = "float32"
    compute_dtype: str = "float32"
    scanned: Scan | None = None
    notes: tuple[str, ...] = ()
    no_copy: str = ""

    @property
    def input_shape(self) -> object:
        """Of the model, such as (None, T, D); (None, None, D) of the data for a model that was built without Input."""
        try:
            return self.model.input_shape
        except AttributeError:
            # a subclassed model that was never given an Input has no input_shape
            return (None, None, self.dim)

    @property
    def copied(self) -> bool:
        """Whether the checks run a copy of the given model."""
        return self.model is not self.given

    @property
    def dim(self) -> int | None:
        """Numbers per token; None when the sample is empty."""
        return int(self.data.rows(self.sample[0]).shape[1]) if self.sample else None

    @property
    def half(self) -> bool:
        """Whether the model computes in 16 bits."""
        return self.compute_dtype in ("float16", "bfloat16")

    @property
    def mask_value_text(self) -> str:
        """The mask value for a message: "0", or "one row of 12 numbers"; "" for a model without a Masking layer."""
        return "" if self.mask_value is None else Padding.of_value(self.mask_value, np.size(self.mask_value)).text

    def masked(self, x: Floats) -> Mask:
        """The mask that the Masking layer makes of rows x (..., D): (...) bool, True = real token."""
        return masks.masking_layer(x, self.mask_value, self.mask_dtype)


def scan_data(data: Data, mask_value: MaskValue | None, compute_dtype: str, job: Job) -> Scan:
    """One pass over all sentences, for a Masking layer that computes in `compute_dtype`. Raises Cancelled."""
    compute = compute_dtype if compute_dtype in masks.COMPUTE_TYPES else "float32"
    if isinstance(data, Ragged):
        return scan_ragged(data.embeddings, data.offsets, mask_value, compute, job)
    # other padding than zeros behind the tokens was certain where it was inferred
    zeros_behind = data.padding is None or (data.padding.value == 0 and data.padding.side == "back")
    inferred = data.lengths_from == "inferred" and zeros_behind
    return scan_padded(data.x, data.lengths, mask_value, compute, job, inferred, data.padding)


def choose_sample(data: Data, collisions: Iterable[tuple[int, int]] = ()) -> tuple[int, ...]:
    """Choose at most `SAMPLE` non-empty sentences: shortest, longest, some with collisions, the rest at random.

    Args:
        data: the sentences.
        collisions: (sentence, position) of known ones.
    """
    lengths = data.lengths
    usable = np.flatnonzero(lengths > 0)
    if not len(usable):
        return ()
    by_length = usable[np.argsort(lengths[usable], kind="stable")]
    chosen = {int(by_length[0]), int(by_length[-1])}
    for sentence, _ in collisions:
        chosen.add(sentence)
        if len(chosen) >= SAMPLE // 2:
            break
    for sentence in np.random.default_rng(0).permutation(usable):
        if len(chosen) >= SAMPLE:
            break
        chosen.add(int(sentence))
    return tuple(sorted(chosen))
