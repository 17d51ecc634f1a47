"""A Keras model made ready to score sentences of any length. Importing it imports TensorFlow."""

from pathlib import Path

import numpy as np

from maskscope.errors import ModelError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io import keras_model
from maskscope.keras_io.any_length import ModelCopy, any_length, attempt, fixed_length, stepped_length
from maskscope.keras_io.keras_graph import functional
from maskscope.keras_io.keras_model import KerasModel
from maskscope.keras_io.last_activation import last_activation
from maskscope.keras_io.masking_input import embeddings_mask_value, mask_function
from maskscope.masks import mask_value_notes
from maskscope.padding import Padding, padded_with
from maskscope.types import Embeddings, Floats, Indices, Mask, MaskValue, Offsets

_SCORE_TOKENS = 4096


class KerasTagger:
    """Runs a Keras model on sentences of any length, each as if it were alone and unpadded.

    A model whose layers need exactly T positions gets each sentence padded to T, and its real positions are read; one
    whose layers need an even number, or the like, gets as few padded positions as it needs.

    Attributes:
        model: as given.
        ready: the model that is run: one input (B, T, D) and one output (B, T, C).
        dim: D; None for any.
        n_outputs: C.
        activation: of the last layer, by its Keras name; None when it can't be read.
        n_positions: T when sentences must be padded to T; None for any length.
        step: sentences are padded to a number of positions that it divides; 1 for no padding.
        mask_value: of a Masking layer that reads the embeddings themselves; None for none.
        notes: what is done to run the model, a sentence each.
    """

    def __init__(self, model: KerasModel, padding: Padding | None = None) -> None:
        """Make a model in memory ready; the model itself stays as it is.

        Args:
            model: a Functional or Sequential one.
            padding: what padded positions hold; None for the mask value, or 0 for a model without one.

        Raises ModelError, saying what would help, when the model gives no output for each token.
        """
        self.model = model
        copy = _ready(model)
        self.ready: KerasModel = copy.model
        self.dim = copy.dim
        self.n_positions = copy.n_positions
        self.step = copy.step
        self.n_outputs = copy.n_outputs
        self.activation = last_activation(self.ready)
        self.mask_value: MaskValue | None = embeddings_mask_value(self.ready)
        self._padding = padding
        self._run = copy.predict
        self._compute_mask = mask_function(self.ready, self.dim, self.n_positions)
        self.notes = (*copy.notes, *self._notes_on_padding())

    @classmethod
    def load(cls, file: Path, padding: Padding | None = None) -> "KerasTagger":
        """A model from a `.keras` file, inspected and loaded without running any code of it.

        Raises ModelError, naming the file, when it is refused or gives no output for each token.
        """
        model = keras_model.load(file)
        try:
            return cls(model, padding)
        except ModelError as error:
            raise error.in_file(file) from error

    @property
    def pads(self) -> bool:
        """Whether sentences may have to be padded."""
        return self.n_positions is not None or self.step > 1

    def padding(self, dim: int) -> Padding:
        """What a sentence of `dim` numbers a token is padded with."""
        return padded_with(self._padding, self.mask_value, dim)

    def predict(self, x_btd: Floats) -> Floats:
        """Raw outputs (B, T, C) float32 of sentences (B, T, D) float32 without padding, any B and T.

        Raises ModelError when the model can't be run on them, as on more than `n_positions`.
        """
        n_sentences, n_tokens, dim = x_btd.shape
        if self.dim not in (None, dim):
            raise ModelError(
                "the model does not fit the embeddings",
                expected=f"{self.dim} numbers a token",
                received=f"{dim}",
            )
        if not n_sentences or not n_tokens:
            return np.zeros((n_sentences, n_tokens, self.n_outputs), dtype=np.float32)
        padded, begin = self._padded(x_btd, self._n_padded(n_tokens))
        return self._checked(padded)[:, begin : begin + n_tokens]

    def compute_mask(self, x_btd: Floats) -> Mask | None:
        """The mask (B, T), True = real token, of the model's first Masking layer; None for a model without one."""
        if self._compute_mask is None:
            return None
        n_tokens = x_btd.shape[1]
        padded, begin = self._padded(x_btd, self._n_padded(n_tokens))
        return self._compute_mask(padded)[:, begin : begin + n_tokens]

    def score(self, embeddings: Embeddings, offsets: Offsets, job: Job | None = None) -> Floats:
        """Raw outputs (n, C) float32, in batches of sentences of equal length.

        So the result for each sentence is that of the model on this sentence alone.

        Args:
            embeddings: (n, D) float16 or float32.
            offsets: (n_sentences + 1,).
            job: gets the number of tokens done.

        Raises:
            ModelError: the model does not fit the embeddings, or a sentence is longer than `n_positions`.
            Cancelled: the job was cancelled.
        """
        return self._score(embeddings, offsets, None, job)

    def score_with_padding(
        self, embeddings: Embeddings, offsets: Offsets, job: Job | None = None
    ) -> tuple[Floats, Floats]:
        """As `score`, and the raw output at a padded position of each sentence (n_sentences, C) float32.

        That is the position next to the sentence on the side of its padding, in a second run. NaN where a sentence has
        `n_positions` tokens, so that no position is padded.
        """
        padding_sc: Floats = np.full((len(offsets) - 1, self.n_outputs), np.nan, dtype=np.float32)
        outputs_nc = self._score(embeddings, offsets, padding_sc, job)
        empty = np.diff(offsets) == 0
        if empty.any():
            padding_sc[empty] = self._at_padding(np.zeros((1, 0, embeddings.shape[1]), dtype=np.float32))[0]
        return outputs_nc, padding_sc

    def _score(self, embeddings: Embeddings, offsets: Offsets, padding_sc: Floats | None, job: Job | None) -> Floats:
        """Raw outputs (n, C); the outputs at padding are written to `padding_sc`, where it is given."""
        job = NullJob() if job is None else job
        lengths = np.diff(offsets).astype(np.int64)
        self._check_lengths(lengths)
        outputs_nc: Floats = np.zeros((int(offsets[-1]), self.n_outputs), dtype=np.float32)
        done = 0
        job.progress(0, len(outputs_nc), "tokens")
        for ids in _batches_of_equal_length(lengths, self.n_positions):
            x_btd: Floats = np.stack([embeddings[offsets[i] : offsets[i + 1]] for i in ids]).astype(np.float32)
            for row, i in zip(self.predict(x_btd), ids, strict=True):
                outputs_nc[offsets[i] : offsets[i + 1]] = row
            if padding_sc is not None:
                padding_sc[ids] = self._at_padding(x_btd)
            done += x_btd.shape[0] * x_btd.shape[1]
            job.progress(done, len(outputs_nc), "tokens")
        return outputs_nc

    def _at_padding(self, x_btd: Floats) -> Floats:
        """Raw outputs (B, C) at the padded position next to each sentence (B, T, D); NaN where there is none."""
        n_tokens = x_btd.shape[1]
        if n_tokens == self.n_positions:
            return np.full((len(x_btd), self.n_outputs), np.nan, dtype=np.float32)
        padded, begin = self._padded(x_btd, self._n_padded(n_tokens + 1) + 1)
        return self._checked(padded)[:, begin - 1 if begin else n_tokens]

    def _n_padded(self, n_tokens: int) -> int:
        """How many positions must be added to a sentence. Raises ModelError for one that is too long."""
        self._check_length(n_tokens)
        return (-n_tokens % self.step) if self.n_positions is None else self.n_positions - n_tokens

    def _padded(self, x_btd: Floats, added: int) -> tuple[Floats, int]:
        """Sentences (B, T + added, D), and the position where their tokens begin."""
        padding = self.padding(x_btd.shape[2])
        return padding.add(x_btd, added), added if padding.side == "front" else 0

    def _checked(self, x_btd: Floats) -> Floats:
        output: Floats = attempt(lambda: self._run(x_btd))
        expected = (*x_btd.shape[:2], self.n_outputs)
        if output.shape != expected:
            raise ModelError(
                "the model does not give one output a position", expected=str(expected), received=str(output.shape)
            )
        return output

    def _check_length(self, n_tokens: int, sentence: int | None = None, more: str = "") -> None:
        if self.n_positions is not None and n_tokens > self.n_positions:
            raise ModelError(
                f"is longer than the model takes{more}; split it, or build the model for more positions",
                sentence=sentence,
                expected=f"at most {self.n_positions} tokens",
                received=f"{n_tokens}",
            )

    def _check_lengths(self, lengths: Indices) -> None:
        if self.n_positions is None or not (lengths > self.n_positions).any():
            return
        longer = np.flatnonzero(lengths > self.n_positions)
        more = f", as {len(longer) - 1} more are" if len(longer) > 1 else ""
        self._check_length(int(lengths[longer[0]]), int(longer[0]), more)

    def _notes_on_padding(self) -> tuple[str, ...]:
        found: list[str] = []
        if self.mask_value is not None:
            found += mask_value_notes(self.mask_value)
        if self.n_positions is not None:
            found.append(
                f"Its layers need exactly {self.n_positions} positions: each sentence is padded"
                f" {self._padding_words()}; longer ones can't be scored."
            )
        if self.step > 1:
            found.append(
                f"Its layers need a number of positions that {self.step} divides: other sentences are padded"
                f" {self._padding_words()}."
            )
        return tuple(found)

    def _padding_words(self) -> str:
        padding = self.padding(self.dim or 1)
        known = {"assumed": " (assumed, as nothing says what it was padded with)", "mask value": " (its mask value)"}
        side = "behind" if padding.side == "back" else "in front"
        return f"{side} with {padding.text}{known.get(padding.origin, '')}"


def _ready(model: KerasModel) -> ModelCopy:
    """A copy for any length, or else for the lengths that the layers need."""
    try:
        return any_length(model)
    except ModelError as error:
        graph = functional(model)
        if graph is None:
            raise
        fixed = any(len(tensor.shape) > 1 and tensor.shape[1] is not None for tensor in graph.inputs)
        try:
            return fixed_length(model) if fixed else stepped_length(model)
        except ModelError as other:
            raise (other if fixed else error) from error


def _batches_of_equal_length(lengths: Indices, n_positions: int | None) -> list[Indices]:
    """Ids of the sentences that have tokens, in batches of about `_SCORE_TOKENS` positions."""
    ids = np.flatnonzero(lengths)
    ordered = ids[np.argsort(lengths[ids], kind="stable")]
    batches: list[Indices] = []
    for same in np.split(ordered, np.flatnonzero(np.diff(lengths[ordered])) + 1):
        if len(same):
            at_once = max(1, _SCORE_TOKENS // (n_positions or int(lengths[same[0]])))
            batches += [same[begin : begin + at_once] for begin in range(0, len(same), at_once)]
    return batches
