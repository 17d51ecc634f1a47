"""Actions of the padding experiment."""

from functools import partial

from maskscope_gui.background.padding_experiment import MASK_SOURCES, PaddingExperiment
from maskscope_gui.session.session import Session
from maskscope_gui.shell.handlers import Handlers


class PaddingHandlers:
    """Changes the padding of the sentence on screen: how much, with what, under which mask."""

    def __init__(self, session: Session, experiment: PaddingExperiment) -> None:
        self._session, self._experiment = session, experiment

    def handlers(self) -> Handlers:
        """By action id."""
        return {
            "pad_more": partial(self._add, 1),
            "pad_less": partial(self._add, -1),
            "pad_more10": partial(self._add, 10),
            "pad_less10": partial(self._add, -10),
            "fill": self._next_fill,
            "mask_source": self._next_mask_source,
            "mask_token": lambda: self._experiment.toggle_masked(self._session.cursor.position),
            "unmask_all": self._experiment.unmask_all,
        }

    def _add(self, positions: int) -> None:
        self._experiment.set_added(self._experiment.settings.added + positions)

    def _next_fill(self) -> None:
        fills = self._experiment.fills
        self._experiment.set_fill(fills[(fills.index(self._experiment.settings.fill) + 1) % len(fills)])

    def _next_mask_source(self) -> None:
        sources = list(MASK_SOURCES)
        here = sources.index(self._experiment.settings.mask_source)
        self._experiment.set_mask_source(sources[(here + 1) % len(sources)])
