"""What is audited: a model, and the sentences it is to work on."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.corpus_scan import Scan, scan_padded, scan_ragged
from maskscope.jobs import Job
from maskscope.types import Embeddings, Floats, Indices, Mask, Offsets

if TYPE_CHECKING:
    from maskscope.audit.probes.diagnosis import Cause
    from maskscope.audit.probes.mask_trace import Trace
    from maskscope.audit.probes.model_runner import Bench
    from maskscope.audit.probes.padded_sample import PaddedSample
    from maskscope.keras_io.compiled import Compiled
    from maskscope.keras_io.keras_graph import Run
    from maskscope.keras_io.keras_model import KerasModel

SAMPLE = 32
_PADDED_LOOKED_AT = 1000

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
    def lengths(self) -> Indices:
        """(n_sentences,) tokens of each."""
        return np.diff(self.offsets)

    def rows(self, sentence: int) -> Floats:
        """The sentence's embeddings (T, D) float32."""
        return np.asarray(self.embeddings[self.offsets[sentence] : self.offsets[sentence + 1]], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """Sentences as one padded array, as one gives it to Keras.

    Attributes:
        x: (N, T, D) of any numeric type.
        lengths: (N,) by the source, or inferred from trailing zero rows.
        lengths_from: which of the two.
    """

    x: Source
    lengths: Indices
    lengths_from: Literal["source", "inferred"]

    @property
    def n_sentences(self) -> int:
        """How many sentences there are."""
        return len(self.x)

    @property
    def padding(self) -> float | None:
        """What stands behind the sentences' ends: one number, 0 where there are several; None without any padding."""
        n_positions = self.x.shape[1]
        padded = np.flatnonzero(self.lengths < n_positions)[:_PADDED_LOOKED_AT]
        if not len(padded) or not self.x.shape[2]:
            return None
        rows = np.asarray(self.x[padded, -1], dtype=np.float64)
        return float(rows[0, 0]) if (rows == rows[0, 0]).all() else 0.0

    def rows(self, sentence: int) -> Floats:
        """The sentence's embeddings (T, D) float32."""
        return np.asarray(self.x[sentence, : self.lengths[sentence]], dtype=np.float32)


Data = Ragged | Padded


@dataclass(frozen=True, eq=False)
class Subject:
    """What a check is given.

    Attributes:
        model: loaded, in inference mode; a check that changes its weights puts them back.
        mask_value: of its Masking layer; None when it has none.
        data: the sentences.
        sample: ids of the sentences to run the model on, rising.
        tolerance: largest deviation of a probability that rounding explains, by the model's compute type.
        padding: what stands at padded positions.
        compiled: what the model is trained and measured with; None for what its last layer suggests.
        reload_suffix: of the file that RELOAD writes.
        mask_dtype: that the Masking layer computes in, which may be another than that of the layers behind it.
        scanned: what one pass over all sentences found; None when nobody has looked yet.
    """

    model: "KerasModel"
    mask_value: float | None
    data: Data
    sample: tuple[int, ...]
    tolerance: float
    padding: float = 0.0
    compiled: "Compiled | None" = None
    reload_suffix: str = ".keras"
    mask_dtype: str = "float32"
    scanned: Scan | None = None

    @property
    def input_shape(self) -> object:
        """Of the model: (None, T, D) with T None where it is free; of the data for a model that was given no Input."""
        try:
            return self.model.input_shape
        except AttributeError:
            # a subclassed model takes what its code takes
            return (None, None, self.dim)

    @property
    def dim(self) -> int | None:
        """Numbers a token; None when there is no sentence to look at."""
        return int(self.data.rows(self.sample[0]).shape[1]) if self.sample else None

    @cached_property
    def bench(self) -> "Bench":
        """The model in graph mode, for all checks."""
        from maskscope.audit.probes.model_runner import Bench

        return Bench(self)

    @cached_property
    def small(self) -> "PaddedSample":
        """A few sentences, cut short, for the checks that run the model layer by layer, eagerly."""
        from maskscope.audit.probes.padded_sample import padded_sample

        return padded_sample(self, sentences=8, tokens=16)

    @cached_property
    def run(self) -> "Run":
        """The model run on `small` layer by layer, weights as given. Raises TypeError where it has no graph."""
        from maskscope.keras_io import keras_graph

        return keras_graph.run(self.model, (self.small.x_btd,))

    @cached_property
    def trace(self) -> "Trace | str":
        """What became of the mask in the model; where it can't be traced, why, in one sentence."""
        from maskscope.audit.probes.mask_trace import trace_sample

        return trace_sample(self)

    def scan(self, job: Job) -> Scan:
        """What one pass over all sentences finds. Raises Cancelled."""
        if self.scanned is not None:
            return self.scanned
        return scan_data(self.data, self.mask_value, self.mask_dtype, job)

    def masked(self, x: Floats) -> Mask:
        """What the Masking layer makes of rows x (..., D): (...), True = real token."""
        return masks.masking_layer(x, self.mask_value, self.mask_dtype)

    def of_like_length(self) -> list[list[int]]:
        """The sample in groups of sentences of one length each, which make a batch without padding."""
        groups: dict[int, list[int]] = {}
        for sentence in self.sample:
            groups.setdefault(int(self.data.lengths[sentence]), []).append(sentence)
        return [groups[length] for length in sorted(groups)]

    @cached_property
    def cause(self) -> "Cause":
        """The layer to blame when padding counts, and what would repair it."""
        from maskscope.audit.probes.diagnosis import cause_of

        return cause_of(self)

    def weights_changed(self) -> None:
        """Forget what was computed with the weights that the model had; its functions stay traced."""
        for name in ("run", "trace", "cause"):
            self.__dict__.pop(name, None)
        if "bench" in self.__dict__:
            self.bench.weights_changed()

    @cached_property
    def compute_dtype(self) -> str:
        """The coarsest type that a layer of the model computes in: "bfloat16", "float16" or else "float32"."""
        from maskscope.keras_io import keras_graph

        return keras_graph.compute_dtype(self.model)

    @property
    def half(self) -> bool:
        """Whether the model computes in 16 bits."""
        return self.compute_dtype in ("float16", "bfloat16")


def scan_data(data: Data, mask_value: float | None, compute_dtype: str, job: Job) -> Scan:
    """One pass over all sentences, as a Masking layer sees them that computes in that type. Raises Cancelled."""
    compute = compute_dtype if compute_dtype in masks.COMPUTE_TYPES else "float32"
    if isinstance(data, Ragged):
        return scan_ragged(data.embeddings, data.offsets, mask_value, compute, job)
    return scan_padded(data.x, data.lengths, mask_value, compute, job, data.lengths_from == "inferred")


def choose_sample(data: Data, collisions: Iterable[tuple[int, int]] = (), seed: int = 0) -> tuple[int, ...]:
    """At most `SAMPLE` sentences that are not empty: shortest, longest, some with collisions, the rest at random.

    Args:
        data: the sentences.
        collisions: (sentence, position) of some.
        seed: of the random rest.
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
    for sentence in np.random.default_rng(seed).permutation(usable):
        if len(chosen) >= SAMPLE:
            break
        chosen.add(int(sentence))
    return tuple(sorted(chosen))
