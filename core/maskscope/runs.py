"""A training run: its settings, its figures, and the run.json that stores them."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from maskscope.errors import ModelError
from maskscope.types import MaskValue, OutputKind, TagScheme

Engine: TypeAlias = Literal["packed", "keras"]

MAX_UNITS = 1024
MAX_LAYERS = 8

Section: TypeAlias = Literal["model", "data", "training"]


@dataclass(frozen=True, slots=True)
class NumberSetting:
    """How the command line and the training dialog offer a number of `TrainSettings`.

    Attributes:
        label: of the control of the dialog, with its mnemonic ("&Units").
        help: what the number means, a few words without a full stop.
        section: the part of the dialog that it is in.
        minimum, maximum: the range.
        step: what an arrow of the control adds.
        decimals: how many the control shows; 0 for a whole number.
        above_minimum: the minimum itself is not allowed.
        below_maximum: the maximum itself is not allowed.
    """

    label: str
    help: str
    section: Section
    minimum: float
    maximum: float
    step: float
    decimals: int = 0
    above_minimum: bool = False
    below_maximum: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise ModelError when `value` of the field `name` is out of range or of another type."""
        low, high = self.minimum, self.maximum
        if self.decimals == 0:
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                expected = f"a whole number from {low} to {high}"
                raise ModelError(f"{name} is out of range", expected=expected, received=repr(value))
            return
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        above = number > low if self.above_minimum else number >= low
        below = number < high if self.below_maximum else number <= high
        if not (above and below):
            expected = f"{f'above {low:g}' if self.above_minimum else f'{low:g} or more'}, "
            expected += f"below {high:g}" if self.below_maximum else f"at most {high:g}"
            raise ModelError(f"{name} is out of range", expected=expected, received=repr(value))


