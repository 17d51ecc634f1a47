"""Which inputs and which output of a Keras model are a tagger's: from a row of numbers for each token to another."""

from dataclasses import dataclass
from typing import Any

import keras

from maskscope.errors import ModelError

_TAGGER = "a model from (B, T, D) to (B, T, C)"


@dataclass(frozen=True, slots=True)
class Part:
    """One input of a model.

    Attributes:
        name: of its layer.
        width: how many numbers of each token it takes; None for any number.
        dtype: of its tensor.
        flat: whether it takes one number a token as (B, T), without a last axis.
        mask: whether it takes the mask (B, T) of the tokens, and none of their numbers: `width` is 0.
        rows: T where it takes the rows of all positions one after another, (B, T * D), and reshapes them; else 0.
    """

    name: str
    width: int | None
    dtype: str
    flat: bool
    mask: bool = False
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a tagger, which take parts of each token's embedding, in their order.

    Attributes:
        parts: one for each input.
        n_positions: T that the model was built for; None for any.
        batch_size: number of sentences that it was built for; None for any.
    """

    parts: tuple[Part, ...]
    n_positions: int | None
    batch_size: int | None

    @property
    def dim(self) -> int | None:
        """D of all inputs together; None for any."""
        widths = [part.width for part in self.parts]
        return None if None in widths else sum(width for width in widths if width is not None)

    def split(self, x_btd: Any, reshaped: bool = False) -> list[Any]:
        """What each input takes of (B, T, D), a tensor, a symbolic tensor or an array.

        `reshaped`: as (B, T, D) where it would take (B, T * D) and reshape that.
        """
        found = []
        begin = 0
        for part in self.parts:
            end = None if part.width is None else begin + part.width
            taken = x_btd if part.width in (None, self.dim) else x_btd[:, :, begin:end]
            if part.mask:
                taken = keras.ops.ones_like(x_btd[:, :, 0])
            elif part.flat:
                taken = taken[:, :, 0]
            elif part.rows and not reshaped:
                taken = keras.ops.reshape(taken, (-1, part.rows * (part.width or 1)))
            if keras.backend.standardize_dtype(taken.dtype) != part.dtype:
                taken = keras.ops.cast(taken, part.dtype)
            found.append(taken)
            begin = end or 0
        return found

    @property
    def notes(self) -> tuple[str, ...]:
        """How the inputs are fed, a sentence each; none for one input of float32."""
        found = []
        numbers = [part for part in self.parts if not part.mask]
        if len(numbers) > 1:
            widths = ", ".join(f"{part.name} {part.width}" for part in numbers)
            found.append(f"The {self.dim} numbers of each token are parted among its inputs in their order: {widths}.")
        found += [
            f"Its input {part.name} takes the rows of {part.rows} positions one after another, and reshapes them."
            for part in self.parts
            if part.rows
        ]
        masks = [part.name for part in self.parts if part.mask]
        if masks:
            found.append(f"Its input {' and '.join(masks)} is True, or 1, at each token.")
        other = [f"{part.name} {part.dtype}" for part in numbers if part.dtype != "float32"]
        if other:
            found.append(f"Embeddings are cast to the type of the input: {', '.join(other)}.")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a tagger.

    Attributes:
        index: of it among the model's outputs.
        flat: whether it is (B, T), one number a token without a last axis.
        notes: how it was chosen, a sentence each.
    """

    index: int
    flat: bool
    notes: tuple[str, ...]


def tagger_inputs(graph: Any) -> Inputs:
    """The inputs of a model, parts of one (B, T, D).

    Args:
        graph: as `keras_graph.functional` gives it.

    Raises ModelError, saying what would help, when some input does not take numbers for each token.
    """
    shapes = [tuple(tensor.shape) for tensor in graph.inputs]
    shown = " and ".join(map(str, shapes)) or "nothing"
    lengths = {shape[1] for shape in shapes if len(shape) == 3}
    masks = mask_inputs(graph)
    parts = []
    for tensor, shape in zip(graph.inputs, shapes, strict=True):
        name = str(tensor._keras_history.operation.name)
        dtype = str(keras.backend.standardize_dtype(tensor.dtype))
        flat = len(shape) == 2
        if name in masks:
            parts.append(Part(name, 0, dtype, True, mask=True))
            continue
        if flat and dtype.startswith(("int", "uint")):
            raise ModelError(
                f"takes token ids in its input {name!r}; save the part behind its Embedding layer, and import the"
                " rows of that layer as the embeddings",
                expected=_TAGGER,
                received=f"an input {shape} {dtype}",
            )
        rows = reshaped_to(graph)
        if rows is not None:
            parts.append(Part(name, rows[1], dtype, False, rows=rows[0]))
            continue
        if flat and len(shapes) == 1 and shape[1] is not None and _gives_rows_of_another_length(graph, shape[1]):
            raise ModelError(
                "takes all numbers of a sentence in one row, and no Reshape layer parts them into tokens; give it an "
                "input (T, D)",
                expected=_TAGGER,
                received=f"an input {shape}",
            )
        # one number a token, unless the axis may be one of features
        if not (len(shape) == 3 or (flat and (len(shapes) == 1 or shape[1] in (lengths or {None})))):
            raise ModelError(
                f"takes no row of numbers for each token in its input {name!r}; give it only inputs (B, T, D), whose"
                " widths add up to the project's",
                expected=_TAGGER,
                received=f"inputs {shown}",
            )
        if shape[-1] is None and not flat and len(shapes) > 1:
            raise ModelError(
                f"does not say how many numbers its input {name!r} takes",
                expected="inputs (None, D) with each D given",
                received=f"inputs {shown}",
            )
        parts.append(Part(name, 1 if flat else shape[2], dtype, flat))
    fixed = {part.rows or shape[1] for part, shape in zip(parts, shapes, strict=True)} - {None}
    sizes = {shape[0] for shape in shapes} - {None}
    if len(fixed) > 1 or len(sizes) > 1 or not parts:
        raise ModelError("has inputs of different lengths", expected=_TAGGER, received=f"inputs {shown}")
    return Inputs(tuple(parts), next(iter(fixed), None), next(iter(sizes), None))


