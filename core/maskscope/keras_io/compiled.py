"""The loss and the metrics that a model was compiled with, as far as they can be loaded."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np

from maskscope.keras_io.model_head import only_one
from maskscope.types import Floats

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

Head: TypeAlias = Literal["sigmoid", "softmax", "linear"]

ASSUMED: dict[Head, tuple[str, str]] = {
    "sigmoid": ("BinaryCrossentropy", "binary cross-entropy"),
    "softmax": ("CategoricalCrossentropy", "categorical cross-entropy"),
    "linear": ("MeanSquaredError", "mean squared error"),
}
"""Class in keras.losses, and its name in a message, of the loss assumed for a model that is not compiled."""

_MOST_CHARACTERS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A model's loss and metrics, for `keras.Model.compile`.

    Attributes:
        loss: a loss of Keras, by name or as an object, or the user's function; None when there is none to load.
        metrics: as `compile` takes them.
        weighted_metrics: the same, of those that are given the sample weights.
        optimizer: of Keras, with its settings and without its state; None for one that is not, or is not known.
        unknown: names in the file that can't be loaded without running its code: the loss first.
        unknown_loss: whether the loss is among them.
    """

    loss: Any = None
    metrics: list[Any] = field(default_factory=list)
    weighted_metrics: list[Any] = field(default_factory=list)
    optimizer: Any = None
    unknown: tuple[str, ...] = ()
    unknown_loss: bool = False


def of_model(model: "KerasModel") -> Compiled | None:
    """The loss and metrics of a model in memory; None when it is not compiled."""
    if not getattr(model, "compiled", False):
        return None
    from maskscope.keras_io.keras_graph import compiled_metrics

    metrics, weighted = compiled_metrics(model)
    return Compiled(only_one(model.loss), metrics, weighted)


def of_file(keras_file: Path) -> Compiled | None:
    """The loss and metrics in a `.keras` file; None when its model was not compiled.

    Only losses and metrics of Keras itself are loaded, with numbers and strings as arguments: no code of the file is
    run. The file has passed `safety.inspect_keras_file`.
    """
    with zipfile.ZipFile(keras_file) as archive:
        config = json.loads(archive.read("config.json")).get("compile_config")
    if not isinstance(config, dict):
        return None
    loss, unknown = _known(only_one(config.get("loss")), "losses")
    metrics, strange = _known_list(config.get("metrics"))
    weighted, stranger = _known_list(config.get("weighted_metrics"))
    optimizer = _known_optimizer(config.get("optimizer"))
    return Compiled(loss, metrics, weighted, optimizer, (*unknown, *strange, *stranger), bool(unknown))


def _known_list(value: Any) -> tuple[list[Any], tuple[str, ...]]:
    found: list[Any] = []
    unknown: list[str] = []
    todo = [value]
    while todo:
        each = todo.pop(0)
        if isinstance(each, list):
            todo = [*each, *todo]
        elif isinstance(each, dict) and "class_name" not in each:
            todo = [*each.values(), *todo]
        elif each is not None:
            metric, names = _known(each, "metrics")
            found += [metric] if metric is not None else []
            unknown += names
    return found, tuple(unknown)


def _known(value: Any, kind: Literal["losses", "metrics"]) -> tuple[Any, tuple[str, ...]]:
    """A loss or metric of Keras itself, or None; and the name of one that is not."""
    import keras

    if value is None:
        return None, ()
    module = getattr(keras, kind)
    if isinstance(value, str):
        if kind == "metrics" and value in ("accuracy", "acc", "crossentropy", "ce"):
            return value, ()
        return (value, ()) if _plain_name(module, value) else (None, (value[:80],))
    if isinstance(value, dict):
        name, config = value.get("class_name"), value.get("config")
        called = str(config if name == "function" else name)[:80]
        # Keras writes its own functions in the same way as other people's, so the name decides
        if name == "function" and isinstance(config, str) and value.get("module") in ("builtins", f"keras.{kind}"):
            return (config, ()) if _plain_name(module, config) else (None, (called,))
        own = getattr(module, name, None) if isinstance(name, str) and name.isidentifier() else None
        base = keras.losses.Loss if kind == "losses" else keras.metrics.Metric
        known = value.get("module") == f"keras.{kind}" and isinstance(own, type) and issubclass(own, base)
        if known and isinstance(config, dict) and len(json.dumps(config)) < _MOST_CHARACTERS and _plain(config):
            try:
                return cast(Any, own).from_config(dict(config)), ()
            except (TypeError, ValueError):
                return None, (called,)
        return None, (called,)
    return None, (type(value).__name__,)


