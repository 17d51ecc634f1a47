"""The sentence list as Qt sees it: as many rows as there are sentences, each read when it is painted."""

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from maskscope_gui.session import Session
from maskscope_gui.shown import shown

SENTENCE = Qt.ItemDataRole.UserRole + 1


class SentenceListModel(QAbstractListModel):
    """Rows follow `Session.order`; `SENTENCE` gives the sentence's id."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        session.orderChanged.connect(self._reset)
        session.projectChanged.connect(self._reset)
        session.modelChanged.connect(self._repaint)
        session.edited.connect(self._repaint_sentence)

    def _reset(self) -> None:
        self.beginResetModel()
        self.endResetModel()

    def _repaint(self) -> None:
        if self.rowCount():
            self.dataChanged.emit(self.index(0), self.index(self.rowCount() - 1))

    def _repaint_sentence(self, sentence: int) -> None:
        row = self._session.row if sentence == self._session.sentence else -1
        if row >= 0:
            self.dataChanged.emit(self.index(row), self.index(row))
        else:
            self._repaint()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008
        """How many sentences the list shows."""
        return 0 if parent.isValid() else len(self._session.order)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The text, for screen readers too; the id under `SENTENCE`."""
        if not index.isValid() or index.row() >= len(self._session.order):
            return None
        sentence = int(self._session.order[index.row()])
        if role == SENTENCE:
            return sentence
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return sentence_text(self._session.row_of(sentence).tokens)
        return None


def sentence_text(tokens: tuple[str, ...], most: int = 40) -> str:
    """The start of a sentence on one line."""
    return " ".join(shown(token)[0] for token in tokens[:most])
