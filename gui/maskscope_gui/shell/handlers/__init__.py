"""What the actions do, by topic. Each topic gives a dict of action id and function; `connect_actions` joins them."""

from collections.abc import Callable, Mapping

from PySide6.QtGui import QAction

Handlers = dict[str, Callable[[], object]]


def connect_actions(actions: Mapping[str, QAction], topics: list[Handlers]) -> None:
    """Connect each action to its handler.

    Raises ValueError when an action has no handler, or several, or when a handler has no action.
    """
    handlers: Handlers = {}
    for topic in topics:
        twice = sorted(handlers.keys() & topic.keys())
        if twice:
            raise ValueError(f"actions with more than one handler: {', '.join(twice)}")
        handlers |= topic
    if handlers.keys() != actions.keys():
        missing, unknown = sorted(actions.keys() - handlers.keys()), sorted(handlers.keys() - actions.keys())
        raise ValueError(f"actions without a handler: {missing}; handlers without an action: {unknown}")
    for action_id, action in actions.items():
        # The signal's argument, whether the action is checked, is no argument of a handler.
        action.triggered.connect(lambda _=False, handle=handlers[action_id]: handle())
