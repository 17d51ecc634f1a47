"""Every action of the window in one table: its text, its keys, its menu."""

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from maskscope_gui.page_table import PAGES


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table.

    Attributes:
        id: how code names it.
        text: what the menu and the key overlay show.
        keys: shortcuts in Qt's portable form; the first is the one that the window shows.
        menu: the menu it is in.
        group: a change of group draws a line in the menu.
        help: one sentence for the tooltip.
        checkable: True when the menu shows whether it is on.
        repeats: True when holding the key down repeats it. Holding the key of "accept" must accept one sentence only.
        needs_project: True when it is disabled while no project is open.
    """

    id: str
    text: str
    keys: tuple[str, ...]
    menu: str
    group: int
    help: str = ""
    checkable: bool = False
    repeats: bool = False
    needs_project: bool = True


_FILE = (
    Action(
        "import",
        "Import…",
        ("Ctrl+I",),
        "File",
        0,
        "Read sentences and embeddings into a new project.",
        needs_project=False,
    ),
    Action("open", "Open project…", ("Ctrl+O",), "File", 0, "Open a project folder.", needs_project=False),
    Action(
        "open_model", "Open model…", ("Ctrl+Shift+O",), "File", 0, "Label this project with a model from a .keras file."
    ),
    Action(
        "open_model_with_options",
        "Open model with options…",
        ("Ctrl+Alt+O",),
        "File",
        0,
        "See what a .keras file is, and choose what its outputs are, before it labels this project.",
    ),
    Action(
        "open_demo",
        "Open the demo",
        (),
        "File",
        0,
        "Sample sentences and a trained tagger to try.",
        needs_project=False,
    ),
    Action("export", "Export…", ("Ctrl+E",), "File", 1, "Write tokens and labels to a file."),
    Action("save_picture", "Save picture…", ("Ctrl+Shift+S",), "File", 1, "Write the picture of the model to a file."),
    Action("save_report", "Save audit report…", ("Ctrl+Shift+E",), "File", 1, "Write the audit report to a web page."),
    Action("project_info", "About this project", (), "File", 1, "What was imported, and the import notes."),
    Action("quit", "Quit", ("Ctrl+Q",), "File", 2, needs_project=False),
)
_EDIT = (
    Action("undo", "Undo", ("Ctrl+Z",), "Edit", 0, "Undo the last edit, in whichever sentence it was.", repeats=True),
    Action("redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "Edit", 0, "Redo what was undone.", repeats=True),
    Action("last_edit", "Go to the last edit", ("Ctrl+L",), "Edit", 0, "Show the sentence that was changed last."),
    Action("toggle", "Toggle the label", ("Space",), "Edit", 1, "Clear the label, or set the predicted one."),
    Action("clear", "Clear the label", ("0", "Backspace"), "Edit", 1, "Label the selected tokens as outside."),
    Action("ignore", "Ignore the token", ("-",), "Edit", 1, "Leave the selected tokens out of training and scores."),
    Action(
        "revert",
        "Restore the original label",
        ("Delete",),
        "Edit",
        1,
        "Remove the edit, so that the imported label counts again.",
    ),
    Action(
        "use_predictions", "Use the model's labels", ("A",), "Edit", 1, "Label this sentence as the model predicts it."
    ),
    Action(
        "label_by_name", "Label by name…", ("Ctrl+J",), "Edit", 1, "Choose the label by typing the start of its name."
    ),
    Action("grow", "Grow the selection", ("Shift+Right",), "Edit", 2, repeats=True),
    Action("shrink", "Shrink the selection", ("Shift+Left",), "Edit", 2, repeats=True),
    Action("select_all", "Select the whole sentence", ("Ctrl+A",), "Edit", 2),
)
_REVIEW = (
    Action(
        "accept",
        "Accept and next",
        ("Return", "Enter"),
        "Review",
        0,
        "Mark this sentence as right and show the next. Tokens without a label take the prediction.",
    ),
    Action(
        "flag", "Flag", ("F",), "Review", 0, "Mark this sentence to come back to it; the same key removes the mark."
    ),
    Action(
        "next_uncertain",
        "Next uncertain token",
        ("Tab",),
        "Review",
        1,
        "Go to the next token that the model is unsure of.",
        repeats=True,
    ),
    Action("previous_uncertain", "Previous uncertain token", ("Shift+Tab", "Backtab"), "Review", 1, repeats=True),
    Action(
        "next_collision", "Next collision", ("Z",), "Review", 1, "Go to the next real token that is masked as padding."
    ),
)
_GO = (
    Action("left", "Token to the left", ("Left",), "Go", 0, repeats=True),
    Action("right", "Token to the right", ("Right",), "Go", 0, repeats=True),
    Action("up", "Sentence above", ("Up",), "Go", 0, repeats=True),
    Action("down", "Sentence below", ("Down",), "Go", 0, repeats=True),
    Action("home", "First token", ("Home",), "Go", 1),
    Action("end", "Last token, at the padding edge", ("End",), "Go", 1),
    Action("page_up", "One screen up in the list", ("PgUp",), "Go", 1, repeats=True),
    Action("page_down", "One screen down in the list", ("PgDown",), "Go", 1, repeats=True),
    Action("first_sentence", "First sentence of the list", ("Ctrl+Home",), "Go", 1),
    Action("last_sentence", "Last sentence of the list", ("Ctrl+End",), "Go", 1),
    Action("find", "Find tokens, labels", ("Ctrl+F", "/"), "Go", 2, "List the sentences with a text or a label."),
)
_PADDING = (
    Action("pad_more", "Add one padding position", ("]",), "Padding", 0, repeats=True),
    Action("pad_less", "Remove one padding position", ("[",), "Padding", 0, repeats=True),
    Action("pad_more10", "Add ten padding positions", ("}",), "Padding", 0, repeats=True),
    Action("pad_less10", "Remove ten padding positions", ("{",), "Padding", 0, repeats=True),
    Action(
        "fill",
        "Change padding content",
        ("X",),
        "Padding",
        1,
        "Fill padding with zeros, noise or the previous sentence.",
    ),
    Action("mask_source", "Next mask source", ("M",), "Padding", 1, "The model, the lengths, or no mask."),
    Action("mask_token", "Mask this token", ("K",), "Padding", 1, "Mask a real token and see what changes."),
    Action("unmask_all", "Reset mask", ("Shift+K",), "Padding", 1, "Mask no real token by hand."),
)
_MODEL = (
    Action("train", "Train…", ("Ctrl+T",), "Model", 0, "Train a tagger on the labels as they are now."),
    Action(
        "reopen_model",
        "Open again with options…",
        ("Ctrl+Alt+M",),
        "Model",
        0,
        "Choose anew what the outputs of the model in use are; it is added as another model.",
    ),
    Action("next_model", "Next model", ("Ctrl+M",), "Model", 0, "Show the next of the project's models."),
    Action("audit", "Audit the padding", ("Ctrl+P",), "Model", 0, "Check whether the model ignores padding."),
    Action(
        "repair_model",
        "Save repaired model…",
        ("Ctrl+Shift+M",),
        "Model",
        0,
        "Make the mechanical repairs that the audit asks for, in a new file, and audit that.",
    ),
    Action("recompute", "Evaluate or audit again", ("Ctrl+R",), "Model", 1, "Compute again what the page shows."),
    Action("eval_subset", "Validation sentences / all sentences", ("Ctrl+H",), "Model", 1),
    Action("eval_against", "Compare with: edited / original", ("Ctrl+G",), "Model", 1),
    Action(
        "list_found", "Show in sentence list", ("Ctrl+Shift+L",), "Model", 1, "List only the sentences of these tokens."
    ),
)
_VIEW = (
    *(Action(page.action_id, page.title, (page.key,), "View", 0, page.help, checkable=True) for page in PAGES),
    Action("toggle_batch", "Batch panel", ("Ctrl+B",), "View", 1, checkable=True, needs_project=False),
    Action("batch_order", "Change batch order", ("Ctrl+Shift+B",), "View", 1, "Longest first, or as in the list."),
    Action(
        "shown_class",
        "Show next probability",
        ("P",),
        "View",
        1,
        "The probability of any label, or of one class after another.",
    ),
    Action(
        "decode",
        "Decode spans",
        ("Ctrl+D",),
        "View",
        1,
        "Predict the most likely sequence that the span scheme allows, instead of each token by itself.",
        checkable=True,
    ),
    Action(
        "side_tab",
        "Switch side tab",
        ("F6",),
        "View",
        1,
        "In a narrow window: sentences, or labels and padding.",
        needs_project=False,
    ),
    Action(
        "sort", "Change list order", ("S",), "View", 1, "Most uncertain, reading order, longest, most disagreement."
    ),
    Action("filter", "Change list filter", ("V",), "View", 1, "All, not reviewed, accepted, flagged, edited."),
    Action(
        "dismiss",
        "Dismiss",
        ("Esc",),
        "View",
        2,
        "Close the message, leave the text field, stop the work, or go back to the sentence.",
        needs_project=False,
    ),
    Action("use_system_theme", "Use system theme", (), "View", 3, checkable=True, needs_project=False),
    Action("light", "Light", (), "View", 3, checkable=True, needs_project=False),
    Action("dark", "Dark", (), "View", 3, checkable=True, needs_project=False),
)
_HELP = (
    Action("keys", "Keys", ("?", "F1"), "Help", 0, "Every key, on one page.", needs_project=False),
    Action("about", "About Maskscope", (), "Help", 0, needs_project=False),
)
ACTIONS: tuple[Action, ...] = (*_FILE, *_EDIT, *_REVIEW, *_GO, *_PADDING, *_MODEL, *_VIEW, *_HELP)

MENUS = ("File", "Edit", "Review", "Go", "Padding", "Model", "View", "Help")

LABEL_KEYS = "123456789bcdeghijlnoqrtuwy"
"""Keys for labels, in order: digits, then the letters that no action has."""


def key_text(keys: str) -> str:
    """A shortcut as this system writes it."""
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText).replace("Return", "Enter")


def key_of_action(action_id: str) -> str:
    """The key to show next to a control that does the same as an action; "" when it has none."""
    keys = by_id()[action_id].keys
    return key_text(keys[0]) if keys else ""


def by_id() -> Mapping[str, Action]:
    """The table by id."""
    return _BY_ID


_BY_ID = {action.id: action for action in ACTIONS}


def make_actions(owner: QWidget) -> dict[str, QAction]:
    """QActions for the whole table; they work wherever the focus is in `owner`'s window."""
    made = {}
    for row in ACTIONS:
        action = QAction(row.text, owner)
        action.setShortcuts([QKeySequence(keys) for keys in row.keys])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setCheckable(row.checkable)
        action.setAutoRepeat(row.repeats)
        action.setToolTip(row.help or row.text)
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
