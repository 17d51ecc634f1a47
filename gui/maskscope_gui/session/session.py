"""The open project with its model and scores. Cursor, list and edits are objects of their own that the session owns."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from maskscope.engine import packed
from maskscope.errors import MaskscopeError
from maskscope.evaluation.decoding import Decoding, disagreements, predict, violations
from maskscope.project import STATES, ModelRecord, Project, SentenceRow
from maskscope.types import NO_LABEL, Floats, Indices, Labels, Mask, MaskValue, TagScheme
from maskscope_gui.session.cursor import Cursor
from maskscope_gui.session.editing import Editing
from maskscope_gui.session.list_order import ListOrder, SentenceFacts
from maskscope_gui.session.model_values import MOST_LANES, ModelValues, ValueLane

UNCERTAIN_FROM = 0.2
"""A token is uncertain when the model gives all other classes together at least this probability."""
_ROWS_KEPT = 512


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """The sentence on screen, with everything that the views paint of it.

    Attributes:
        row: tokens, gold, edits, review state.
        embeddings: (T, D) float32.
        norms: (T,) Euclidean norm of each embedding.
        mask: (T,) bool, True = real token, as the model's Masking layer sees it.
        probs: (T, C) from the project's scores; None without a scored model.
        inside: (T,) probability of any class but outside; None as `probs`.
        uncertainty: (T,) one minus the largest class probability; None as `probs`.
        predicted: (T,) class ids as the session decodes them, NO_LABEL where the token is masked; None as `probs`.
        argmax: (T,) class ids of each token by itself, NO_LABEL where the token is masked; None as `probs`.
        refused: (T,) bool: True where the span scheme does not allow the argmax; None as `probs`.
        values: (T, C) outputs of a model that gives values and no probabilities; None for any other.
    """

    row: SentenceRow
    embeddings: Floats
    norms: Floats
    mask: Mask
    probs: Floats | None
    inside: Floats | None
    uncertainty: Floats | None
    predicted: Labels | None
    argmax: Labels | None = None
    refused: Mask | None = None
    values: Floats | None = None

    @property
    def length(self) -> int:
        """T, its tokens."""
        return len(self.row.tokens)


class Session(QObject):
    """What is open in a window. Views read it and follow its signals; nothing here paints.

    Attributes:
        project: the open project; None for none.
        model: the model whose scores are shown; None for none.
        tagger: the model in the built-in engine; None when Keras runs it, or without a model.
        scores: (n_tokens, C) probabilities of the model; None before they are computed, and for one that gives values.
        values: what a model gives that predicts no labels; None before they are computed, and for one that does.
        first_output: of a model that gives values, the first output that is shown.
        focus: the sentence on screen; None for none.
        cursor: which sentence is on screen, and which of its tokens are selected.
        list_order: which sentences the list shows, and in which order.
        editing: what changes labels and review states.

    Signals:
        project_changed: another project, or none, is open.
        model_changed: another model, or new scores.
        decoding_changed: predictions are made in another way from the same scores.
        message_requested: (text, kind) one sentence to show; kind is "info" or "error".
    """

    project_changed = Signal()
    model_changed = Signal()
    decoding_changed = Signal()
    message_requested = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.model: ModelRecord | None = None
        self.tagger: packed.PackedTagger | None = None
        self.scores: Floats | None = None
        self.values: ModelValues | None = None
        self.first_output = 0
        self.focus: Focus | None = None
        self.n_models = 0
        self.threshold = 0.5
        self.decoding: Decoding = "viterbi"
        self.shown_class: int | None = None
        self.list_order = ListOrder(self)
        self.cursor = Cursor(self)
        self.editing = Editing(self)
        self._rows: OrderedDict[int, SentenceRow] = OrderedDict()

    # The project

    def open(self, path: Path) -> None:
        """Show a project. Raises ProjectError, and then the one that was open stays open."""
        if self.project is not None and path.resolve() == self.project.path.resolve():
            if not self.project.read_only:
                return
            # The program that had it open for writing may have ended.
            self.close()
        project = Project.open(path)
        self.close()
        self.project = project
        self.list_order.set_facts(_facts(project))
        self.editing.reset()
        self._load_model(None)
        self.list_order.update_sentences()
        self.project_changed.emit()
        self.model_changed.emit()
        self.list_order.changed.emit()

    def close(self) -> None:
        """Close the open project; every edit is on the disk already."""
        if self.project is None:
            return
        self.project.close()
        self.project = self.model = self.tagger = self.scores = self.values = self.focus = None
        self.shown_class = None
        self._rows.clear()
        self.list_order.set_facts(None)
        self.cursor.clear()
        self.editing.reset()
        self.project_changed.emit()

    @property
    def scheme(self) -> TagScheme:
        """The label set of the open project."""
        assert self.project is not None
        return self.project.scheme

    @property
    def writable(self) -> bool:
        """True when edits can be made."""
        return self.project is not None and not self.project.read_only

    # Models and scores

    def use_model(self, model_id: str | None) -> None:
        """Show another model's probabilities; None takes the newest."""
        self._load_model(model_id)
        if self.list_order.sort in ("uncertain", "disagreement") or self.list_order.filter == "collision":
            self.list_order.refresh()
        self._show_changed_model()

    def set_scores(self, model_id: str, probs_nc: Floats) -> None:
        """Show, and where possible save, the probabilities (n_tokens, C) that were computed for a model."""
        if self.project is None or self.model is None or self.model.id != model_id:
            return
        try:
            if self.writable:
                self.project.models.write_scores(model_id, probs_nc)
                self.use_model(model_id)
                return
        except MaskscopeError as error:
            self.message_requested.emit(str(error), "error")
        assert self.list_order.facts is not None
        self._take_scores(self.model, probs_nc)
        if self.scores is not None:
            self.list_order.facts.uncertainty = self.project.models.largest_uncertainties(self.model, self.scores)
        self.list_order.refresh()
        self._show_changed_model()

    def _show_changed_model(self) -> None:
        self.update_focus()
        self.model_changed.emit()
        self.cursor.sentence_changed.emit()

    def _load_model(self, model_id: str | None) -> None:
        facts = self.list_order.facts
        assert self.project is not None
        assert facts is not None
        self.model = self.tagger = self.scores = self.values = None
        self.first_output = 0
        facts.uncertainty = facts.disagreement = None
        try:
            models = self.project.models.all()
            self.n_models = len(models)
            if not models:
                return
            model = self.project.models.get(model_id)
            if model.scheme != self.project.scheme or model.run.dim != self.project.dim:
                text = f"{model.name} ({model.id}) has other labels than this project. Train a new model."
                self.message_requested.emit(text, "error")
                return
            # A model that Keras runs in the worker has no tagger here: its stored scores are shown.
            self.tagger = packed.load(model.weights_file) if model.run.engine == "packed" else None
            self.model = model
            self._take_scores(model, self.project.models.scores(model.id))
            if self.scores is not None:
                facts.uncertainty = self.project.models.uncertainties(model.id)
        except MaskscopeError as error:
            self.message_requested.emit(str(error), "error")
        finally:
            facts.set_collisions(self.project.collisions(self.mask_value))

    def _take_scores(self, model: ModelRecord, scores: Floats | None) -> None:
        self.scores = self.values = None
        if scores is not None and model.gives_values:
            assert self.project is not None
            self.values = ModelValues(model, scores, self.project.embeddings)
        else:
            self.scores = scores

    @property
    def gives_values(self) -> bool:
        """True when the model in use gives values, which predict no labels."""
        return self.model is not None and self.model.gives_values

    @property
    def is_scored(self) -> bool:
        """True when the outputs of the model in use are known for the whole project."""
        return self.scores is not None or self.values is not None

    @property
    def mask_value(self) -> MaskValue | None:
        """Of the model's Masking layer; 0 without a model."""
        return 0.0 if self.model is None else self.model.mask_value

    # Predictions

    @property
    def decodes_spans(self) -> bool:
        """True when the label set is a span scheme, so that decoding makes a difference."""
        return self.project is not None and self.scheme.spans is not None

    def set_decoding(self, decoding: Decoding) -> None:
        """Predict the most likely sequence that the span scheme allows ("viterbi"), or each token by itself."""
        if decoding == self.decoding:
            return
        self.decoding = decoding
        self.list_order.set_disagreement(None)
        self.update_focus()
        self.decoding_changed.emit()

    def uncertain_positions(self, sentence: int) -> Indices:
        """Positions of the uncertain real tokens of a sentence, ascending; none without scores."""
        facts = self.list_order.facts
        if self.project is None or self.scores is None or facts is None or facts.uncertainty is None:
            return np.zeros(0, dtype=np.int64)
        # The largest of the sentence is known, so that most sentences need not be read.
        if facts.uncertainty[sentence] < UNCERTAIN_FROM:
            return np.zeros(0, dtype=np.int64)
        start, end = self.project.offsets[sentence : sentence + 2]
        uncertainty = self.scheme.uncertainty(np.asarray(self.scores[start:end]))
        mask = self.project.mask(sentence, self.mask_value)
        return np.flatnonzero((uncertainty >= UNCERTAIN_FROM) & mask)

    def set_disagreement(self, counts: npt.NDArray[np.int32], edited: frozenset[int] = frozenset()) -> None:
        """Take the number of tokens (n_sentences,) whose label is not the prediction, counted in the background.

        Args:
            counts: one number for each sentence.
            edited: sentences that changed while they were counted; these are counted again.
        """
        facts = self.list_order.facts
        if facts is None:
            return
        facts.disagreement = counts
        for sentence in edited:
            self._count_disagreement(facts, sentence)
        self.list_order.set_disagreement(counts)

    def _count_disagreement(self, facts: SentenceFacts, sentence: int) -> None:
        if facts.disagreement is None or self.scores is None or self.project is None:
            return
        row = self.sentence_row(sentence)
        start, end = self.project.offsets[sentence : sentence + 2]
        mask = self.project.mask(sentence, self.mask_value)
        probs = np.asarray(self.scores[start:end])
        differs = disagreements(self.scheme, row.labels, probs, None, mask, self.decoding, self.threshold)
        facts.disagreement[sentence] = int(differs.sum())

    def _predict(self, probs: Floats, mask: Mask) -> Labels:
        labels = predict(self.scheme, probs, None, mask, self.decoding, self.threshold)
        return np.where(mask, labels, NO_LABEL).astype(np.int16)

    def shown_probability(self, probs: Floats) -> Floats:
        """The probability (T,) that the views colour tokens by: of the chosen class, or of any but outside."""
        if self.shown_class is not None and self.scheme.kind == "multiclass":
            return np.asarray(probs[:, self.shown_class], dtype=np.float32)
        return self.scheme.inside(np.asarray(probs))

    @property
    def shown_name(self) -> str:
        """What the shown probability is of, such as "P(name)"."""
        if self.project is None:
            return "P"
        if self.scheme.kind == "binary":
            return f"P({self.scheme.classes[1]})"
        if self.shown_class is None:
            return "P(any label)"
        return f"P({self.scheme.classes[self.shown_class]})"

    def show_class(self, class_id: int | None) -> None:
        """Colour tokens by the probability of one class; None: of any class but outside."""
        self.shown_class = class_id
        self._show_changed_model()

    def show_output(self, output: int) -> None:
        """Show the values of an output and of those after it."""
        self.first_output = output
        self._show_changed_model()

    def show_next_class(self) -> None:
        """Colour tokens by the next class's probability, after the last class by that of any label.

        Of a model that gives values, show the next outputs.
        """
        if self.gives_values:
            if self.values is not None and not self.values.reconstructs and self.values.n_outputs > MOST_LANES:
                following = self.first_output + MOST_LANES
                self.show_output(following if following < self.values.n_outputs else 0)
        elif self.scheme.kind == "multiclass":
            following = 0 if self.shown_class is None else self.shown_class + 1
            self.show_class(following if following < len(self.scheme.classes) else None)

    # Sentences

    def sentence_row(self, sentence: int) -> SentenceRow:
        """Tokens, labels and review state of a sentence; the last few hundred that were read are kept."""
        assert self.project is not None
        row = self._rows.get(sentence)
        if row is None:
            row = self.project.sentence(sentence)
            self._rows[sentence] = row
            if len(self._rows) > _ROWS_KEPT:
                self._rows.popitem(last=False)
        else:
            self._rows.move_to_end(sentence)
        return row

    def reload_sentence(self, sentence: int) -> None:
        """Read a sentence again after its labels or review state changed."""
        facts = self.list_order.facts
        assert facts is not None
        self._rows.pop(sentence, None)
        row = self.sentence_row(sentence)
        facts.states[sentence] = STATES.index(row.state)
        facts.edited[sentence] = bool(row.edited.any())
        self._count_disagreement(facts, sentence)
        if sentence == self.cursor.sentence:
            self.update_focus()

    def inside_of(self, sentence: int) -> Floats | None:
        """Probability (T,) of any class but outside (or of the class that is shown); None without scores."""
        if self.scores is None or self.project is None:
            return None
        start, end = self.project.offsets[sentence : sentence + 2]
        return self.shown_probability(self.scores[start:end])

    def first_lane_of(self, sentence: int) -> ValueLane | None:
        """Of a model that gives values, the first of the shown lanes for a sentence; None for any other model."""
        if self.values is None or self.project is None:
            return None
        start, end = self.project.offsets[sentence : sentence + 2]
        return self.values.first_lane(slice(int(start), int(end)), self.first_output)

    def mask_of(self, sentence: int) -> Mask | None:
        """The model's mask (T,) of a sentence, True = real token; None while no project is open."""
        return None if self.project is None else self.project.mask(sentence, self.mask_value)

    def update_focus(self) -> None:
        """Compute `focus` again for the sentence of the cursor."""
        sentence = self.cursor.sentence
        if self.project is None or sentence < 0:
            self.focus = None
            return
        # Converted to float32 once, for the norms and for what the PADDING panel computes.
        embeddings: Floats = self.project.rows(sentence).astype(np.float32)
        norms = np.sqrt(np.einsum("td,td->t", embeddings, embeddings))
        mask = self.project.mask(sentence, self.mask_value)
        probs = inside = uncertainty = predicted = argmax = refused = values = None
        start, end = self.project.offsets[sentence : sentence + 2]
        if self.values is not None:
            values = np.asarray(self.values.outputs[start:end])
        if self.scores is not None:
            probs = np.asarray(self.scores[start:end])
            inside = self.shown_probability(probs)
            uncertainty = np.where(mask, self.scheme.uncertainty(probs), 0).astype(np.float32)
            argmax = np.where(mask, self.scheme.predicted(probs, self.threshold), NO_LABEL).astype(np.int16)
            predicted = self._predict(probs, mask)
            refused = violations(argmax, self.scheme, np.array([0, len(argmax)], dtype=np.int64))
        row = self.sentence_row(sentence)
        self.focus = Focus(row, embeddings, norms, mask, probs, inside, uncertainty, predicted, argmax, refused, values)


def _facts(project: Project) -> SentenceFacts:
    edited = np.zeros(project.n_sentences, dtype=np.bool_)
    edited[project.edited_sentences()] = True
    return SentenceFacts(np.diff(project.offsets), project.states(), edited, np.zeros_like(edited))
