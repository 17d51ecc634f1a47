"""What a model is trained and measured with: its loss and its metrics, as far as they can be had."""

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
"""Class in keras.losses, and words for it, of what is assumed of a model that is not compiled."""

_MOST_CHARACTERS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A model's loss and metrics, for `keras.Model.compile`.

    Attributes:
        loss: a loss of Keras, by name or as an object, or a function of the user's; None when there is none to be had.
        metrics: as `compile` takes them.
        weighted_metrics: the same, of those that are given the sample weights.
        unknown: names of what the file says and nobody can load without running code: the loss first.
        unknown_loss: whether the loss is among them.
    """

    loss: Any = None
    metrics: list[Any] = field(default_factory=list)
    weighted_metrics: list[Any] = field(default_factory=list)
    unknown: tuple[str, ...] = ()
    unknown_loss: bool = False


def of_model(model: "KerasModel") -> Compiled | None:
    """What a model in memory was compiled with; None when it was not."""
    if not getattr(model, "compiled", False):
        return None
    from maskscope.keras_io.keras_graph import compiled_metrics

    metrics, weighted = compiled_metrics(model)
    return Compiled(_one(model.loss), metrics, weighted)


def _one(loss: Any) -> Any:
    """The loss of a list or a dict of one, as one may give it to `compile` for the one output."""
    while isinstance(loss, list | dict) and len(loss) == 1 and not _serialized(loss):
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    return loss


def _serialized(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value


def of_file(keras_file: Path) -> Compiled | None:
    """What a `.keras` file says that its model was compiled with; None when it was not.

    Only names that Keras itself has for a loss or a metric are looked up, with numbers and words for arguments:
    nothing of the file is run. The file has been through `safety.inspect_keras_file`.
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
    """A loss or metric of Keras itself, and the name of what is none."""
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
        # Keras writes its own functions as it writes those of other people, and reads its own
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
    """Whether `name` is a loss or metric of Keras itself, as one writes it in `compile`: "mse", "Precision"."""
    try:
        found = module.get(name) if name.isidentifier() else None
    except (ValueError, TypeError):
        return False
    kind = found if isinstance(found, type) or callable(getattr(found, "__name__", None)) else type(found)
    where = getattr(found, "__module__", None) or kind.__module__
    return found is not None and str(where).startswith("keras.")


def _plain(value: Any) -> bool:
    """Whether a configuration holds numbers and words alone: no object, no function."""
    if isinstance(value, dict):
        return "class_name" not in value and all(_plain(each) for each in value.values())
    if isinstance(value, list):
        return all(_plain(each) for each in value)
    return value is None or isinstance(value, bool | int | float | str)


def head_of(name: str | None, printed: Floats) -> Head:
    """By the last activation; where that tells nothing, by what is printed, (B, T, C)."""
    for known in ASSUMED:
        if name == known:
            return known
    if printed.size and printed.min() >= 0 and printed.max() <= 1:
        sums = bool(np.allclose(printed.sum(axis=-1), 1, atol=1e-3)) and printed.shape[-1] > 1
        return "softmax" if sums else "sigmoid"
    return "linear"