@dataclass(frozen=True, slots=True)
class ChoiceSetting:
    """How the command line and the training dialog offer a text of `TrainSettings` that is one of a few.

    Attributes:
        label: of the control of the dialog, with its mnemonic.
        help: what is chosen, a few words without a full stop.
        section: the part of the dialog that it is in.
        choices: each value with its text in the dialog.
    """

    label: str
    help: str
    section: Section
    choices: tuple[tuple[str, str], ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The values that there are."""
        return tuple(value for value, _ in self.choices)

    def check(self, name: str, value: object) -> None:
        """Raise ModelError when `value` of the field `name` is none of the choices."""
        if value not in self.values:
            raise ModelError(f"there is no such {name}", expected=" or ".join(self.values), received=repr(value))


Setting: TypeAlias = NumberSetting | ChoiceSetting


def _share(label: str, help_text: str, section: Section) -> NumberSetting:
    return NumberSetting(label, help_text, section, 0, 1, 0.05, 2, below_maximum=True)


def _field(default: Any, setting: Setting) -> Any:
    return field(default=default, metadata={"setting": setting})


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """What a person can choose about a training run. Raises ModelError for a value that makes no sense.

    The options of ``maskscope train`` and the controls of the training dialog are made from these fields and their
    `Setting`: to add one, add a field here.

    Attributes:
        units: LSTM units in each direction.
        layers: bidirectional layers, stacked.
        recurrent_dropout: share of the recurrent state dropped at each step of training, 0 <= p < 1.
        dropout: share of each layer's outputs dropped in training, 0 <= p < 1.
        epochs: passes over the training sentences.
        batch_tokens: largest number of real tokens in one batch; a longer sentence is a batch by itself.
        learning_rate: of Adam.
        validation: share of sentences held out for validation, 0 <= p < 1.
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

    units: int = _field(10, NumberSetting("&Units", "LSTM units in each direction", "model", 1, MAX_UNITS, 5))
    layers: int = _field(1, NumberSetting("&Layers", "bidirectional layers, stacked", "model", 1, MAX_LAYERS, 1))
    recurrent_dropout: float = _field(
        0.3, _share("&Recurrent dropout", "share of the state dropped at each step", "model")
    )
    dropout: float = _field(0.0, _share("&Dropout", "share of each layer's outputs dropped", "model"))
    epochs: int = _field(20, NumberSetting("&Epochs", "passes over the data (epochs)", "training", 1, 100_000, 5))
    batch_tokens: int = _field(
        512, NumberSetting("&Batch tokens", "most tokens in a batch (none is padding)", "training", 1, 10_000_000, 256)
    )
    learning_rate: float = _field(
        0.01, NumberSetting("Learning r&ate", "Adam's learning rate", "training", 0, 10, 0.001, 5, above_minimum=True)
    )
    validation: float = _field(0.1, _share("&Validation", "share of sentences kept for validation", "data"))
    seed: int = _field(0, NumberSetting("&Seed", "the same seed gives the same model", "training", 0, 2**32 - 1, 1))
    input_dropout: float = _field(0.0, _share("&Input dropout", "share of each embedding dropped", "model"))
    decay: Literal["none", "linear"] = _field(
        "none",
        ChoiceSetting(
            "Rate sc&hedule",
            "learning rate over the epochs",
            "training",
            (("none", "constant"), ("linear", "falls to 0")),
        ),
    )
    class_weights: Literal["none", "sqrt", "balanced"] = _field(
        "none",
        ChoiceSetting(
            "&Class weights",
            "let rare labels count more",
            "data",
            (("none", "all equal"), ("sqrt", "1 / sqrt(frequency)"), ("balanced", "1 / frequency")),
        ),
    )
    reviewed_weight: float = _field(
        1.0,
        NumberSetting(
            "Acce&pted weight", "weight of accepted sentences (others: 1)", "data", 0, 1000, 0.5, 2, above_minimum=True
        ),
    )
    keep_by: Literal["loss", "f1", "last"] = _field(
        "loss",
        ChoiceSetting(
            "&Keep epoch of",
            "epoch to keep, by validation",
            "training",
            (("loss", "lowest loss"), ("f1", "highest F1"), ("last", "the end")),
        ),
    )
    patience: int = _field(
        0,
        NumberSetting("Patie&nce", "stop after N epochs without gain (0: never)", "training", 0, 100_000, 1),
    )

    def __post_init__(self) -> None:
        for name, setting in train_settings().items():
            setting.check(name, getattr(self, name))


def train_settings() -> dict[str, Setting]:
    """The fields of `TrainSettings`, each with its `Setting`, in their order."""
    return {each.name: each.metadata["setting"] for each in fields(TrainSettings)}


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
class OutputMap:
    """How the outputs of a model that was made elsewhere become the scores of a project.

    Attributes:
        kind: what the model's outputs are.
        activation: what makes probabilities of logits; "" for other outputs.
        columns: for each column of the scores, which of the model's outputs it is; -1 for none, a probability of 0.
            Empty for all outputs in their order.
        names: of the model's outputs, as far as they are known; empty when they are not.
        n_outputs: how many outputs the model has; 0 when these are the project's own columns.
    """

    kind: OutputKind = "probabilities"
    activation: Literal["", "sigmoid", "softmax"] = ""
    columns: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    n_outputs: int = 0


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
        metrics: None without validation sentences, or when none of their tokens has a label.
        validation_sentences: ids of the validation sentences, in reading order.
        fingerprint: of the project's embeddings and sentence bounds.
        keras: version of Keras.
        tensorflow: version of TensorFlow.
        seconds: how long training took.
        complete: False when it was stopped before its last epoch.
        best_epoch: the epoch whose weights were kept, counted from 1; 0 when it is not known.
        source: file name of a model that was made elsewhere; "" for one trained here.
        engine: what scores with it: "packed" (numpy, in the program itself) or "keras" (in the worker).
        engine_reason: one sentence: why "keras"; "" for "packed".
        output: how the outputs of an opened model become the scores.
        n_positions: T when Keras runs it on exactly T positions only; None for any length.
        notes: what was done to run an opened model, a sentence each, such as how several inputs are fed.
    """

    name: str
    created: float
    settings: TrainSettings | None
    scheme: TagScheme
    dim: int
    mask_value: MaskValue | None = 0.0
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
    output: OutputMap = OutputMap()
    notes: tuple[str, ...] = ()
    n_positions: int | None = None

    @property
    def f1(self) -> float | None:
        """Token F1 on the validation sentences, None when there were none."""
        return None if self.metrics is None else self.metrics.f1

    @property
    def headline(self) -> str:
        """The main figure: "F1 0.91", for a span scheme "entity F1 0.47"; "" without validation sentences."""
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
            return cls(
                name=str(record["name"]),
                created=float(record["created"]),
                settings=None if settings is None else TrainSettings(**_known(_SETTINGS, settings)),
                scheme=TagScheme(
                    scheme["kind"], tuple(str(name) for name in scheme["classes"]), int(scheme["outside"])
                ),
                dim=int(record["dim"]),
                mask_value=_mask_value(record.get("mask_value")),
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
                output=_output_map(record.get("output") or {}),
                n_positions=None if record.get("n_positions") is None else int(record["n_positions"]),
                notes=tuple(str(note) for note in record.get("notes") or ()),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ModelError) as error:
            raise ModelError(
                "is no run record of Maskscope", file=file, received=f"{type(error).__name__}: {error}"
            ) from error


def _known(names: frozenset[str], values: dict[str, Any]) -> dict[str, Any]:
    # a run written by a later version may know more than we do
    return {name: value for name, value in values.items() if name in names}


def _mask_value(value: Any) -> MaskValue | None:
    if isinstance(value, list):
        return tuple(float(number) for number in value)
    return None if value is None else float(value)


def _output_map(record: dict[str, Any]) -> OutputMap:
    kind, activation = record.get("kind", "probabilities"), record.get("activation", "")
    if kind not in get_args(OutputKind) or activation not in ("", "sigmoid", "softmax"):
        raise ValueError(f"outputs of kind {kind!r} with {activation!r}")
    columns = tuple(int(column) for column in record.get("columns", ()))
    names = tuple(str(name) for name in record.get("names", ()))
    return OutputMap(kind, activation, columns, names, int(record.get("n_outputs", 0)))


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
