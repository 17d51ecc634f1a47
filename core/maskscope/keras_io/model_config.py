"""Checks what a `.keras` file's config.json names, without Keras: nothing but what is known to do no more than compute.

Keras rebuilds a model by calling whatever config.json names (`keras.src.saving.serialization_lib`). Safe mode refuses
lambdas, but not layers that read files (StringLookup and its kin) or run other programs' graphs (TFSMLayer).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 100
"""Of nesting in config.json; a model within a model within a model stays below 40."""
_SHOWN = 80

_LAYERS = frozenset(
    re.findall(
        r"\w+",
        """
    InputLayer Masking Identity Dense EinsumDense Embedding CategoryEncoding
    Activation ELU LeakyReLU PReLU ReLU Softmax
    LSTM GRU SimpleRNN RNN LSTMCell GRUCell SimpleRNNCell StackedRNNCells Bidirectional TimeDistributed
    ConvLSTM1D ConvLSTM2D
    Conv1D Conv1DTranspose SeparableConv1D DepthwiseConv1D Conv2D Conv2DTranspose SeparableConv2D DepthwiseConv2D
    Conv3D Conv3DTranspose
    AveragePooling1D MaxPooling1D AveragePooling2D MaxPooling2D AveragePooling3D MaxPooling3D
    AdaptiveAveragePooling1D AdaptiveMaxPooling1D AdaptiveAveragePooling2D AdaptiveMaxPooling2D
    GlobalAveragePooling1D GlobalMaxPooling1D GlobalAveragePooling2D GlobalMaxPooling2D
    Attention AdditiveAttention MultiHeadAttention GroupQueryAttention
    BatchNormalization GroupNormalization LayerNormalization RMSNormalization SpectralNormalization
    UnitNormalization Normalization Rescaling
    Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout
    ActivityRegularization
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract
    Cropping1D Cropping2D Flatten Permute RepeatVector Reshape UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D
    """,
    )
)
"""Layers that do nothing but compute. Left out: Lambda, wrappers of other programs (TFSMLayer, JaxLayer, FlaxLayer,
TorchModuleWrapper), and preprocessing layers that read files or text."""

_ACTIVATIONS = frozenset(
    re.findall(
        r"\w+",
        """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
    sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
    """,
    )
)
_TYPES = frozenset(
    {"bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)

_MODULES = {
    "layers": re.compile(r"keras\.(src\.)?layers(\.[a-z0-9_]+)*"),
    "models": re.compile(r"keras|keras\.(src\.)?models(\.[a-z0-9_]+)*"),
    "parts": re.compile(r"keras\.(src\.)?(initializers|regularizers|constraints)(\.[a-z0-9_]+)*"),
    "policies": re.compile(r"keras|keras\.(src\.)?dtype_policies(\.[a-z0-9_]+)*"),
    "operations": re.compile(r"keras\.src\.ops\.(numpy|nn|math|linalg)"),
    "core operations": re.compile(r"keras\.src\.ops\.core"),
}
_NAMES = {
    "layers": _LAYERS,
    "models": frozenset({"Sequential", "Functional", "Model"}),
    "policies": frozenset({"DTypePolicy", "FloatDTypePolicy"}),
    "core operations": frozenset(
        [
            "Cast",
            "ConvertToTensor",
            "SaturateCast",
            "Scatter",
            "ScatterUpdate",
            "Shape",
            "Slice",
            "SliceUpdate",
            "StopGradient",
            "Unstack",
        ]
    ),
}
_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_PLACEHOLDERS = frozenset({"__keras_tensor__", "__slice__", "__ellipsis__"})
_CONSTANTS = frozenset({"__tensor__", "__numpy__"})
OPERATIONS = ("operations", "core operations")
"""Groups of objects that are not layers, and that Keras does not count when it names the weights."""


class RefusedConfigError(Exception):
    """A config.json names something that is not known to be harmless, or is none.

    Args:
        message: one sentence, without the file.
        expected: what would have been right.
        received: what was found instead; "" where nothing is to be said.
        unknown: whether it is a part of a model that is not known, so that other parts may be of use.
    """

    def __init__(self, message: str, expected: str, received: str, unknown: bool = False) -> None:
        super().__init__(message)
        self.message, self.expected, self.received, self.unknown = message, expected, received, unknown


def read_config(text: bytes) -> Any:
    """The values in a config.json. Raises RefusedConfigError when it is damaged or nests too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise RefusedConfigError("has a damaged config.json", "JSON", shortened(str(error))) from error