def reshaped_to(graph: Any) -> tuple[int, int] | None:
    """(T, D) of a model whose one input (B, T * D) is only used to be reshaped to (B, T, D); else None."""
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 2 or graph.inputs[0].shape[1] is None:
        return None
    begin = graph.inputs[0]
    users = [
        node.operation
        for nodes in graph._nodes_by_depth.values()
        for node in nodes
        if any(tensor is begin for tensor in node.input_tensors)
    ]
    shapes = {tuple(user.compute_output_shape(begin.shape)[1:]) for user in users if _is_reshape(user)}
    if len(shapes) != 1 or not all(map(_is_reshape, users)):
        return None
    shape = shapes.pop()
    return (int(shape[0]), int(shape[1])) if len(shape) == 2 else None


def _gives_rows_of_another_length(graph: Any, n_positions: int) -> bool:
    shapes = [tuple(tensor.shape) for tensor in graph.outputs]
    return any(len(shape) == 3 and shape[1] not in (None, n_positions) for shape in shapes)


def _is_reshape(operation: Any) -> bool:
    return isinstance(operation, keras.layers.Reshape)


def mask_inputs(graph: Any) -> list[str]:
    """Names of the inputs (B, T) that take a mask: they are bool or named so, and others take embeddings (B, T, D)."""
    if all(len(tensor.shape) != 3 for tensor in graph.inputs):
        return []
    flat = [tensor for tensor in graph.inputs if len(tensor.shape) == 2]
    named = [
        (str(tensor._keras_history.operation.name), keras.backend.standardize_dtype(tensor.dtype)) for tensor in flat
    ]
    return [name for name, dtype in named if dtype == "bool" or "mask" in name.lower()]


def tagger_output(graph: Any, n_positions: int | None) -> Output:
    """The one output of a model that has a row of numbers, or one number, for each position.

    Args:
        graph: as `keras_graph.functional` gives it.
        n_positions: T of its inputs; None for any.

    Raises ModelError, saying what would help, when there is none or more than one.
    """
    shapes = [tuple(tensor.shape) for tensor in graph.outputs]
    names = [str(tensor._keras_history.operation.name) for tensor in graph.outputs]
    shown = " and ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))
    fits = [place for place, shape in enumerate(shapes) if len(shape) == 3 and shape[1] in (None, n_positions)]
    flat = [place for place, shape in enumerate(shapes) if len(shape) == 2 and shape[1] == n_positions]
    found = fits or flat
    if not found and any(len(shape) == 3 for shape in shapes):
        raise ModelError(
            "gives outputs for another number of positions than it takes; let every layer keep it (padding='same')",
            expected=f"(B, {'T' if n_positions is None else n_positions}, C)",
            received=shown,
        )
    if not found:
        raise ModelError(
            "gives no output for each token; the audit works on models of whole sentences, too",
            expected=_TAGGER,
            received=f"outputs {shown}",
        )
    if len(found) > 1:
        raise ModelError(
            "has several outputs for each token; keep one:"
            f" keras.Model(model.inputs, model.outputs[{found[0]}]).save('ONE.keras')",
            expected=_TAGGER,
            received=f"outputs {shown}",
        )
    others = [name for place, name in enumerate(names) if place != found[0]]
    notes = (f"Its output {names[found[0]]} is read, not {', '.join(others)}.",) if others else ()
    return Output(found[0], not fits, notes)


def sentence_output(graph: Any) -> Output:
    """The one output of a sentence classifier, (B, C), of a graph as of `tagger_output`. Raises ModelError."""
    shapes = [tuple(tensor.shape) for tensor in graph.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise ModelError(
            "is no sentence classifier", expected="a model from (B, T, D) to (B, C)", received=f"outputs {shapes}"
        )
    return Output(0, False, ())
