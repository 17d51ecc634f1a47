"""What a `.keras` file says of its model's layers and of its loss. Read without Keras."""

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskscope.engine.layer_config import snake_case

_WRAPPERS = frozenset({"TimeDistributed", "Bidirectional", "SpectralNormalization"})
_LOSS_NAMES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "logcosh": "log_cosh",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "bce": "binary_crossentropy",
    "cosine": "cosine_similarity",
}
_LOSSES = frozenset(
    re.findall(
        r"\w+",
        """
    mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error huber log_cosh
    cosine_similarity poisson kl_divergence binary_crossentropy binary_focal_crossentropy categorical_crossentropy
    categorical_focal_crossentropy sparse_categorical_crossentropy hinge squared_hinge categorical_hinge ctc circle dice
    tversky categorical_generalized_cross_entropy
    """,
    )
)
"""Keras's own losses, in snake case."""


@dataclass(frozen=True, slots=True)
class ModelHead:
    """What is known of a model's outputs.

    Attributes:
        activation: of the last layer, by its name in Keras; "linear" for none, "" when it can't be told. The engine
            that runs the model tells it, not the file.
        loss: by its name in Keras in snake case, such as "mean_squared_error"; "" for none.
        own_loss: the name of a loss that is not Keras's own; "" for none.
        from_logits: whether the loss takes logits.
        layers: class names in the order of the file, such as "TimeDistributed(Dense)".
    """

    activation: str = ""
    loss: str = ""
    own_loss: str = ""
    from_logits: bool = False
    layers: tuple[str, ...] = ()


def read_head(keras_file: Path) -> ModelHead:
    """What a `.keras` file says that has passed `safety.inspect_keras_file`; the activation is left open."""
    try:
        with zipfile.ZipFile(keras_file) as archive:
            model = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, RecursionError):
        return ModelHead()
    return head_of_config(model)


def head_of_config(model: Mapping[str, Any]) -> ModelHead:
    """The same by its config.json. What is not as Keras writes it is left out."""
    try:
        layers = [_class_name(layer) for layer in model["config"]["layers"]]
    except (KeyError, TypeError, AttributeError, RecursionError):
        layers = []
    compiled = model.get("compile_config")
    loss = only_one(compiled.get("loss")) if isinstance(compiled, Mapping) else None
    name, own = _loss_name(loss)
    config = loss.get("config") if isinstance(loss, Mapping) else None
    from_logits = isinstance(config, Mapping) and config.get("from_logits") is True
    # a functional model lists the operations by which Masking makes its mask, too
    left_out = {"InputLayer", "NotEqual", "Any"} if "Masking" in layers else {"InputLayer"}
    return ModelHead("", name, own, from_logits, tuple(each for each in layers if each not in left_out))


def only_one(loss: Any) -> Any:
    """The only loss of a list or dict, as `compile` also accepts it for a model with one output."""
    while isinstance(loss, list | dict) and len(loss) == 1 and "class_name" not in loss:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    return loss


def _class_name(layer: Mapping[str, Any]) -> str:
    name, inner = str(layer["class_name"]), layer["config"].get("layer")
    return f"{name}({_class_name(inner)})" if name in _WRAPPERS and isinstance(inner, Mapping) else name


def _loss_name(loss: Any) -> tuple[str, str]:
    """The name of a loss of Keras, and that of any other; "" for none."""
    if isinstance(loss, str):
        written = loss
    elif not isinstance(loss, Mapping):
        return "", ""
    elif loss.get("class_name") == "function":
        written = str(loss.get("config"))
    else:
        written = str(loss.get("class_name"))
        if loss.get("module") != "keras.losses":
            return "", written
    name = snake_case(written)
    name = _LOSS_NAMES.get(name, name)
    return (name, "") if name in _LOSSES else ("", written.rpartition(">")[2])
