"""Every action of the window in one table: its words, its keys, its menu."""

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table.

    Attributes:
        id: how code names it.
        text: what the menu and the key overlay say.
        keys: shortcuts in Qt's portable form; the first is the one printed.
        menu: the menu it stands in; "" for none.
        group: a change of group draws a line in the menu.
        help: one sentence for the tooltip and the overlay.
    """

    id: str
    text: str
    keys: tuple[str, ...] = ()
    menu: str = ""
    group: int = 0
    help: str = ""
    checkable: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("import", "Import…", ("Ctrl+I",), "File", 0, "Read sentences and embeddings into a new project."),
    Action("open", "Open project…", ("Ctrl+O",), "File", 0, "Open a project folder."),
    Action(
        "open_model",
        "Open model…",
        ("Ctrl+Shift+O",),
        "File",
        0,
        "Tag this project with a model made elsewhere, from its .keras file.",
    ),
    Action("open_demo", "Open the demo", (), "File", 0, "Sentences of ours with a trained tagger, to try things on."),
    Action("export", "Export…", ("Ctrl+E",), "File", 1, "Write tokens and labels to a file."),
    Action("save_picture", "Save picture…", ("Ctrl+Shift+S",), "File", 1, "Write the picture of the model to a file."),
    Action(
        "save_report", "Save audit report…", ("Ctrl+Shift+E",), "File", 1, "Write what the audit found to a web page."
    ),
    Action("project_info", "About this project", (), "File", 1, "What was imported, and what the import had to say."),
    Action("quit", "Quit", ("Ctrl+Q",), "File", 2),
    Action("undo", "Undo", ("Ctrl+Z",), "Edit", 0, "Take back the last edit, in whichever sentence it was."),
    Action("redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "Edit", 0, "Do again what was undone."),
    Action("last_edit", "Go to the last edit", ("Ctrl+L",), "Edit", 0, "Show the sentence that was changed last."),
    Action("toggle", "Toggle the label", ("Space",), "Edit", 1, "Set the first label, or clear the label there is."),
    Action("clear", "Clear the label", ("0", "Backspace"), "Edit", 1, "Say that the selected tokens are outside."),
    Action("ignore", "Ignore the token", ("-",), "Edit", 1, "It counts neither in training nor in scores."),
    Action(
        "revert", "Return to gold", ("Delete",), "Edit", 1, "Take a person's edit off; the gold label stands again."
    ),
    Action("accept_predictions", "Accept the predictions", ("A",), "Edit", 1, "Label this sentence as the model does."),
    Action(
        "label_by_name", "Label by name…", ("Ctrl+J",), "Edit", 1, "Choose the label by typing the start of its name."
    ),
    Action("grow", "Grow the selection", ("Shift+Right",), "Edit", 2),
    Action("shrink", "Shrink the selection", ("Shift+Left",), "Edit", 2),
    Action("select_all", "Select the whole sentence", ("Ctrl+A",), "Edit", 2),
    Action(
        "accept",
        "Accept and next",
        ("Return", "Enter"),
        "Review",
        0,
        "This sentence is right: mark it and go on. Tokens without any label take the prediction.",
    ),
    Action("flag", "Flag", ("F",), "Review", 0, "Mark this sentence to come back to; again takes it off."),
    Action("next_doubtful", "Next doubtful token", ("Tab",), "Review", 1, "The next token the model is unsure of."),
    Action("previous_doubtful", "Previous doubtful token", ("Shift+Tab", "Backtab"), "Review", 1),
    Action("next_collision", "Next collision", ("Z",), "Review", 1, "The next real token that is masked as padding."),
    Action("left", "Token to the left", ("Left",), "Go", 0),
    Action("right", "Token to the right", ("Right",), "Go", 0),
    Action("up", "Sentence above", ("Up",), "Go", 0),
    Action("down", "Sentence below", ("Down",), "Go", 0),
    Action("home", "First token", ("Home",), "Go", 1),
    Action("end", "Last token, at the padding edge", ("End",), "Go", 1),
    Action("page_up", "A page up", ("PgUp",), "Go", 1),
    Action("page_down", "A page down", ("PgDown",), "Go", 1),
    Action("first_sentence", "First sentence of the list", ("Ctrl+Home",), "Go", 1),
    Action("last_sentence", "Last sentence of the list", ("Ctrl+End",), "Go", 1),
    Action("find", "Find tokens, labels", ("Ctrl+F", "/"), "Go", 2, "Show the sentences that hold a text or a label."),
    Action("pad_more", "One padded position more", ("]",), "Padding", 0),
    Action("pad_less", "One padded position less", ("[",), "Padding", 0),
    Action("pad_more10", "Ten padded positions more", ("}",), "Padding", 0),
    Action("pad_less10", "Ten padded positions less", ("{",), "Padding", 0),
    Action("fill", "Next fill", ("X",), "Padding", 1, "Fill padding with zeros, noise or the previous sentence."),
    Action("mask_from", "Next source of the mask", ("M",), "Padding", 1, "The model, lengths, or no mask."),
    Action("mask_token", "Mask this token", ("K",), "Padding", 1, "Mask a real token and see what moves."),
    Action("unmask_all", "Mask as the source says again", ("Shift+K",), "Padding", 1),
    Action("train", "Train…", ("Ctrl+T",), "Model", 0, "Train a tagger on the labels as they are now."),
    Action("next_model", "Next model", ("Ctrl+M",), "Model", 0, "Show the next of the project's models."),
    Action("audit", "Audit the padding", ("Ctrl+P",), "Model", 0, "Prove, with the checks, that padding is ignored."),
    Action(
        "repair_model",
        "Save repaired model…",
        ("Ctrl+Shift+M",),
        "Model",
        0,
        "Make the mechanical repairs that the audit asks for, in a new file, and audit that.",
    ),
    Action("recompute", "Evaluate or audit again", ("Ctrl+R",), "Model", 1, "What the page shows, as of now."),
    Action("eval_subset", "Held-back sentences, or all", ("Ctrl+H",), "Model", 1),
    Action("eval_against", "Against edited labels, or gold", ("Ctrl+G",), "Model", 1),
    Action("list_found", "List the tokens' sentences", ("Ctrl+Shift+L",), "Model", 1, "In the list at the left."),
    Action("page_sentence", "Sentence", ("Ctrl+1",), "View", 0, "Tracks and batch of the sentence.", checkable=True),
    Action("page_evaluation", "Evaluation", ("Ctrl+2",), "View", 0, "What the model is worth.", checkable=True),
    Action("page_models", "Models", ("Ctrl+3",), "View", 0, "All models, and how two differ.", checkable=True),
    Action("page_picture", "Picture", ("Ctrl+4",), "View", 0, "Its layers, and the mask between.", checkable=True),
    Action("page_audit", "Audit", ("Ctrl+5",), "View", 0, "Whether padding is ignored.", checkable=True),
    Action("follow_system", "Light or dark as the system", (), "View", 3, checkable=True),
    Action("light", "Light", (), "View", 3, checkable=True),
    Action("dark", "Dark", (), "View", 3, checkable=True),
    Action("toggle_batch", "Batch panel", ("Ctrl+B",), "View", 1, checkable=True),
    Action("batch_order", "Next order of the batch", ("Ctrl+Shift+B",), "View", 1, "Longest first, or as listed."),
    Action("shown_class", "Next probability shown", ("P",), "View", 1, "Of any label, or of one class after another."),
    Action(
        "decode",
        "Decode spans",
        ("Ctrl+D",),
        "View",
        1,
        "Predict the likeliest sequence that the span scheme allows; else each token by itself.",
        checkable=True,
    ),
    Action("side_tab", "Other tab, when narrow", ("F6",), "View", 1, "Change the tab of the left column."),
    Action("dismiss", "Message away; to the sentence", ("Esc",), "View", 2),
    Action("sort", "Next order of the list", ("S",), "View", 1, "Most uncertain, reading order, longest, differing."),
    Action("filter", "Next filter of the list", ("V",), "View", 1, "All, not reviewed, accepted, flagged, edited."),
    Action("keys", "Keys", ("?", "F1"), "Help", 0, "Every key, on one page."),
    Action("about", "About Maskscope", (), "Help", 0),
)

MENUS = ("File", "Edit", "Review", "Go", "Padding", "Model", "View", "Help")

LABEL_KEYS = "123456789bcdeghijlnoqrtuwy"
"""Keys for labels, in order: digits, then the letters that no action has."""


def key_text(keys: str) -> str:
    """A shortcut as the system writes it."""
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText).replace("Return", "Enter")


def printed_key(action_id: str) -> str:
    """The key to print beside what the action does; "" when it has none."""
    keys = by_id()[action_id].keys
    return key_text(keys[0]) if keys else ""


def by_id() -> Mapping[str, Action]:
    """The table by id."""
    return _BY_ID


_BY_ID = {action.id: action for action in ACTIONS}


# A finger that rests on any other key must not accept one sentence after another.
_REPEATED = frozenset(
    {"left", "right", "up", "down", "page_up", "page_down", "grow", "shrink", "undo", "redo", "next_doubtful"}
    | {"previous_doubtful", "pad_more", "pad_less", "pad_more10", "pad_less10"}
)


def make_actions(owner: QWidget) -> dict[str, QAction]:
    """QActions for the whole table; they work wherever the focus is in `owner`'s window."""
    made = {}
    for row in ACTIONS:
        action = QAction(row.text, owner)
        action.setShortcuts([QKeySequence(keys) for keys in row.keys])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setCheckable(row.checkable)
        action.setAutoRepeat(row.id in _REPEATED)
        action.setToolTip(f"{row.help or row.text}")
        action.setMenuRole(QAction.MenuRole.NoRole)
        if row.id == "quit":
            action.setMenuRole(QAction.MenuRole.QuitRole)
        action.setObjectName(row.id)
        owner.addAction(action)
        made[row.id] = action
    return made


def fill_menus(bar: QMenuBar, actions: Mapping[str, QAction]) -> dict[str, QMenu]:
    """The menu bar, from the table."""
    menus = {}
    for title in MENUS:
        menu = bar.addMenu(f"&{title}")
        menu.setObjectName(f"menu_{title.lower()}")
        group = 0
        for row in ACTIONS:
            if row.menu != title:
                continue
            if row.group != group:
                menu.addSeparator()
                group = row.group
            menu.addAction(actions[row.id])
        menus[title] = menu
    return menus
