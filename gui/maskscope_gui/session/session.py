"""The open project, the one cursor and selection, the scores: the one source of signals for every view."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from maskscope.engine import packed
from maskscope.errors import MaskscopeError
from maskscope.evaluation.decoding import Decoding, predict, violations
from maskscope.project import STATES, Edit, ModelRecord, Project, ReviewState, SentenceRow
from maskscope.types import NO_EDIT, NO_LABEL, Floats, Indices, Labels, Mask, TagScheme
from maskscope_gui.session.order import FILTERS, SORTS, Facts, Filter, Sort

DOUBTFUL = 0.2
"""A token is doubtful when the model gives all other classes together at least this probability."""
_ROWS_KEPT = 512


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """The sentence on screen, with all that the views paint of it.

    Attributes:
        row: tokens, gold, edits, review state.
        embeddings: (T, D) float32.
        norms: (T,) Euclidean norm of each embedding.
        mask: (T,) bool, True = real token, as the model's Masking layer sees it.
        probs: (T, C) from the project's scores; None without a scored model.
        inside: (T,) probability of any class but outside; None as `probs`.
        doubt: (T,) one minus the largest class probability; None as `probs`.
        predicted: (T,) class ids as the session decodes them, NO_LABEL where the token is masked; None as `probs`.
        argmax: (T,) class ids of each token by itself, NO_LABEL where the token is masked; None as `probs`.
        refused: (T,) bool: True where the span scheme does not allow the argmax where it stands; None as `probs`.
    """

    row: SentenceRow
    embeddings: Floats
    norms: Floats
    mask: Mask
    probs: Floats | None
    inside: Floats | None
    doubt: Floats | None
    predicted: Labels | None
    argmax: Labels | None = None
    refused: Mask | None = None

    @property
    def length(self) -> int:
        """T, its tokens."""
        return len(self.row.tokens)


class Session(QObject):
    """See the module. Nothing here paints, nothing in a view computes.

    Signals:
        projectChanged: another project, or none, is open.
        modelChanged: another model, or new scores.
        decodingChanged: predictions are made otherwise from the same scores.
        disagreementWanted: the list is to be ordered by disagreement, which has yet to be counted over the corpus.
        orderChanged: the list shows other sentences, or in another order.
        sentenceChanged: another sentence is on screen.
        cursorChanged: the cursor or the selection moved within it.
        searchLifted: the list is no longer restricted to what a search found.
        edited: (sentence) its labels or review state changed.
        said: (text, kind) one sentence for the status line; kind is "info" or "error".
    """

    projectChanged = Signal()
    modelChanged = Signal()
    decodingChanged = Signal()
    disagreementWanted = Signal()
    orderChanged = Signal()
    sentenceChanged = Signal()
    cursorChanged = Signal()
    edited = Signal(int)
    searchLifted = Signal()
    said = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.model: ModelRecord | None = None
        self.tagger: packed.PackedTagger | None = None
        self.scores: Floats | None = None
        self.facts: Facts | None = None
        self.sort: Sort = "uncertain"
        self.filter: Filter = "all"
        self.found: Indices | None = None
        self.search = ""
        self.order: Indices = np.zeros(0, dtype=np.int64)
        self.row = -1
        self.sentence = -1
        self.cursor = 0
        self.anchor = 0
        self.focus: Focus | None = None
        self.saved_at: float | None = None
        self.n_models = 0
        self.threshold = 0.5
        self.decoding: Decoding = "viterbi"
        self.labels_version = 0
        self.shown_class: int | None = None
        self._rows: OrderedDict[int, SentenceRow] = OrderedDict()
        self._place: Indices = np.zeros(0, dtype=np.int64)
        self._last_label: int | None = None

    # The project

    def open(self, path: Path) -> None:
        """Show a project. Raises ProjectError, and then the one that was open stays open."""
        if self.project is not None and path.resolve() == self.project.path.resolve():
            if not self.project.read_only:
                return
            # The one that had it open may have gone.
            self.close()
        project = Project.open(path)
        self.close()
        self.project = project
        collides = np.zeros(project.n_sentences, dtype=np.bool_)
        collisions = project.collisions()
        collides[collisions[:, 0]] = True
        edited = np.zeros(project.n_sentences, dtype=np.bool_)
        edited[project.edited_sentences()] = True
        self.facts = Facts(np.diff(project.offsets), project.states(), edited, collides, len(collisions))
        last = project.edits.last()
        self.saved_at = last.at if last else None
        self.filter, self.found, self.search = "all", None, ""
        self._pick_model(None)
        self._sort_list()
        self.projectChanged.emit()
        self.modelChanged.emit()
        self.orderChanged.emit()
        self._show(int(self.order[0]) if len(self.order) else -1, 0)

    def close(self) -> None:
        """Close the project that is open; every edit is on the disk already."""
        if self.project is None:
            return
        self.project.close()
        self.project = self.model = self.tagger = self.scores = self.facts = self.focus = None
        self.order = np.zeros(0, dtype=np.int64)
        self.row = self.sentence = -1
        self.cursor = self.anchor = 0
        self.shown_class = None
        self._last_label = None
        self._rows.clear()
        self.projectChanged.emit()

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
        self._pick_model(model_id)
        if self.sort in ("uncertain", "disagreement"):
            self._sort_list()
            self.orderChanged.emit()
        self._refresh_focus()
        self.modelChanged.emit()
        self.sentenceChanged.emit()

    def take_scores(self, model_id: str, probs_nc: Floats) -> None:
        """Show, and where possible keep, the probabilities (n_tokens, C) that were computed for a model."""
        if self.project is None or self.model is None or self.model.id != model_id:
            return
        try:
            if self.writable:
                self.project.models.write_scores(model_id, probs_nc)
                self.use_model(model_id)
                return
        except MaskscopeError as error:
            self.said.emit(str(error), "error")
        assert self.facts is not None
        self.scores = probs_nc
        self.facts.doubt = self.project.models.largest_uncertainties(self.model, probs_nc)
        self._refresh_focus()
        self._reorder()
        self.modelChanged.emit()
        self.sentenceChanged.emit()

    def _pick_model(self, model_id: str | None) -> None:
        assert self.project is not None
        assert self.facts is not None
        self.model = self.tagger = self.scores = None
        self.facts.doubt = self.facts.disagreement = None
        try:
            models = self.project.models.all()
            self.n_models = len(models)
            if not models:
                return
            model = self.project.models.get(model_id)
            if model.scheme != self.project.scheme or model.run.dim != self.project.dim:
                self.said.emit(
                    f"{model.name} ({model.id}) has other labels than this project; train a new one.", "error"
                )
                return
            # A model that Keras runs, in the worker, has no tagger here: its stored scores are what is shown.
            self.tagger = packed.load(model.weights_file) if model.run.engine == "packed" else None
            self.model = model
            self.scores = self.project.models.scores(model.id)
            if self.scores is not None:
                self.facts.doubt = self.project.models.uncertainties(model.id)
        except MaskscopeError as error:
            self.said.emit(str(error), "error")

    @property
    def mask_value(self) -> float | None:
        """Of the model's Masking layer; 0 while there is no model."""
        return 0.0 if self.model is None else self.model.mask_value

    # The list

    def set_sort(self, sort: Sort) -> None:
        """Order the list otherwise; the sentence on screen stays."""
        self.sort = sort
        self._reorder()

    def set_filter(self, wanted: Filter) -> None:
        """Show only some sentences; the one on screen stays while it is among them."""
        self.filter = wanted
        self._reorder()

    def set_found(self, text: str, found: Indices | None) -> None:
        """Restrict the list to the sentences `found` for `text`; None lifts it."""
        self.search, self.found = text, found
        if found is None:
            self.searchLifted.emit()
        self._reorder()

    def _reorder(self) -> None:
        if self.project is None:
            return
        self._sort_list()
        self.orderChanged.emit()
        if self.row < 0 and len(self.order):
            self._show(int(self.order[0]), 0)

    def _sort_list(self) -> None:
        assert self.project is not None
        assert self.facts is not None
        if self.sort == "disagreement" and self.facts.disagreement is None:
            # Counted over the corpus beside the window; until then the list is in reading order.
            self.disagreementWanted.emit()
        self.order = self.facts.order(self.sort, self.filter, self.found)
        self._place = np.full(self.project.n_sentences, -1, dtype=np.int64)
        self._place[self.order] = np.arange(len(self.order))
        self.row = int(self._place[self.sentence]) if self.sentence >= 0 else -1

    def take_disagreement(self, counts: npt.NDArray[np.int32], edited: frozenset[int] = frozenset()) -> None:
        """Order by the tokens (n_sentences,) whose label is not the prediction, as they were counted beside the window.

        Args:
            counts: one number for each sentence.
            edited: sentences that changed while they were counted; these are counted again.
        """
        if self.facts is None:
            return
        self.facts.disagreement = counts
        for sentence in edited:
            self._recount(sentence, self.row_of(sentence))
        if self.sort == "disagreement":
            self._reorder()

    @property
    def decodes_spans(self) -> bool:
        """True when the label set is a span scheme, so that decoding makes a difference."""
        return self.project is not None and self.scheme.spans is not None

    def set_decoding(self, decoding: Decoding) -> None:
        """Make predictions from the likeliest sequence that the span scheme allows, or from each token by itself."""
        if decoding == self.decoding:
            return
        self.decoding = decoding
        if self.facts is not None:
            self.facts.disagreement = None
            if self.sort == "disagreement":
                self.disagreementWanted.emit()
        self._refresh_focus()
        self.decodingChanged.emit()

    def row_of(self, sentence: int) -> SentenceRow:
        """A sentence, from the few hundred that are kept."""
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

    def inside_of(self, sentence: int) -> Floats | None:
        """Probability (T,) of any class but outside (or of the class that is shown); None without scores."""
        if self.scores is None or self.project is None:
            return None
        start, end = self.project.offsets[sentence : sentence + 2]
        return self.shown_probability(self.scores[start:end])

    def mask_of(self, sentence: int) -> Mask | None:
        """The model's mask (T,) of a sentence, True = real token; None while no project is open."""
        return None if self.project is None else self.project.mask(sentence, self.mask_value)

    def shown_probability(self, probs: Floats) -> Floats:
        """The probability (T,) that the views tint by: of the chosen class, or of any but outside."""
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

    def show_class(self, place: int | None) -> None:
        """Tint by one class's probability; None: by that of any class but outside."""
        self.shown_class = place
        self._refresh_focus()
        self.modelChanged.emit()
        self.sentenceChanged.emit()

    # Cursor and selection

    def select(self, sentence: int, position: int = 0) -> None:
        """Show a sentence, with the cursor at `position`."""
        if self.project is None or not 0 <= sentence < self.project.n_sentences:
            return
        if sentence != self.sentence:
            self._show(sentence, position)
        else:
            self.move_cursor(position)

    def select_row(self, row: int) -> None:
        """Show the sentence in a row of the list."""
        if len(self.order):
            self.select(int(self.order[min(max(row, 0), len(self.order) - 1)]))

    def reveal(self, sentence: int, position: int = 0) -> None:
        """As `select`, lifting filter and search when they would hide the sentence."""
        if self.project is not None and self._place[sentence] < 0:
            self.filter, self.found, self.search = "all", None, ""
            self.searchLifted.emit()
            self._sort_list()
            self.orderChanged.emit()
        self.select(sentence, position)

    def move_cursor(self, position: int, *, extend: bool = False) -> None:
        """Put the cursor on a token; `extend` keeps the other end of the selection."""
        if self.focus is None or self.focus.length == 0:
            return
        position = min(max(position, 0), self.focus.length - 1)
        anchor = self.anchor if extend else position
        if (position, anchor) != (self.cursor, self.anchor):
            self.cursor, self.anchor = position, anchor
            self.cursorChanged.emit()

    def select_span(self, first: int, last: int) -> None:
        """Select tokens `first` to `last`, the cursor on `last`."""
        self.move_cursor(first)
        self.move_cursor(last, extend=True)

    @property
    def span(self) -> tuple[int, int]:
        """First and last selected position."""
        return min(self.cursor, self.anchor), max(self.cursor, self.anchor)

    def _show(self, sentence: int, position: int) -> None:
        self.sentence = sentence
        self.row = int(self._place[sentence]) if sentence >= 0 else -1
        self._refresh_focus()
        length = self.focus.length if self.focus else 0
        self.cursor = self.anchor = min(max(position, 0), max(length - 1, 0))
        self.sentenceChanged.emit()

    def _refresh_focus(self) -> None:
        if self.project is None or self.sentence < 0:
            self.focus = None
            return
        row = self.row_of(self.sentence)
        start, end = self.project.offsets[self.sentence : self.sentence + 2]
        # Widened once, for the norms and for what the PADDING panel computes.
        embeddings: Floats = self.project.rows(self.sentence).astype(np.float32)
        norms = np.sqrt(np.einsum("td,td->t", embeddings, embeddings))
        mask = self.project.mask(self.sentence, self.mask_value)
        probs = inside = doubt = predicted = argmax = refused = None
        if self.scores is not None:
            probs = np.asarray(self.scores[start:end])
            inside = self.shown_probability(probs)
            doubt = np.where(mask, self.scheme.uncertainty(probs), 0).astype(np.float32)
            argmax = np.where(mask, self.scheme.predicted(probs, self.threshold), NO_LABEL).astype(np.int16)
            predicted = self._decoded(probs, mask)
            refused = violations(argmax, self.scheme, np.array([0, len(argmax)], dtype=np.int64))
        self.focus = Focus(row, embeddings, norms, mask, probs, inside, doubt, predicted, argmax, refused)

    def _decoded(self, probs: Floats, mask: Mask) -> Labels:
        labels = predict(self.scheme, probs, None, mask, self.decoding, self.threshold)
        return np.where(mask, labels, NO_LABEL).astype(np.int16)

    def doubtful_after(self, sentence: int, position: int, step: int) -> tuple[int, int] | None:
        """The next doubtful token from a place, along the list; None when there is none."""
        if self.scores is None or self.facts is None or self.facts.doubt is None or self.project is None:
            return None
        row = int(self._place[sentence])
        while 0 <= row < len(self.order):
            here = int(self.order[row])
            if self.facts.doubt[here] >= DOUBTFUL:
                start, end = self.project.offsets[here : here + 2]
                doubt = self.scheme.uncertainty(np.asarray(self.scores[start:end]))
                mask = self.project.mask(here, self.mask_value)
                places = np.flatnonzero((doubt >= DOUBTFUL) & mask)
                if here == sentence:
                    places = places[places > position] if step > 0 else places[places < position]
                if len(places):
                    return here, int(places[0 if step > 0 else -1])
            row += step
        return None

    def step_doubtful(self, step: int) -> None:
        """Go to the next (+1) or previous (-1) doubtful token along the list."""
        if self.scores is None:
            self.said.emit("There is no model to be in doubt yet: train one first (Ctrl+T).", "info")
            return
        place = self.doubtful_after(self.sentence, self.cursor, step)
        if place is None:
            where = "further down" if step > 0 else "further up"
            self.said.emit(f"No doubtful token {where} this list.", "info")
            return
        self.select(*place)

    def step_collision(self) -> None:
        """Go to the next collision in reading order, from the start again after the last."""
        if self.project is None:
            return
        places = [(int(s), int(p)) for s, p in self.project.collisions()]
        if not places:
            self.said.emit("No real token of this project has an embedding of zeros.", "info")
            return
        here = (self.sentence, self.cursor)
        self.reveal(*next((place for place in places if place > here), places[0]))

    # Edits

    def set_label(self, label: int) -> None:
        """Label the selected tokens; a label that gold has already takes the edit off.

        Where classes follow a span scheme, a class that begins a span makes one of several selected tokens.
        """
        if self.focus is None or self.focus.length == 0:
            return
        first, last = self.span
        gold = self.focus.row.gold[first : last + 1]
        labels = self.scheme.span(label, last - first + 1)
        new = np.where(gold == labels, NO_EDIT, labels).astype(np.int16)
        if label != self.scheme.outside:
            self._last_label = label
        self._relabel(first, new, f"{self._words(first, last)} → {self.scheme.classes[label]}")

    def ignore(self) -> None:
        """Say that the selected tokens count neither in training nor in scores."""
        if self.focus is None or self.focus.length == 0:
            return
        first, last = self.span
        self._relabel(first, np.full(last - first + 1, NO_LABEL, dtype=np.int16), f"{self._words(first, last)} ignored")

    def clear_label(self) -> None:
        """Say that the selected tokens are outside."""
        if self.project is not None:
            self.set_label(self.scheme.outside)

    def revert_label(self) -> None:
        """Take edits off the selected tokens: gold stands again."""
        if self.focus is None or self.focus.length == 0:
            return
        first, last = self.span
        self._relabel(first, np.full(last - first + 1, NO_EDIT, dtype=np.int16), f"{self._words(first, last)} → gold")

    def toggle_label(self) -> None:
        """Clear the selected tokens when all carry a label; else set what the model says, or the label last used."""
        if self.focus is None or self.focus.length == 0:
            return
        first, last = self.span
        outside = self.scheme.outside
        labels = self.focus.row.labels[first : last + 1]
        if ((labels != outside) & (labels != NO_LABEL)).all():
            self.set_label(outside)
            return
        predicted = NO_LABEL if self.focus.predicted is None else int(self.focus.predicted[self.cursor])
        fallback = self._last_label if self._last_label is not None else (1 if outside == 0 else 0)
        self.set_label(predicted if predicted not in (NO_LABEL, outside) else fallback)

    def accept_predictions(self) -> None:
        """Label the sentence as the model does; masked tokens, which have no prediction, and ignored ones stay."""
        if self.focus is None:
            return
        if self.focus.predicted is None:
            self.said.emit("There are no predictions to accept yet: train a model first (Ctrl+T).", "info")
            return
        self._relabel(
            0,
            self._as_predicted(self.focus.mask & ~self.focus.row.ignored),
            f"sentence {self.sentence}: predictions accepted",
        )

    def accept(self) -> None:
        """The sentence is right: mark it accepted, with predictions where it had no label at all; show the next."""
        if self.focus is None:
            return
        state: ReviewState = "accepted"
        if self.focus.predicted is not None:
            bare = (self.focus.row.labels == NO_LABEL) & self.focus.mask & ~self.focus.row.ignored
            new = self._as_predicted(bare)
        else:
            new = self.focus.row.edits
        if self._relabel(0, new, f"sentence {self.sentence} accepted", state):
            self.next_in_queue()

    def next_in_queue(self) -> None:
        """Show the next sentence of the list, passing over those a filter for unreviewed ones has done with."""
        assert self.facts is not None
        row = self.row + 1
        while row < len(self.order) and self.filter == "unreviewed" and self.facts.states[self.order[row]] != 0:
            row += 1
        if row < len(self.order):
            self.select_row(row)
        else:
            self.said.emit("That was the last sentence of this list.", "info")

    def toggle_flag(self) -> None:
        """Flag the sentence, or take the flag off."""
        if self.focus is None:
            return
        off = self.focus.row.state == "flagged"
        words = f"sentence {self.sentence} {'no longer flagged' if off else 'flagged'}"
        self._relabel(0, self.focus.row.edits, words, "unreviewed" if off else "flagged")

    def undo(self) -> None:
        """Take the last edit back and show where it was."""
        self._travel("undo")

    def redo(self) -> None:
        """Do the last undone edit again and show where it is."""
        self._travel("redo")

    def show_last_edit(self) -> None:
        """Go to what was changed last."""
        edit = self.project.edits.last() if self.project else None
        if edit is None:
            self.said.emit("Nothing has been edited yet.", "info")
        else:
            self._go_to(edit)

    def _as_predicted(self, where: Mask) -> Labels:
        assert self.focus is not None
        assert self.focus.predicted is not None
        row = self.focus.row
        taken = np.where(self.focus.predicted == row.gold, NO_EDIT, self.focus.predicted)
        return np.where(where, taken, row.edits).astype(np.int16)

    def _words(self, first: int, last: int) -> str:
        assert self.focus is not None
        words = " ".join(self.focus.row.tokens[first : last + 1]) or f"token {first}"
        return words if len(words) <= 28 else words[:27] + "…"

    def _relabel(self, first: int, new: Labels | Sequence[int], title: str, state: ReviewState | None = None) -> bool:
        assert self.project is not None
        try:
            edit = self.project.edits.relabel(self.sentence, first, new, title, state)
        except MaskscopeError as error:
            self.said.emit(str(error), "error")
            return False
        if edit is not None:
            self._take_in(edit)
        return True

    def _travel(self, op: str) -> None:
        if self.project is None:
            return
        try:
            edit = self.project.edits.undo() if op == "undo" else self.project.edits.redo()
        except MaskscopeError as error:
            self.said.emit(str(error), "error")
            return
        if edit is None:
            self.said.emit(f"There is nothing to {op}.", "info")
            return
        self._take_in(edit)
        self._go_to(edit)

    def _go_to(self, edit: Edit) -> None:
        labels = [change for change in edit.changes if change.field == "labels"]
        change = (labels or edit.changes)[0]
        moved = np.flatnonzero(change.old != change.new) if labels else np.zeros(1, dtype=np.int64)
        self.reveal(change.sentence, change.first + int(moved[0]) if labels else 0)
        if labels and len(moved) == moved[-1] - moved[0] + 1:
            self.select_span(change.first + int(moved[0]), change.first + int(moved[-1]))

    def _take_in(self, edit: Edit) -> None:
        assert self.project is not None
        assert self.facts is not None
        self.saved_at = edit.at
        self.labels_version += any(change.field == "labels" for change in edit.changes)
        for sentence in {change.sentence for change in edit.changes}:
            self._rows.pop(sentence, None)
            row = self.row_of(sentence)
            self.facts.states[sentence] = STATES.index(row.state)
            self.facts.edited[sentence] = bool(row.edited.any())
            self._recount(sentence, row)
            if sentence == self.sentence:
                self._refresh_focus()
            self.edited.emit(sentence)

    def _recount(self, sentence: int, row: SentenceRow) -> None:
        """Keep up the count of an edited sentence: no other has changed."""
        if self.facts is None or self.facts.disagreement is None or self.scores is None or self.project is None:
            return
        start, end = self.project.offsets[sentence : sentence + 2]
        mask = self.mask_of(sentence)
        real = np.ones(len(row.tokens), dtype=np.bool_) if mask is None else mask
        predicted = self._decoded(np.asarray(self.scores[start:end]), real)
        differs = real & (row.labels != predicted) & (row.labels != NO_LABEL)
        self.facts.disagreement[sentence] = int(differs.sum())


def next_sort(sort: Sort) -> Sort:
    """The order after `sort`, round and round."""
    sorts = list(SORTS)
    return sorts[(sorts.index(sort) + 1) % len(sorts)]


def next_filter(wanted: Filter) -> Filter:
    """The filter after `wanted`, round and round."""
    filters = list(FILTERS)
    return filters[(filters.index(wanted) + 1) % len(filters)]
