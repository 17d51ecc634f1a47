"""The pages of the window in one table. It imports no Qt, so that the command line can name the pages, too."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageRow:
    """One row of the table.

    Attributes:
        name: how code, settings and the command line name the page.
        title: what its tab and the View menu show.
        key: the shortcut that shows it, in Qt's portable form.
        help: one sentence for the tooltip.
        factory: "module:function" that takes PageServices and returns the Page, imported when the page is first
            shown; "" for the sentence page, which the window is built with.
    """

    name: str
    title: str
    key: str
    help: str
    factory: str = ""

    @property
    def action_id(self) -> str:
        """The action that shows the page."""
        return f"page_{self.name}"


SENTENCE_PAGE = "sentence"
PAGES: tuple[PageRow, ...] = (
    PageRow(SENTENCE_PAGE, "Sentence", "Ctrl+1", "Tracks and batch of the sentence."),
    PageRow(
        "evaluation",
        "Evaluation",
        "Ctrl+2",
        "Scores of the model, its confusion matrix and its calibration.",
        "maskscope_gui.pages.evaluation.evaluation_page:make_page",
    ),
    PageRow(
        "models",
        "Models",
        "Ctrl+3",
        "All models of the project, and how two of them differ.",
        "maskscope_gui.pages.models.models_page:make_page",
    ),
    PageRow(
        "picture",
        "Picture",
        "Ctrl+4",
        "The layers of the model, and where the mask goes.",
        "maskscope_gui.pages.picture.picture_page:make_page",
    ),
    PageRow(
        "audit",
        "Audit",
        "Ctrl+5",
        "Whether the model ignores padding.",
        "maskscope_gui.pages.audit.audit_page:make_page",
    ),
)
PAGE_NAMES: tuple[str, ...] = tuple(row.name for row in PAGES)