def _known_optimizer(value: Any) -> Any:
    """An optimizer of Keras itself with plain numbers as settings; None for anything else."""
    import keras

    if isinstance(value, str):
        names = {name.lower(): name for name in dir(keras.optimizers)}
        value = {"class_name": names.get(value.lower(), ""), "module": "keras.optimizers", "config": {}}
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return None
    config = dict(value["config"])
    if value.get("class_name") == "LossScaleOptimizer":
        # `compile` puts it around the other again where the model computes in float16
        return _known_optimizer(config.get("inner_optimizer"))
    if isinstance(config.get("learning_rate"), dict):
        schedule = _of_keras(config.pop("learning_rate"), "keras.optimizers.schedules", "LearningRateSchedule")
        if schedule is None:
            return None
        return _of_keras({**value, "config": config}, "keras.optimizers", "Optimizer", {"learning_rate": schedule})
    return _of_keras(value, "keras.optimizers", "Optimizer")


def _of_keras(value: dict[str, Any], module: str, base: str, more: dict[str, Any] | None = None) -> Any:
    """An object of a public module of Keras from its plain configuration, and `more`; None where it is no such thing.

    Args:
        value: as Keras writes it.
        module: such as "keras.optimizers".
        base: name of the class in it whose subclasses may be made.
        more: settings that are objects themselves.
    """
    import keras

    found = keras.optimizers if module == "keras.optimizers" else keras.optimizers.schedules
    name, config = value.get("class_name"), value.get("config")
    kind = getattr(found, name, None) if isinstance(name, str) and name.isidentifier() else None
    known = isinstance(kind, type) and issubclass(kind, getattr(found, base)) and kind is not getattr(found, base)
    if value.get("module") != module or not known or not isinstance(config, dict) or not _plain(config):
        return None
    try:
        return cast(Any, kind)(**config, **(more or {}))
    except (TypeError, ValueError):
        return None


def _plain_name(module: Any, name: str) -> bool:
    """Whether `name` is a loss or metric of Keras itself as `compile` accepts it: "mse", "Precision"."""
    try:
        found = module.get(name) if name.isidentifier() else None
    except (ValueError, TypeError):
        return False
    kind = found if isinstance(found, type) or callable(getattr(found, "__name__", None)) else type(found)
    where = getattr(found, "__module__", None) or kind.__module__
    return found is not None and str(where).startswith("keras.")


def _plain(value: Any) -> bool:
    """Whether a configuration holds only numbers, strings, lists and dicts: no object, no function."""
    if isinstance(value, dict):
        return "class_name" not in value and all(_plain(each) for each in value.values())
    if isinstance(value, list):
        return all(_plain(each) for each in value)
    return value is None or isinstance(value, bool | int | float | str)


def head_of(name: str | None, outputs: Floats) -> Head:
    """The kind of output layer: by the name of its activation, else by the range and sums of its outputs (B, T, C)."""
    for known in ASSUMED:
        if name == known:
            return known
    if outputs.size and outputs.min() >= 0 and outputs.max() <= 1:
        sums = bool(np.allclose(outputs.sum(axis=-1), 1, atol=1e-3)) and outputs.shape[-1] > 1
        return "softmax" if sums else "sigmoid"
    return "linear"
