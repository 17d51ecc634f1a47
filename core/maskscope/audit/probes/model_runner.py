"""The audited model in graph mode and inference: what it gives for a batch, and how much rounding changes that."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from maskscope.audit.probes.context import AuditContext
from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights, perturbed_biases
from maskscope.audit.probes.unrunnable import Unrunnable, run_model
from maskscope.keras_io.compiled import Head, head_of
from maskscope.types import Floats


class ModelRunner:
    """Runs the model of a context. Whatever the model raises becomes Unrunnable.

    A sentence classifier, from (B, T, D) to (B, C), counts as a model that gives its one output at each position.

    Attributes:
        context: what is audited.
        model: the context's, with one tensor as its output.
        weights: the weights that the model has now; `with_weights` changes them for a while.
        n_sentences: B of the model's input; None when B is free, as in all copies.
        n_positions: T of the model's input; None when T is free.
        dim: D of the model's input.
    """

    def __init__(self, context: AuditContext) -> None:
        from maskscope.keras_io import keras_graph

        model = keras_graph.of_one_output(context.model)
        if model is None:
            raise Unrunnable(
                "The model has several outputs, and the checks need a model with one; make a model for each output: "
                "keras.Model(model.input, model.outputs[0])."
            )
        self.context, self.model = context, model
        self.weights: Weights = "as given"
        self._unpadded: dict[tuple[Weights, int], Floats] = {}
        shape = context.input_shape
        if not isinstance(shape, tuple) or len(shape) != 3 or not all(isinstance(size, int | None) for size in shape):
            raise Unrunnable(f"The model takes inputs of shape {shape}, not one padded batch (B, T, D).")
        self.n_sentences: int | None = shape[0]
        self.n_positions: int | None = shape[1]
        self.dim = int(context.dim or shape[2] or 1)

    @contextmanager
    def with_weights(self, weights: Weights) -> Iterator[None]:
        """Inside the block the model has these weights."""
        with nullcontext() if weights == "as given" else perturbed_biases(self.model):
            self.weights = weights
            try:
                yield
            finally:
                self.weights = "as given"

    def forget_outputs(self) -> None:
        """Forget what was computed with the model's weights, which have been replaced; functions stay traced."""
        self._unpadded.clear()
        self.__dict__.pop("tolerance", None)

    def outputs(self, x_btd: Floats) -> Floats:
        """The model's outputs for x (B, T, D): (B, T, C) float32. Raises Unrunnable for outputs of another shape."""
        return self.per_position(x_btd, run_model(lambda: self._forward(x_btd)))

    def per_position(self, x_btd: Floats, outputs: npt.ArrayLike) -> Floats:
        """Outputs for x (B, T, D) as (B, T, C) float32; raises Unrunnable unless there is one vector a position."""
        found: Floats = np.asarray(outputs, dtype=np.float32)
        if self.per_sentence and found.ndim == 2 and len(found) == len(x_btd):
            return np.repeat(found[:, None], x_btd.shape[1], axis=1)
        if found.ndim != 3 or found.shape[:2] != x_btd.shape[:2]:
            raise Unrunnable(
                f"The model's output has shape {found.shape} for an input of {x_btd.shape}: not one prediction per "
                "position, so positions can't be compared."
            )
        return found

    @cached_property
    def per_sentence(self) -> bool:
        """Whether the model is a sentence classifier: it gives (B, C), whatever the number of positions."""
        from maskscope.keras_io import keras_graph

        graph = keras_graph.functional(self.model)
        if graph is not None:
            shape = tuple(graph.outputs[0].shape)
            return len(shape) == 2 and shape[1] not in (None, self.n_positions)
        if self.n_positions is not None or not self.context.sample:
            return False
        tokens = self.context.data.rows(self.context.sample[0])
        sizes = {self.raw_outputs(np.resize(tokens, (2, length, tokens.shape[1]))).shape for length in (4, 5)}
        return len(sizes) == 1 and len(next(iter(sizes))) == 2

    @property
    def input_spec(self) -> Any:
        """Of x (B, T, D), for a tf.function."""
        import tensorflow as tf

        return tf.TensorSpec((self.n_sentences, self.n_positions, self.dim), tf.float32)

    @property
    def place(self) -> str:
        """For a message: "a real token", or "a sentence" for a sentence classifier."""
        return "a sentence" if self.per_sentence else "a real token"

    @property
    def places(self) -> str:
        """For a message: "real tokens", or "sentences"."""
        return "sentences" if self.per_sentence else "real tokens"

    def raw_outputs(self, x_btd: Floats) -> Floats:
        """The model's outputs, whatever their shape."""
        return np.asarray(run_model(lambda: self._forward(x_btd)), dtype=np.float32)

    def eager_outputs(self, x_btd: Floats) -> Floats:
        """The model's outputs in eager mode, whatever their shape."""
        import tensorflow as tf

        return np.asarray(run_model(lambda: self.model(tf.constant(x_btd), training=False)), dtype=np.float32)

    def unpadded_outputs(self, sentence: int) -> Floats:
        """The model's outputs (T, C) float32 for a sentence without padding, with the weights as they are now.

        Sentences of the sample with equal length are run together; the outputs are kept. Raises Unrunnable when they
        are not finite.
        """
        key = (self.weights, sentence)
        if key not in self._unpadded:
            lengths = self.context.data.lengths
            same = [each for each in self.context.sample if lengths[each] == lengths[sentence]]
            together = same if sentence in same else [sentence]
            x_btd = np.stack([self.context.data.rows(each) for each in together])
            for each, own in zip(together, _finite(self.outputs(x_btd)), strict=True):
                self._unpadded[(self.weights, each)] = own
        return self._unpadded[key]

    @cached_property
    def tolerance(self) -> float:
        """Largest change of an output that rounding explains: the context's, or what rounding is measured to do.

        The context's is for a probability; it is multiplied by the largest output where that exceeds 1. A matrix
        product may be rounded differently in a batch of another size. So a sentence without padding is run alone and
        with copies of itself, where nothing but rounding can differ; four times that difference is allowed, if it is
        more. With the weights as given and with perturbed biases. Raises Unrunnable when the outputs are not finite.
        """
        rounding, size = 0.0, 1.0
        lengths = self.context.data.lengths
        for weights in WEIGHTS:
            with self.with_weights(weights):
                for sentence in sorted(self.context.sample, key=lambda each: int(lengths[each]))[-2:]:
                    rows = self.context.data.rows(sentence)
                    if self.n_positions is not None and len(rows) != self.n_positions:
                        continue
                    alone = _finite(self.outputs(rows[None]))
                    size = max(size, float(np.abs(alone).max(initial=0.0)))
                    for copies in (2, 7, 32):
                        change = np.abs(self.outputs(np.repeat(rows[None], copies, axis=0)) - alone)
                        rounding = max(rounding, float(np.nanmax(change, initial=0.0)))
        if self.context.half:
            # numbers in 16 bits are equally far apart between two powers of 2; the tolerance is that step below 1
            size = float(np.exp2(np.ceil(np.log2(size))))
        return max(self.context.tolerance * size, 4 * rounding)

    def require_free_length(self) -> None:
        """Raise Unrunnable for a model of fixed length: no position can be added or removed."""
        if self.n_positions is not None:
            raise Unrunnable(f"The model takes exactly {self.n_positions} positions, so none can be added or removed.")

    @cached_property
    def head(self) -> Head:
        """Activation of the output layer."""
        from maskscope.keras_io.last_activation import last_activation

        return head_of(last_activation(self.model), self._short_outputs)

    @property
    def n_outputs(self) -> int:
        """C: numbers that the model gives for each position."""
        return int(self._short_outputs.shape[2])

    @property
    def output_name(self) -> str:
        """Word for one output at one position: "probability", or "output" where it is none."""
        return "output" if self.head == "linear" else "probability"

    @cached_property
    def _forward(self) -> Any:
        from maskscope.keras_io import keras_model

        return keras_model.inference_function(self.model, self.dim, self.n_positions, self.n_sentences)

    @cached_property
    def _short_outputs(self) -> Floats:
        """The outputs (1, T, C) for one sentence, cut to 8 tokens or padded to the model's fixed length."""
        if not self.context.sample:
            raise Unrunnable("There is no sentence with a token to run the model on.")
        rows = self.context.data.rows(self.context.sample[0])
        if self.n_positions is None:
            return self.outputs(rows[None, :8])
        rows = rows[: self.n_positions]
        return self.outputs(self.context.padding.add(rows[None], self.n_positions - len(rows)))


def _finite(outputs: Floats) -> Floats:
    if not np.isfinite(outputs).all():
        raise Unrunnable(
            "The model's output is NaN or infinite for a sentence without any padding, so padding is not the cause."
        )
    return outputs
