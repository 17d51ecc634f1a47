"""The loss and the metrics that a model was compiled with, as far as they can be loaded."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np

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
        unknown: names in the file that can't be loaded without running its code: the loss first.
        unknown_loss: whether the loss is among them.
    """

    loss: Any = None
    metrics: list[Any] = field(default_factory=list)
    weighted_metrics: list[Any] = field(default_factory=list)
    unknown: tuple[str, ...] = ()
    unknown_loss: bool = False


def of_model(model: "KerasModel") -> Compiled | None:
    """The loss and metrics of a model in memory; None when it is not compiled."""
    if not getattr(model, "compiled", False):
        return None
    from maskscope.keras_io.keras_graph import compiled_metrics

    metrics, weighted = compiled_metrics(model)
    return Compiled(_one(model.loss), metrics, weighted)


def _one(loss: Any) -> Any:
    """The only loss of a list or dict, as `compile` also accepts it for a model with one output."""
    while isinstance(loss, list | dict) and len(loss) == 1 and not _serialized(loss):
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    return loss


def _serialized(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value


def of_file(keras_file: Path) -> Compiled | None:
    """The loss and metrics in a `.keras` file; None when its model was not compiled.

    Only losses and metrics of Keras itself are loaded, with numbers and strings as arguments: no code of the file is
    run. The file has passed `safety.inspect_keras_file`.
    """
    with zipfile.ZipFile(keras_file) as archive:
        config = json.loads(archive.read("config.json")).get("compile_config")
    if not isinstance(config, dict):
        return None
    loss, unknown = _known(_one(config.get("loss")), "losses")
    metrics, strange = _known_list(config.get("metrics"))
    weighted, stranger = _known_list(config.get("weighted_metrics"))
    return Compiled(loss, metrics, weighted, (*unknown, *strange, *stranger), bool(unknown))


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
