"""The strip of a finding's evidence: tokens, padding and numbers, position by position."""

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from maskscope.audit.report import Evidence
from maskscope_gui.pages.audit.evidence import EvidenceStrip
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import text_width
from maskscope_resources.colours import DARK, LIGHT, Theme
from tests.gui.window_helpers import KEY, LEFT

SENTENCE, LENGTH = 67, 14
"""Of the demo: its token 13 is the variation selector U+FE0F, which is a collision."""
REAL = [position < LENGTH for position in range(LENGTH + 7)]
EVIDENCE = Evidence.of(
    SENTENCE,
    REAL,
    [
        ("mask after conv1d", "mask", [1.0] * len(REAL)),
        (
            "change with 7 more padded positions",
            "change",
            [3.2e-2 / 4 ** abs(position - 13) if real else 0.0 for position, real in enumerate(REAL)],
        ),
        ("probability without more padding", "value", [0.1 + 0.03 * position for position in range(len(REAL))]),
    ],
    13,
)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_evidence_shows_tokens_padding_and_numbers(qtbot: QtBot, demo_session: Session, theme: Theme) -> None:
    look = Style(theme, QApplication.font())
    strip = EvidenceStrip(demo_session, look)
    qtbot.addWidget(strip)
    strip.show_evidence(EVIDENCE, 1e-6, 13)
    strip.resize(600, strip.height())
    with qtbot.waitExposed(strip):
        strip.show()
    tokens = demo_session.sentence_row(SENTENCE).tokens
    image = strip.grab().toImage()
    rows = {row.label if row else "": top for top, row in strip._rows()}

    def seen(label: str, position: int) -> set[str]:
        box = strip.column_box(position)
        return {
            image.pixelColor(x, y).name().upper()
            for x in range(box.left() + 1, box.right())
            for y in range(rows[label], rows[label] + 10)
        }

    assert strip.tokens == tokens
    assert theme.mask in seen("", 0)
    assert theme.pad_ground in seen("", LENGTH)
    # A mask that takes padding for a token has a red frame; a right one has none.
    assert theme.fails in seen("mask after conv1d", LENGTH)
    assert theme.fails not in seen("mask after conv1d", 3)
    # No colour of a probability is painted at padding.
    value = "probability without more padding"
    assert look.tint(0.1).upper() in seen(value, 0)
    assert look.tint(0.1 + 0.03 * LENGTH).upper() not in seen(value, LENGTH)
    assert "13 · U+FE0F · real token" in strip.lines_at(13)[0]
    assert strip.lines_at(13)[2] == "change with 7 more padded positions: 0.032, tolerance 10⁻⁶"
    assert strip.lines_at(LENGTH)[0] == f"position {LENGTH} · padding"
    assert "not a prediction" in strip.tip_at(strip.column_box(LENGTH).center())
    moved: list[int] = []
    strip.moved.connect(moved.append)
    for key in (KEY.Key_Right, KEY.Key_Home, KEY.Key_Left, KEY.Key_End):
        qtbot.keyClick(strip, key)
    assert moved == [14, 0, 0, len(REAL) - 1]
    qtbot.mouseClick(strip.viewport(), LEFT, pos=strip.column_box(5).center())
    assert strip.at == 5
    # The chosen token is bold, and so wider; there is room for any token in bold.
    strip.tokens = ("القاهرة",) * len(tokens)
    assert strip._tokens_height() - look.px(2) >= text_width(strip.tokens[0], look.small_bold)
