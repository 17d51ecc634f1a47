"""A training run as it is remembered: its settings, its figures, and the run.json that holds them."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from maskscope.errors import ModelError
from maskscope.types import TagScheme

Engine: TypeAlias = Literal["packed", "keras"]

CHOICES: dict[str, tuple[str, ...]] = {
    "decay": ("none", "linear"),
    "class_weights": ("none", "sqrt", "balanced"),
    "keep_by": ("loss", "f1", "last"),
}
"""The settings of a run that are words, and the words that there are."""

MAX_UNITS = 1024
MAX_LAYERS = 8


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What a person can choose about a training run. Raises ModelError for a value that makes no sense.

    Attributes:
        units: LSTM units in each direction.
        layers: bidirectional layers, one above the other.
        recurrent_dropout: share of the recurrent state dropped at each step of training, 0 <= p < 1.
        dropout: share of each layer's outputs dropped in training, 0 <= p < 1.
        epochs: passes over the training sentences.
        batch_tokens: largest number of real tokens in one batch; a longer sentence is a batch by itself.
        learning_rate: of Adam.
        validation: share of sentences held back for validation, 0 <= p < 1.
        seed: of weights, order, dropout and the choice of validation sentences.
        input_dropout: share of the numbers of each embedding dropped in training, 0 <= p < 1.
        decay: "linear" lets the learning rate fall to 0 over the epochs asked for.
        class_weights: "balanced" weighs each class by n / (C n_c), so that rare labels count as much as common ones;
            "sqrt" by its square root.
        reviewed_weight: weight of the tokens of accepted sentences, against 1 for all others.
        keep_by: which epoch is kept: the lowest validation "loss", or the highest validation "f1" (of entities for a
            span scheme, of tokens else), or the "last" one, as befits a learning rate that falls to 0.
        patience: stop after so many epochs without a better one; 0 never stops early.
    """

    units: int = 10
    layers: int = 1
    recurrent_dropout: float = 0.3
    dropout: float = 0.0
    epochs: int = 20
    batch_tokens: int = 512
    learning_rate: float = 0.01
    validation: float = 0.1
    seed: int = 0
    input_dropout: float = 0.0
    decay: Literal["none", "linear"] = "none"
    class_weights: Literal["none", "sqrt", "balanced"] = "none"
    reviewed_weight: float = 1.0
    keep_by: Literal["loss", "f1", "last"] = "loss"
    patience: int = 0

    def __post_init__(self) -> None:
        _whole("units", self.units, 1, MAX_UNITS)
        _whole("layers", self.layers, 1, MAX_LAYERS)
        _whole("epochs", self.epochs, 1, 100_000)
        _whole("batch_tokens", self.batch_tokens, 1, 10_000_000)
        _whole("seed", self.seed, 0, 2**32 - 1)
        _whole("patience", self.patience, 0, 100_000)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ModelError(
                    f"there is no such {name}", expected=" or ".join(choices), received=repr(getattr(self, name))
                )
        for name in ("recurrent_dropout", "dropout", "input_dropout", "validation"):
            value = getattr(self, name)
            if not (_is_number(value) and 0 <= value < 1):
                raise ModelError(f"{name} is out of range", expected="0 or more, below 1", received=repr(value))
        weight = self.reviewed_weight
        if not (_is_number(weight) and 0 < weight <= 1000):
            raise ModelError("reviewed_weight is out of range", expected="above 0, at most 1000", received=repr(weight))
        rate = self.learning_rate
        if not (_is_number(rate) and 0 < rate <= 10):
            raise ModelError("learning_rate is out of range", expected="above 0, at most 10", received=repr(rate))


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """One epoch of a run. Losses are per real, labelled token; None where there was no validation sentence.

    Attributes:
        epoch: counted from 1.
        loss: on the training sentences, with dropout on; None when it was no finite number.
        val_loss: on the validation sentences.
        f1: on the validation sentences: of the label for "binary", micro over the classes but outside else.
        entity_f1: of whole entities, for a span scheme; None for other label sets.
    """

    epoch: int
    loss: float | None
    val_loss: float | None = None
    f1: float | None = None
    entity_f1: float | None = None


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """Scores of the kept weights over the real, labelled tokens of the validation sentences.

    Attributes:
        f1: of the label for "binary", micro over the classes but outside else; so are precision and recall.
        accuracy: share of tokens whose label was predicted.
        loss: cross-entropy per token.
        tokens: how many tokens were counted.
        entity_f1: of whole entities, for a span scheme; None for other label sets.
    """

    f1: float
    precision: float
    recall: float
    accuracy: float
    loss: float
    tokens: int
    entity_f1: float | None = None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What run.json holds of a training run.

    Attributes:
        name: for a person, such as "BiLSTM 10".
        created: when the run ended, in seconds since 1970 (UTC).
        settings: what was asked for; None for a model that was made elsewhere and opened.
        scheme: the label set of the head.
        dim: D of the embeddings.
        mask_value: of the Masking layer; None for a model without one.
        history: one entry an epoch.
        metrics: None when no sentence was held back, or none of its tokens had a label.
        validation_sentences: ids of the sentences held back, in reading order.
        fingerprint: of the project's embeddings and sentence bounds.
        keras: version of Keras.
        tensorflow: version of TensorFlow.
        seconds: how long training took.
        complete: False when it was stopped before its last epoch.
        best_epoch: the epoch whose weights were kept, counted from 1; 0 when it is not known.
        source: file name of a model that was made elsewhere; "" for one trained here.
        engine: what scores with it: "packed" (numpy, in the program itself) or "keras" (in the worker).
        engine_reason: one sentence: why "keras"; "" for "packed".
    """

    name: str
    created: float
    settings: TrainSettings | None
    scheme: TagScheme
    dim: int
    mask_value: float | None = 0.0
    history: tuple[EpochFigures, ...] = ()
    metrics: RunMetrics | None = None
    validation_sentences: tuple[int, ...] = ()
    fingerprint: str = ""
    keras: str = ""
    tensorflow: str = ""
    seconds: float = 0.0
    complete: bool = True
    best_epoch: int = 0
    source: str = ""
    engine: Engine = "packed"
    engine_reason: str = ""

    @property
    def f1(self) -> float | None:
        """Token F1 on the validation sentences, None when there were none."""
        return None if self.metrics is None else self.metrics.f1

    @property
    def headline(self) -> str:
        """The one figure in words: "F1 0.91", for a span scheme "entity F1 0.47"; "" when nothing was held back."""
        if self.metrics is None:
            return ""
        if self.metrics.entity_f1 is not None:
            return f"entity F1 {self.metrics.entity_f1:.2f}"
        return f"F1 {self.metrics.f1:.2f}"

    def to_json(self) -> str:
        """The run as one JSON object, keys in snake_case, ending in a line feed."""
        return json.dumps(_finite(asdict(self)), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, file: Path | None = None) -> "RunInfo":
        """The run that `text` holds. Raises ModelError, naming `file`, when it is no run of ours."""
        try:
            record = json.loads(text)
            scheme = record["scheme"]
            if scheme["kind"] not in ("binary", "multiclass"):
                raise ValueError(f"a scheme of kind {scheme['kind']!r}")
            settings = record["settings"]
            metrics = record.get("metrics")
            value = record.get("mask_value")
            return cls(
                name=str(record["name"]),
                created=float(record["created"]),
                settings=None if settings is None else TrainSettings(**_known(_SETTINGS, settings)),
                scheme=TagScheme(
                    scheme["kind"], tuple(str(name) for name in scheme["classes"]), int(scheme["outside"])
                ),
                dim=int(record["dim"]),
                mask_value=None if value is None else float(value),
                history=tuple(EpochFigures(**_known(_FIGURES, epoch)) for epoch in record["history"]),
                metrics=None if metrics is None else RunMetrics(**_known(_METRICS, metrics)),
                validation_sentences=tuple(int(i) for i in record["validation_sentences"]),
                fingerprint=str(record["fingerprint"]),
                keras=str(record["keras"]),
                tensorflow=str(record["tensorflow"]),
                seconds=float(record["seconds"]),
                complete=bool(record["complete"]),
                # what follows is not in runs of the first version
                best_epoch=int(record.get("best_epoch", 0)),
                source=str(record.get("source", "")),
                engine="keras" if record.get("engine") == "keras" else "packed",
                engine_reason=str(record.get("engine_reason", "")),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ModelError) as error:
            raise ModelError(
                "is no run record of Maskscope", file=file, received=f"{type(error).__name__}: {error}"
            ) from error


def _known(names: frozenset[str], values: dict[str, Any]) -> dict[str, Any]:
    # a run written by a later version may know more than we do
    return {name: value for name, value in values.items() if name in names}


_SETTINGS = frozenset(field.name for field in fields(TrainSettings))
_FIGURES = frozenset(field.name for field in fields(EpochFigures))
_METRICS = frozenset(field.name for field in fields(RunMetrics))


def _finite(value: object) -> object:
    # JSON has no NaN: a loss that diverged is written as null, and read back as None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ModelError(
            f"{name} is out of range", expected=f"a whole number from {least} to {most}", received=repr(value)
        )
