"""The loss that the audited model is trained with, or the one assumed for it."""

from functools import cached_property
from typing import Any, Literal

from maskscope.audit.probes.labels import LabelKind
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.keras_io.compiled import ASSUMED


class ModelLoss:
    """The loss of a model: its own, or what its output layer suggests when it has none that can be loaded."""

    def __init__(self, runner: ModelRunner) -> None:
        self._runner = runner
        compiled = runner.context.compiled
        self._own: Any = None if compiled is None else compiled.loss

    @property
    def assumed(self) -> bool:
        """Whether the model was compiled with no loss, or with one that can't be loaded."""
        return self._own is None

    @property
    def divides_by_positions(self) -> bool:
        """Whether Keras divides the sum of the losses by the number of positions, not by their sample weights."""
        name = getattr(self.function, "reduction", "sum_over_batch_size")
        return name in ("sum_over_batch_size", "mean")

    @property
    def own_code(self) -> bool:
        """Whether the loss is the user's own code, which may reduce to a mean by itself."""
        where = getattr(self._own, "__module__", None) or type(self._own).__module__
        return self._own is not None and not isinstance(self._own, str) and not str(where).startswith("keras.")

    @property
    def description(self) -> str:
        """Name of the loss, such as "binary cross-entropy"."""
        if self._own is None:
            return ASSUMED[self._runner.head][1]
        own = self._own
        return str(own) if isinstance(own, str) else str(getattr(own, "name", getattr(own, "__name__", "a loss")))

    @property
    def remark(self) -> str:
        """For a message: "" for the model's own loss, else which one was assumed, and why."""
        if not self.assumed:
            return ""
        compiled = self._runner.context.compiled
        if compiled is not None and compiled.unknown_loss:
            own = f"the model's own loss, {compiled.unknown[0]!r}, is code that is not in the file"
            return f" (assumed: {self.description}, since {own})"
        return f" (assumed: {self.description}, since the model was saved without its loss)"

    @cached_property
    def function(self) -> Any:
        """The loss as an object of Keras, or as the user's function."""
        import keras

        if self._own is None:
            sparse = "Sparse" if self.label_kind == "class numbers" else ""
            return getattr(keras.losses, sparse + ASSUMED[self._runner.head][0])()
        return keras.losses.get(self._own) if isinstance(self._own, str) else self._own

    @property
    def reduction(self) -> Literal["mean", "sum", "other"]:
        """How the loss reduces the losses of the positions that count."""
        name = getattr(self.function, "reduction", "sum_over_batch_size")
        if name in ("sum_over_batch_size", "mean", "mean_with_sample_weight"):
            return "mean"
        return "sum" if name == "sum" else "other"

    @property
    def ignore_class(self) -> int | None:
        """The class number whose labels the loss leaves out; None for none."""
        return getattr(self.function, "ignore_class", None)

    @property
    def label_kind(self) -> LabelKind:
        """The labels that the loss takes."""
        own = self._own
        name = own if isinstance(own, str) else getattr(own, "name", None) or getattr(own, "__name__", "")
        name = str(name).lower()
        if "sparse" in name or (self._own is None and self._runner.head == "softmax" and self._given_class_numbers):
            return "class numbers"
        if self._runner.head == "linear" and "entropy" not in name and "hinge" not in name:
            return "values"
        return "one-hot" if self._runner.head == "softmax" or "categorical" in name else "binary"

    @property
    def _given_class_numbers(self) -> bool:
        """Whether labels were given as one number each, for a model with several outputs."""
        given = self._runner.context.data.labels
        if given is None or self._runner.n_outputs == 1:
            return False
        axes = given.shape[1 if self._runner.per_sentence else 2 :]
        return axes in ((), (1,))
