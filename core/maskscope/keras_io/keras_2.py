"""Writes the config.json of a model of Keras 2 as Keras 3 writes it, without Keras. The weights are stored alike.

Measured with tf_keras 2.21, whose `.keras` files are those of Keras 2.12 to 2.15: the differences are the modules, the
calls of layers in a Functional model, `time_major` of recurrent layers, the shape of inputs, and axes as lists.
"""

import re
from typing import Any

_ENGINE = re.compile(r"(tf_)?keras\.(src\.)?engine\.\w+|tf_keras\.src\.\S*")
_MODELS = ("Functional", "Model", "Sequential")
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D"})
_ATTENTION_OF_KERAS_2 = frozenset({"query_shape", "key_shape", "value_shape", "softmax_robust_masking"})


def is_keras_2(model: Any) -> bool:
    """Whether what is in config.json is a Functional model as Keras 2 writes it."""
    if not isinstance(model, dict) or not isinstance(model.get("config"), dict):
        return False
    if isinstance(model.get("module"), str) and _ENGINE.fullmatch(model["module"]):
        return True
    layers = model["config"].get("layers")
    return isinstance(layers, list) and any(
        isinstance(layer, dict) and "batch_input_shape" in (layer.get("config") or {}) for layer in layers
    )


def as_keras_3(model: dict[str, Any]) -> dict[str, Any]:
    """The same model in the form of Keras 3. Raises KeyError, TypeError, IndexError or ValueError for another form."""
    converted: dict[str, Any] = _converted(model)
    return converted


def _converted(value: Any) -> Any:
    if isinstance(value, list):
        return [_converted(each) for each in value]
    if not isinstance(value, dict):
        return value
    new = {key: _converted(inner) for key, inner in value.items()}
    kind, config = new.get("class_name"), new.get("config")
    if not isinstance(kind, str) or not isinstance(config, dict):
        return new
    config.pop("batch_input_shape", None)
    # layers are built when they are called
    new.pop("build_config", None)
    if kind == "InputLayer":
        shape = value["config"].get("batch_input_shape", config.get("batch_shape"))
        new["config"] = {"batch_shape": shape, "dtype": config["dtype"], "name": config["name"]}
    elif kind in _RECURRENT:
        config.pop("time_major", None)
    elif kind == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"]
    elif kind == "MultiHeadAttention":
        new["config"] = {key: inner for key, inner in config.items() if key not in _ATTENTION_OF_KERAS_2}
    elif kind == "Policy":
        new.update(module="keras", class_name="DTypePolicy")
    elif kind in ("Functional", "Model") and "input_layers" in config:
        new.update(module="keras.src.models.functional", class_name="Functional", registered_name="Functional")
        _convert_calls(config)
    return new


def _convert_calls(config: dict[str, Any]) -> None:
    """Write the calls of a Functional model's layers as arguments."""
    layers = config["layers"]
    # in Keras 2, a model inside has a node of its own before its first call
    first = {layer["name"]: int(layer["class_name"] in _MODELS) for layer in layers}

    def tensor(source: list[Any]) -> dict[str, Any]:
        name, call, output = source[:3]
        history = [name, call - first[name], output]
        # Keras takes shape and type from the layer itself
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None], "dtype": "float32", "keras_history": history},
        }

    def argument(value: Any) -> Any:
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and value[0] in first:
            return tensor(value)
        return [argument(each) for each in value] if isinstance(value, list) else value

    for layer in layers:
        calls = []
        for node in layer["inbound_nodes"]:
            tensors: list[Any] = [tensor(source) for source in node]
            kwargs = {name: argument(value) for source in node for name, value in (source[3:] or [{}])[0].items()}
            if len(tensors) > 1 and layer["class_name"] in (*_RECURRENT, "Bidirectional"):
                kwargs["initial_state"] = tensors[1:]
                tensors = tensors[:1]
            calls.append({"args": tensors if len(tensors) == 1 else [tensors], "kwargs": kwargs})
        layer["inbound_nodes"] = calls
    # Keras 3 counts so for the ends of a model, too, but not for Sequential models
    sequential = {layer["name"]: int(layer["class_name"] == "Sequential") for layer in layers}
    for ends in ("input_layers", "output_layers"):
        config[ends] = [[name, call - sequential[name], output] for name, call, output in config[ends]]
