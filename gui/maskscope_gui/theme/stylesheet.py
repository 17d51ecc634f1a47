"""The one style sheet, for the controls that Qt paints."""

from importlib import resources
from pathlib import Path

from maskscope_gui.theme.theme import Style

_SHEET = """
QMainWindow, QDialog, QWidget#window {{ background: {window}; color: {text}; }}
QWidget {{ color: {text}; }}
QWidget#panel, QScrollArea#panel, QScrollArea#panel > QWidget > QWidget {{ background: {panel}; }}
QWidget#toolbar {{ background: {panel}; border-bottom: 1px solid {line}; }}
QWidget#notice {{ background: {fails_ground}; border-bottom: 1px solid {line}; }}
QWidget#status {{ background: {panel}; border-top: 1px solid {line}; }}
QLabel {{ background: transparent; }}
QLabel#caps {{ color: {second}; }}
QLabel#second {{ color: {second}; }}
QLabel#small {{ color: {second}; }}
QLabel#strong, QLabel#name {{ font-weight: 600; }}
QLabel#title {{ font-size: {reading}px; font-weight: 600; }}
QLabel#figure {{ font-size: {figure}px; font-weight: 600; }}
QLabel#error {{ color: {fails}; }}
QLabel#good {{ color: {holds}; }}
QLabel#warn {{ color: {collision}; }}
QLabel#key {{
    color: {second}; background: {window}; border: 1px solid {line}; border-radius: 3px;
    font-size: {tiny}px; padding: 1px 5px;
}}
QFrame#line {{ background: {line}; border: none; max-height: 1px; min-height: 1px; }}
QPushButton, QToolButton#button {{
    background: {panel}; border: 1px solid {edge}; border-radius: 5px; padding: 0 {pad}px;
    min-height: {button}px; max-height: {button}px;
}}
QPushButton:hover, QToolButton#button:hover {{ background: {hover}; }}
QPushButton:pressed, QToolButton#button:pressed {{ background: {accent_ground}; }}
QPushButton:focus, QToolButton#button:focus {{ border-color: {accent}; }}
QPushButton:disabled, QToolButton#button:disabled {{ color: {control}; background: {window}; }}
QPushButton:default, QPushButton#primary {{
    background: {accent}; border-color: {accent}; color: {on_accent}; font-weight: 600;
}}
QPushButton:default:hover, QPushButton#primary:hover {{ background: {accent}; }}
QPushButton:default:disabled, QPushButton#primary:disabled {{
    background: {window}; border-color: {edge}; color: {control};
}}
QToolButton#button::menu-indicator {{ image: none; width: 0; }}
QPushButton#verdict_holds {{
    background: {holds_ground}; border-color: {holds_ground}; color: {holds}; font-weight: 600;
}}
QPushButton#verdict_fails {{
    background: {fails_ground}; border-color: {fails_ground}; color: {fails}; font-weight: 600;
}}
QPushButton#chip {{
    background: {accent_ground}; border: none; border-radius: 5px; color: {accent}; font-size: {small}px;
    min-height: {chip}px; max-height: {chip}px; padding: 0 {chip_pad}px;
}}
QPushButton#chip_empty {{
    background: transparent; border: 1px dashed {edge}; border-radius: 5px; color: {text}; font-size: {small}px;
    min-height: {chip}px; max-height: {chip}px; padding: 0 {chip_pad}px;
}}
QPushButton#flat, QToolButton#flat {{
    background: transparent; border: none; color: {second}; padding: 0 2px; min-height: {chip}px; max-height: {chip}px;
}}
QPushButton#flat:hover, QToolButton#flat:hover {{ color: {text}; }}
QToolButton#flat:focus {{ color: {accent}; text-decoration: underline; }}
QToolButton#flat:disabled {{ color: {control}; }}
QToolButton#flat::menu-indicator {{ image: none; width: 0; }}
QPushButton#segment_first, QPushButton#segment, QPushButton#segment_last {{
    border-radius: 0; padding: 0 2px; min-height: {segment}px; max-height: {segment}px; margin: 0;
}}
QPushButton#segment_first {{ border-top-left-radius: 5px; border-bottom-left-radius: 5px; }}
QPushButton#segment {{ border-left: none; border-right: none; }}
QPushButton#segment_last {{ border-top-right-radius: 5px; border-bottom-right-radius: 5px; }}
QPushButton#segment_first:checked, QPushButton#segment:checked, QPushButton#segment_last:checked {{
    background: {accent_ground}; color: {accent}; border: 1px solid {accent}; font-weight: 600;
}}
QLineEdit, QSpinBox, QDoubleSpinBox, QPlainTextEdit {{
    background: {panel}; border: 1px solid {edge}; border-radius: 5px; padding: 0 8px;
    min-height: {button}px; max-height: {button}px;
    selection-background-color: {accent}; selection-color: {on_accent};
}}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{ border-color: {accent}; }}
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled {{ color: {control}; background: {window}; }}
QComboBox {{
    background: {panel}; border: 1px solid {edge}; border-radius: 5px; padding: 0 8px;
    min-height: {button}px; max-height: {button}px;
}}
QComboBox:disabled {{ color: {control}; background: {window}; }}
QComboBox::drop-down {{ border: none; width: {drop}px; }}
QComboBox::down-arrow {{ image: url("{icons}/down-{name}.svg"); width: 10px; height: 10px; }}
QSpinBox::up-button, QDoubleSpinBox::up-button {{ border: none; width: {drop}px; }}
QSpinBox::down-button, QDoubleSpinBox::down-button {{ border: none; width: {drop}px; }}
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow {{ image: url("{icons}/up-{name}.svg"); width: 9px; height: 9px; }}
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {{ image: url("{icons}/down-{name}.svg"); width: 9px; height: 9px; }}
QComboBox QAbstractItemView, QMenu, QListWidget, QTableWidget, QTreeWidget, QTextBrowser {{
    background: {panel}; color: {text}; border: 1px solid {line}; selection-background-color: {accent_ground};
    selection-color: {text}; outline: none;
}}
QMenu {{ padding: 4px 0; }}
QMenu::item {{ padding: 5px 24px 5px 24px; }}
QMenu::item:selected {{ background: {accent_ground}; color: {text}; }}
QMenu::item:disabled {{ color: {control}; }}
QMenu::separator {{ height: 1px; background: {line}; margin: 4px 0; }}
QMenuBar {{ background: {panel}; color: {text}; border-bottom: 1px solid {line}; padding: 0 6px; }}
QMenuBar::item {{ padding: 4px 8px; background: transparent; border-radius: 4px; }}
QMenuBar::item:selected {{ background: {hover}; }}
QHeaderView::section {{
    background: {window}; color: {second}; border: none; border-bottom: 1px solid {line}; padding: 4px 8px;
}}
QSplitter {{ background: {panel}; }}
QSplitter::handle {{ background: {line}; }}
QSplitter::handle:horizontal {{ width: 1px; }}
QSplitter::handle:vertical {{ height: 1px; }}
QSlider::groove:horizontal {{ height: 3px; background: {line}; border-radius: 1px; }}
QSlider::sub-page:horizontal {{ background: {accent}; border-radius: 1px; }}
QSlider::handle:horizontal {{
    background: {accent}; border-radius: {handle_half}px;
    width: {handle}px; height: {handle}px; margin: -{handle_out}px 0;
}}
QSlider {{ min-height: {slider}px; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {line}; min-height: 28px; border-radius: 3px; margin: 2px; }}
QScrollBar::handle:vertical:hover {{ background: {control}; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle:horizontal {{ background: {line}; min-width: 28px; border-radius: 3px; margin: 2px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QProgressBar {{
    background: {window}; border: 1px solid {line}; border-radius: 3px; text-align: center;
    min-height: 6px; max-height: 6px;
}}
QProgressBar::chunk {{ background: {accent}; border-radius: 2px; }}
QToolTip {{ background: {panel}; color: {text}; border: 1px solid {line}; padding: 4px 6px; }}
QTabBar::tab {{ background: {window}; color: {second}; padding: 6px 12px; border: none; }}
QTabBar::tab:selected {{ background: {panel}; color: {text}; border-bottom: 2px solid {accent}; }}
QTabWidget::pane {{ border: none; }}
QCheckBox, QRadioButton {{ spacing: 8px; background: transparent; }}
QCheckBox::indicator, QRadioButton::indicator {{
    width: 13px; height: 13px; border: 1px solid {control}; background: {panel}; border-radius: 3px;
}}
QRadioButton::indicator {{ border-radius: 7px; }}
QCheckBox::indicator:checked {{
    background: {accent}; border-color: {accent}; image: url("{icons}/check-{name}.svg");
}}
QRadioButton::indicator:checked {{ width: 7px; height: 7px; background: {panel}; border: 4px solid {accent}; }}
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {{ border-color: {line}; background: {window}; }}
"""


def icon_folder() -> Path:
    """Where the icons are. Style sheets and icons need files, so the package must not stay in a zip."""
    return Path(str(resources.files("maskscope_resources"))) / "icons"


def sheet(style: Style) -> str:
    """The style sheet for a theme and text size."""
    theme, px = style.theme, style.px
    return _SHEET.format(
        icons=icon_folder().as_posix(),
        name=theme.name,
        small=px(12),
        tiny=px(10),
        reading=px(17),
        figure=px(26),
        pad=px(12),
        button=px(26),
        chip=px(22),
        chip_pad=px(10),
        segment=px(24),
        drop=px(18),
        slider=px(20),
        handle=px(14),
        handle_out=px(14) // 2 - 1,
        handle_half=px(14) // 2,
        edge=theme.line,
        on_accent="#FFFFFF" if theme.name == "light" else "#10151C",
        window=theme.window,
        panel=theme.panel,
        line=theme.line,
        text=theme.text,
        second=theme.second,
        accent=theme.accent,
        accent_ground=theme.accent_ground,
        holds=theme.holds,
        holds_ground=theme.holds_ground,
        fails=theme.fails,
        fails_ground=theme.fails_ground,
        collision=theme.collision,
        hover=theme.hover,
        control=theme.control,
    )