def check_config(model: Any) -> None:
    """Raise RefusedConfigError for the first object that is not known to be harmless."""
    expected = "a Sequential or Functional model"
    if not isinstance(model, dict) or not isinstance(model.get("class_name"), str):
        raise RefusedConfigError("holds no model", expected, shortened(_called(model)))
    if group_of(model) != "models":
        if not re.match(r"keras(\.|$)", str(model.get("module"))):
            raise RefusedConfigError(
                "holds a model of a custom class, whose code is not in the file and is never imported",
                expected,
                shortened(_called(model)),
                unknown=True,
            )
        raise RefusedConfigError("holds no model", expected, shortened(_called(model)))
    # the compile configuration of the whole model is never read: it is loaded without
    check_part({key: value for key, value in model.items() if key != "compile_config"})


def check_part(part: dict[str, Any]) -> None:
    """As `check_config`, for one layer."""
    for record in _objects(part):
        _check_object(record)


def _too_deep() -> RefusedConfigError:
    return RefusedConfigError("has a config.json that nests too deep", f"at most {MAX_DEPTH} levels", "more")


def _objects(top: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every dict that Keras may deserialize, outer before inner, in the order of the file."""
    todo: list[tuple[Any, int]] = [(top, 1)]
    while todo:
        value, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            todo.extend((inner, depth + 1) for inner in reversed(value.values()))
        elif isinstance(value, list):
            todo.extend((inner, depth + 1) for inner in reversed(value))


def _called(record: Any) -> str:
    if not isinstance(record, dict) or "class_name" not in record:
        return f"a {type(record).__name__} without a class"
    module = record.get("module")
    return f"{record['class_name']}" if module is None else f"{module}.{record['class_name']}"


def group_of(record: dict[str, Any]) -> str | None:
    """What kind of known object a record names, such as "layers"; None for one that is not known."""
    module, name = record.get("module"), record.get("class_name")
    if not isinstance(module, str) or not isinstance(name, str) or not _CLASS_NAME.fullmatch(name):
        return None
    for group, pattern in _MODULES.items():
        if pattern.fullmatch(module) and "test" not in module and name in _NAMES.get(group, {name}):
            return group
    return None


def _check_object(record: dict[str, Any]) -> None:
    name, inner = record["class_name"], record.get("config")
    if not isinstance(name, str):
        raise RefusedConfigError(
            "names a class by something other than text", "a class of Keras", shortened(name), unknown=True
        )
    if record.get("compile_config"):
        raise RefusedConfigError(
            "holds a model that was compiled inside another; save it without (model.compile only the whole)",
            "layers",
            shortened(_called(record)),
        )
    if name in _PLACEHOLDERS:
        return
    if name in _CONSTANTS:
        kind = inner.get("dtype") if isinstance(inner, dict) else None
        if kind not in _TYPES:
            raise RefusedConfigError("holds a constant of another type", "numbers", shortened(kind), unknown=True)
        return
    if name == "function":
        _check_function(record)
        return
    if name in ("__lambda__", "Lambda"):
        raise RefusedConfigError(
            "holds Python code in a Lambda layer, which is never run; replace the layer by one of keras.layers",
            "layers of Keras that only compute",
            shortened(_called(record)),
            unknown=True,
        )
    registered = record.get("registered_name")
    group, module = group_of(record), record.get("module")
    own = registered is not None and registered != name
    if group is None and not own and isinstance(module, str) and re.fullmatch(r"keras(\.[A-Za-z0-9_]+)*", module):
        raise RefusedConfigError(
            "uses a part of Keras that may do more than compute",
            "layers that only compute",
            shortened(_called(record)),
            unknown=True,
        )
    if group is None or own:
        raise RefusedConfigError(
            "holds a custom object, whose code is not in the file and is never imported",
            "layers of Keras itself",
            shortened(registered if own else _called(record)),
            unknown=True,
        )


def _check_function(record: dict[str, Any]) -> None:
    name, registered = record.get("config"), record.get("registered_name")
    known = isinstance(name, str) and name in _ACTIVATIONS and registered in (None, "function", name)
    if record.get("module") not in ("builtins", "keras.activations") or not known:
        raise RefusedConfigError(
            "calls a function that is not an activation of Keras",
            "an activation such as relu",
            shortened(f"{record.get('module')}.{name}"),
            unknown=True,
        )


def shortened(text: object) -> str:
    """A text from a file, in ASCII, as long as a message may show."""
    words = ascii(text)
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"
