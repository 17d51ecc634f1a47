"""Values that the whole program shares.

Axes: B sentence of a batch, T position, D embedding, C class. ``n`` counts tokens of a ragged corpus: its
sentences follow one another in one (n_tokens, D) array, and ``offsets`` (n_sentences + 1) says where each begins.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

SpanScheme: TypeAlias = Literal["BIO", "BIOES"]
Embeddings: TypeAlias = npt.NDArray[np.float16] | npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float32]
Labels: TypeAlias = npt.NDArray[np.int16]
Mask: TypeAlias = npt.NDArray[np.bool_]
Offsets: TypeAlias = npt.NDArray[np.int64]
Indices: TypeAlias = npt.NDArray[np.int64]
"""Whole numbers that count or point: rows, positions, sentence ids, lengths."""

MaskValue: TypeAlias = float | tuple[float, ...]
"""`mask_value` of a Masking layer: one number, or D different ones; D equal ones are written as one number."""
OutputKind: TypeAlias = Literal["probabilities", "logits", "log", "values"]
"""What a model's outputs are: probabilities, logits, log probabilities, or values of a regression."""

NO_LABEL = -1
"""In a `Labels` array: the token has no label."""
NO_EDIT = -2
"""In a `Labels` array of edits: nobody has edited this token, so its gold label holds."""

_SPAN = re.compile(r"^([BIESLUM])[-_](.+)$", re.DOTALL)

OUTSIDE_NAMES = frozenset({"O", "o", "none", "None", "NONE", "0", "_", "-", "no", "false", "False", "no name"})
"""Names of the outside label in common sources."""


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """One sentence as a reader yields it.

    Attributes:
        tokens: T strings, any of them possibly empty.
        embeddings: (T, D) float16 or float32, finite.
        labels: T label names, None for a token without one; or None when the source has no labels.
        name: the source's own name for the sentence ("" when it has none).
        comments: comment lines before it, without their leading "# ".
    """

    tokens: tuple[str, ...]
    embeddings: Embeddings
    labels: tuple[str | None, ...] | None = None
    name: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PaddedBatch:
    """Sentences as Keras takes them, padded on the right.

    Attributes:
        x_btd: (B, T, D) float32.
        mask_bt: (B, T) bool, True = real token, from `lengths`.
        lengths: (B,) int64, tokens per sentence.
    """

    x_btd: Floats
    mask_bt: Mask
    lengths: Indices


@dataclass(frozen=True, slots=True)
class TagScheme:
    """The label set, and the model head that fits it.

    Attributes:
        kind: "binary" (one sigmoid output) or "multiclass" (softmax).
        classes: label names; a label is stored as its index here, its class id. For "binary": (outside, the label).
        outside: class id of the outside label, which marks tokens that are part of nothing.
    """

    kind: Literal["binary", "multiclass"]
    classes: tuple[str, ...]
    outside: int = 0

    @property
    def spans(self) -> SpanScheme | None:
        """The span scheme that the class names follow, such as B-loc and I-loc ("_" is read as "-").

        "BIO": prefixes B and I. "BIOES": also E and S, or L and U, or M for I. None when a class other than outside
        has no prefix, or when no class begins a span (I-loc alone labels a run of tokens).
        """
        prefixes = {span_parts(name)[0] for place, name in enumerate(self.classes) if place != self.outside}
        if not prefixes or "" in prefixes or not prefixes & set("BSU"):
            return None
        return "BIO" if prefixes <= set("BI") else "BIOES"

    def span(self, label: int, n: int) -> Labels:
        """Labels (n,) for n neighbouring tokens that a person labels at once: one span where `label` begins a span.

        B-loc for three tokens gives B-loc I-loc I-loc, or B-loc I-loc E-loc. A class that begins no span, or whose
        type lacks the classes for one, is given to every token.
        """
        labels: Labels = np.full(n, label, dtype=np.int16)
        prefix, kind = span_parts(self.classes[label])
        if n < 2 or self.spans is None or not prefix or prefix not in "BSU":
            return labels
        places = {name: place for place, name in enumerate(self.classes)}
        middle = [place for name, place in places.items() if span_parts(name) in (("I", kind), ("M", kind))]
        begins = [place for name, place in places.items() if span_parts(name) == ("B", kind)]
        ends = [place for name, place in places.items() if span_parts(name) in (("E", kind), ("L", kind))]
        if not begins or (n > 2 and not middle) or (n == 2 and not (ends or middle)):
            return labels
        labels[0] = begins[0]
        labels[1:-1] = middle[:1] * (n - 2)
        labels[-1] = (ends or middle)[0]
        return labels

    @property
    def n_outputs(self) -> int:
        """C of the model's head: 1 for "binary", else the number of classes."""
        return 1 if self.kind == "binary" else len(self.classes)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the C columns of a probability array; for "binary" the one positive class."""
        return self.classes[1:] if self.kind == "binary" else self.classes

    def predicted(self, probs_nc: Floats, threshold: float = 0.5) -> Labels:
        """Predicted labels (n,) from probabilities (n, C), each token by itself: argmax, or `threshold` for "binary".

        `maskscope.evaluation.decoding.predict` also keeps the rules of a span scheme.
        """
        if self.kind == "binary":
            labels: Labels = (probs_nc[:, 0] >= threshold).astype(np.int16)
            return labels
        best: Labels = probs_nc.argmax(axis=1).astype(np.int16)
        return best

    def inside(self, probs_nc: Floats) -> Floats:
        """Probability (n,) that a token has any label other than outside: P(name) in the window."""
        if self.kind == "binary":
            return np.ascontiguousarray(probs_nc[:, 0], dtype=np.float32)
        return np.asarray(1.0 - probs_nc[:, self.outside], dtype=np.float32)

    def uncertainty(self, probs_nc: Floats) -> Floats:
        """Uncertainty (n,) of each token's prediction: one minus its largest class probability."""
        if self.kind == "binary":
            positive = probs_nc[:, 0]
            return np.asarray(np.minimum(positive, 1.0 - positive), dtype=np.float32)
        return np.asarray(1.0 - probs_nc.max(axis=1), dtype=np.float32)

    @classmethod
    def from_labels(cls, names: Iterable[str]) -> "TagScheme":
        """The scheme for the label names of a source: binary for two names or fewer; outside comes first.

        The others follow in natural order (2 before 10). A source without labels gets ("O", "label").
        """
        ordered = sorted(set(names), key=_natural)
        outside = next((name for name in ordered if name in OUTSIDE_NAMES), None)
        if not ordered:
            return cls("binary", ("O", "label"))
        if outside is None:
            if len(ordered) == 1:
                return cls("binary", ("O", ordered[0]))
            outside = ordered[0]
        rest = tuple(name for name in ordered if name != outside)
        if len(rest) <= 1:
            return cls("binary", (outside, *(rest or ("label",))))
        return cls("multiclass", (outside, *rest))


@lru_cache(maxsize=16)
def hues(scheme: TagScheme) -> tuple[int, ...]:
    """The number of each class's colour, from 0; B-loc and I-loc of a span scheme share one, and outside has -1."""
    kinds: dict[str, int] = {}
    found = []
    for place, name in enumerate(scheme.classes):
        kind = name if scheme.spans is None else span_parts(name)[1]
        found.append(-1 if place == scheme.outside else kinds.setdefault(kind, len(kinds)))
    return tuple(found)


def span_parts(name: str) -> tuple[str, str]:
    """Split a class name into prefix and type: "B-loc" -> ("B", "loc"); ("", name) for a name without a prefix."""
    match = _SPAN.match(name)
    return (match.group(1), match.group(2)) if match else ("", name)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
