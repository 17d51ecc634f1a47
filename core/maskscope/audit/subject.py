"""What is audited: a model, and the sentences it is to work on."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.jobs import Job, NullJob
from maskscope.scan import Scan, scan_padded, scan_ragged
from maskscope.types import Embeddings, Floats, Offsets

if TYPE_CHECKING:
    from maskscope.audit.batch import PaddedSample
    from maskscope.audit.bench import Bench
    from maskscope.audit.compiled import Compiled
    from maskscope.audit.keras_graph import Run
    from maskscope.audit.trace import Trace
    from maskscope.tagger.keras_model import KerasModel

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
    def lengths(self) -> npt.NDArray[np.int64]:
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
    lengths: npt.NDArray[np.int64]
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
    """

    model: "KerasModel"
    mask_value: float | None
    data: Data
    sample: tuple[int, ...]
    tolerance: float
    padding: float = 0.0
    compiled: "Compiled | None" = None
    reload_suffix: str = ".keras"

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
        from maskscope.audit.bench import Bench

        return Bench(self)

    @cached_property
    def small(self) -> "PaddedSample":
        """A few sentences, cut short, for the checks that run the model layer by layer, eagerly."""
        from maskscope.audit.batch import padded_sample

        return padded_sample(self, sentences=8, tokens=16)

    @cached_property
    def run(self) -> "Run":
        """The model run on `small` layer by layer, weights as given. Raises TypeError where it has no graph."""
        from maskscope.audit import keras_graph

        return keras_graph.run(self.model, (self.small.x_btd,))

    @cached_property
    def trace(self) -> "Trace | str":
        """What became of the mask in the model; where it can't be traced, why, in one sentence."""
        from maskscope.audit.trace import trace_sample

        return trace_sample(self)

    def scan(self, job: Job) -> Scan:
        """What one pass over all sentences finds, made for whoever asks first. Raises Cancelled."""
        kept: Scan | None = self.__dict__.get("_scan")
        if kept is None:
            kept = scan_data(self.data, self.mask_value, str(self.model.compute_dtype), job)
            self.__dict__["_scan"] = kept
        return kept

    def of_like_length(self) -> list[list[int]]:
        """The sample in groups of sentences of one length each, which make a batch without padding."""
        groups: dict[int, list[int]] = {}
        for sentence in self.sample:
            groups.setdefault(int(self.data.lengths[sentence]), []).append(sentence)
        return [groups[length] for length in sorted(groups)]

    @property
    def cause(self) -> tuple[str | None, str, str | None]:
        """The layer to blame when padding counts, what would mend it and the repair that does; as TRACE tells."""
        found = self.trace
        if isinstance(found, str):
            return (None, "", None)
        if found.why:
            return (found.culprit, found.mend, found.repair)
        name = self.reader_of_padding
        if name is None:
            return (None, "", None)
        return (
            name,
            f"use another layer in place of {name}, which reads other positions, padded ones too: one that works "
            "position by position, such as LayerNormalization, or one that uses the mask",
            None,
        )

    @cached_property
    def reader_of_padding(self) -> str | None:
        """The first layer that gives a real token other numbers with padding than without, though the mask is there."""
        from maskscope.audit import keras_graph

        sample, near = self.small, 1e-2 if self.half else 1e-4
        if sample.fixed:
            return None
        try:
            padded = keras_graph.run(self.model, (sample.x_btd,))
            for row in sorted(range(len(sample.lengths)), key=lambda each: sample.lengths[each])[:2]:
                length = sample.lengths[row]
                alone = keras_graph.run(self.model, (sample.x_btd[row : row + 1, :length],))
                for one, other in zip(padded.visits, alone.visits, strict=True):
                    for many, few in zip(one.values, other.values, strict=True):
                        positional = many.ndim == few.ndim == 3 and few.shape[1] == length
                        if one.kind == "operation" or not positional or many.shape[1] != sample.x_btd.shape[1]:
                            continue
                        if not np.allclose(many[row, :length], few[0], rtol=near, atol=near / 10):
                            return one.name
        except Exception:  # noqa: BLE001 - a model of other people's making may raise anything at all
            return None
        return None

    def weights_changed(self) -> None:
        """Forget what was computed with the weights that the model had; its functions stay traced."""
        for name in ("run", "trace", "reader_of_padding"):
            self.__dict__.pop(name, None)
        if "bench" in self.__dict__:
            self.bench.weights_changed()

    @cached_property
    def compute_dtype(self) -> str:
        """The coarsest type that a layer of the model computes in: "bfloat16", "float16" or else "float32"."""
        from maskscope.audit import keras_graph

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


def choose_sample(data: Data, mask_value: float | None, seed: int = 0) -> tuple[int, ...]:
    """At most `SAMPLE` sentences that are not empty: shortest, longest, some with collisions, the rest at random."""
    lengths = data.lengths
    usable = np.flatnonzero(lengths > 0)
    if not len(usable):
        return ()
    by_length = usable[np.argsort(lengths[usable], kind="stable")]
    chosen = {int(by_length[0]), int(by_length[-1])}
    for sentence, _ in scan_data(data, mask_value, "float32", NullJob()).collisions:
        chosen.add(sentence)
        if len(chosen) >= SAMPLE // 2:
            break
    for sentence in np.random.default_rng(seed).permutation(usable):
        if len(chosen) >= SAMPLE:
            break
        chosen.add(int(sentence))
    return tuple(sorted(chosen))
