"""The part of a model that is made of known layers alone, read from its config.json, without Keras.

A model that ends in a layer in own code, such as a CRF, is of use without it: the outputs of the layer before it are
the emissions, a number for each token and class.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from maskscope.engine.layer_config import snake_case
from maskscope.keras_io.keras_2 import as_keras_3, is_keras_2
from maskscope.keras_io.model_config import OPERATIONS, RefusedConfigError, check_part, group_of

_Tensor: TypeAlias = tuple[str, int, int]
"""Of a Functional model: the name of a layer, which of its calls, and which of that call's outputs."""
_Call: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class KnownPart:
    """The part of a model before its first layer that is not known.

    Attributes:
        layer: the layer whose outputs it gives.
        config: of a plain Functional or Sequential model, as in config.json.
        weights: where the weights of each kept layer are in model.weights.h5, and where they belong in that of the
            part, as Keras names them: by class, in the order of the layers.
    """

    layer: str
    config: dict[str, Any]
    weights: tuple[tuple[str, str], ...]


def known_part(model: Any) -> KnownPart | None:
    """The known part of a model; None when there is none, or when config.json is not that of a model of layers.

    A model of Keras 2 is written in the form of Keras 3.

    Args:
        model: what is in config.json; it may name anything.
    """
    try:
        if is_keras_2(model):
            model = as_keras_3(model)
        if "input_layers" in model["config"]:
            return _of_functional(model)
        return _of_sequential(model)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, StopIteration, RecursionError):
        # the file may hold anything
        return None


def _is_known(layer: dict[str, Any]) -> bool:
    try:
        check_part(layer)
    except RefusedConfigError:
        return False
    return True


def _of_sequential(model: dict[str, Any]) -> KnownPart | None:
    layers = model["config"]["layers"]
    unknown = next((place for place, layer in enumerate(layers) if not _is_known(layer)), len(layers))
    # Keras does not count the input among the layers of a Sequential model
    counted, kept = ([layer for layer in some if not _is_input(layer)] for some in (layers, layers[:unknown]))
    if not kept:
        return None
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {**model["config"], "layers": layers[:unknown]},
        "registered_name": None,
    }
    return KnownPart(str(kept[-1]["config"]["name"]), config, _weights(counted, kept))


def _is_input(layer: dict[str, Any]) -> bool:
    return bool(layer["class_name"] == "InputLayer")


def _of_functional(model: dict[str, Any]) -> KnownPart | None:
    layers = {str(layer["name"]): layer for layer in model["config"]["layers"]}
    unknown = next((layer for layer in layers.values() if not _is_known(layer)), None)
    if unknown is not None:
        end = next(_tensors(unknown["inbound_nodes"][0]["args"]))
    else:
        # of a custom class, but made of known layers alone
        last = model["config"]["output_layers"]
        name, number, output = _tensor(last if isinstance(last[0], str) else last[0])
        end = name, number - _first_end(layers[name]), output
    calls = _needed(layers, end)
    if calls is None or all(_is_input(layers[name]) for name, _ in calls):
        return None
    needed = {name for name, _ in calls}
    kept = [_with_calls(layer, calls) for name, layer in layers.items() if name in needed]
    inputs = model["config"]["input_layers"]
    inputs = [each for each in ([inputs] if isinstance(inputs[0], str) else inputs) if (each[0], each[1]) in calls]
    config = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": str(model["config"]["name"]),
            "trainable": True,
            "layers": kept,
            # one tensor rather than a list of one
            "input_layers": inputs[0] if len(inputs) == 1 else inputs,
            "output_layers": [end[0], calls[end[:2]] + _first_end(layers[end[0]]), end[2]],
        },
        "registered_name": "Functional",
    }
    return KnownPart(end[0], config, _weights(list(layers.values()), kept))


def _needed(layers: dict[str, Any], end: _Tensor) -> dict[_Call, int] | None:
    """The calls of layers that a tensor hangs on, each with its number among those; None when one is not known."""
    found: set[_Call] = set()
    todo = [end[:2]]
    while todo:
        name, number = todo.pop()
        if (name, number) in found:
            continue
        found.add((name, number))
        layer = layers[name]
        if not _is_known(layer):
            return None
        if not _is_input(layer):
            node = layer["inbound_nodes"][number]
            todo.extend(tensor[:2] for tensor in _tensors([node["args"], node["kwargs"]]))
    numbers: dict[_Call, int] = {}
    counts: Counter[str] = Counter()
    for name, number in sorted(found):
        numbers[name, number] = counts[name]
        counts[name] += 1
    return numbers


def _first_end(layer: dict[str, Any]) -> int:
    """What Keras adds to the number of a call where it says what a model's outputs are: 1 for a Functional model."""
    return 1 if layer["class_name"] in ("Functional", "Model") else 0


def _with_calls(layer: dict[str, Any], calls: dict[_Call, int]) -> dict[str, Any]:
    """A layer with those of its calls that are needed, renumbered."""
    kept = [
        _renumbered(node, calls) for place, node in enumerate(layer["inbound_nodes"]) if (layer["name"], place) in calls
    ]
    return {**layer, "inbound_nodes": kept}


def _renumbered(value: Any, calls: dict[_Call, int]) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        moved = list(_moved(_tensor(value["config"]["keras_history"]), calls))
        return {**value, "config": {**value["config"], "keras_history": moved}}
    if isinstance(value, dict):
        return {key: _renumbered(inner, calls) for key, inner in value.items()}
    return [_renumbered(inner, calls) for inner in value] if isinstance(value, list) else value


def _moved(tensor: _Tensor, calls: dict[_Call, int]) -> _Tensor:
    name, number, output = tensor
    return name, calls[name, number], output


def _tensors(value: Any) -> Iterator[_Tensor]:
    """The tensors among the arguments of a call, in their order."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        yield _tensor(value["config"]["keras_history"])
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _tensors(inner)


def _tensor(history: Any) -> _Tensor:
    name, number, output = history
    return str(name), int(number), int(output)


def _weights(layers: list[dict[str, Any]], kept: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    places, own = _places(layers), _places(kept)
    return tuple((places[name], own[name]) for name in own)


def _places(layers: list[dict[str, Any]]) -> dict[str, str]:
    """Where Keras puts the weights of each layer: dense, dense_1, ... (`saving_lib._save_container_state`)."""
    counts: Counter[str] = Counter()
    places = {}
    for layer in layers:
        if group_of(layer) in OPERATIONS:
            continue
        kind = snake_case(str(layer["class_name"]))
        places[str(layer["config"]["name"])] = kind if not counts[kind] else f"{kind}_{counts[kind]}"
        counts[kind] += 1
    return places
