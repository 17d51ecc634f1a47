"""What the window paints with: colours computed from a theme, sizes, fonts and brushes.

Text on a tinted background takes the theme's text colour, or else black or white, whichever has the better contrast
(WCAG 2.2, relative luminance). The themes themselves are in maskscope_resources.colours.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontInfo, QGuiApplication, QPainter, QPen, QPixmap

from maskscope.types import TagScheme, hues
from maskscope_resources.colours import DARK, LIGHT, Theme

HATCH = 6
"""Distance of the lines of a hatching, in pixels at 100 %."""
RAMP_STEPS = 256
"""Colours of the probability scale."""


@lru_cache(maxsize=512)
def colour(code: str) -> QColor:
    """The QColor of "#RRGGBB", cached."""
    return QColor(code)


def _linear(code: str) -> npt.NDArray[np.float64]:
    """Linear RGB (3,) float64 of an sRGB colour."""
    srgb = np.array([int(code[place : place + 2], 16) for place in (1, 3, 5)], dtype=np.float64) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted((float(_linear(one) @ weights), float(_linear(other) @ weights)))
    return (high + 0.05) / (low + 0.05)


@lru_cache(maxsize=2048)
def text_on(ground: str, theme: Theme) -> str:
    """The text colour for a background: the theme's own from a contrast of 7, else black or white; at least 4.5."""
    if contrast(theme.text, ground) >= 7:
        return theme.text
    return max(("#FFFFFF", "#000000"), key=lambda ink: contrast(ink, ground))


# From linear RGB to OKLab (Ottosson 2020)
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@lru_cache(maxsize=4)
def ramp(theme: Theme) -> tuple[str, ...]:
    """Colours of the probabilities from 0 to 1, RAMP_STEPS of them, in even steps of OKLab."""
    low, high = (_TO_LAB @ np.cbrt(_TO_LMS @ _linear(code)) for code in (theme.ramp_low, theme.ramp_high))
    share = np.linspace(0, 1, RAMP_STEPS)[:, None]
    lab = low + (high - low) * share
    linear = ((lab @ np.linalg.inv(_TO_LAB).T) ** 3) @ np.linalg.inv(_TO_LMS).T
    linear = linear.clip(0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple("#{:02X}{:02X}{:02X}".format(*row) for row in np.round(srgb * 255).astype(int).tolist())


def tint(probability: float, theme: Theme) -> str:
    """The colour of a probability from 0 to 1; NaN has the colour of 0."""
    if not probability > 0:
        return ramp(theme)[0]
    return ramp(theme)[min(RAMP_STEPS - 1, int(probability * (RAMP_STEPS - 1) + 0.5))]


def grey(share: float, theme: Theme) -> str:
    """The colour of a value: from that of lines to that of a mask; NaN has the colour of 0."""
    share = 0.0 if math.isnan(share) else min(max(share, 0.0), 1.0)
    ends = [[int(code[place : place + 2], 16) for place in (1, 3, 5)] for code in (theme.line, theme.mask)]
    return "#{:02X}{:02X}{:02X}".format(*(round(low + (high - low) * share) for low, high in zip(*ends, strict=True)))


def label_colour(place: int, scheme: TagScheme, theme: Theme) -> str:
    """The colour of a class: B- and I- of a span type share one, and outside has that of secondary text."""
    hue = hues(scheme)[place]
    return theme.second if hue < 0 else theme.labels[hue % len(theme.labels)]


class Measures:
    """Turns sizes in pixels at 100 % into pixels at the system's text size.

    Args:
        font: of the application, whose size is 13 pixels at 100 %.
    """

    def __init__(self, font: QFont) -> None:
        self.scale = max(0.75, QFontInfo(font).pixelSize() / 13)
        self._pixels: dict[float, int] = {}

    def __call__(self, size: float) -> int:
        """Pixels on this system for a size at 100 %."""
        pixels = self._pixels.get(size)
        if pixels is None:
            pixels = self._pixels[size] = round(size * self.scale)
        return pixels


class Style:
    """A theme with its fonts and brushes at the system's text size.

    Args:
        theme: its colours.
        font: of the application.
    """

    def __init__(self, theme: Theme, font: QFont) -> None:
        self.theme = theme
        self.px = Measures(font)
        self.body = _sized(font, self.px(13))
        self.small = _sized(font, self.px(11))
        self.tiny = _sized(font, self.px(10))
        self.bold = _sized(font, self.px(13), QFont.Weight.DemiBold)
        self.small_bold = _sized(font, self.px(11), QFont.Weight.DemiBold)
        self.reading = _sized(font, self.px(17))
        self.token_title = _sized(font, self.px(17), QFont.Weight.DemiBold)
        self.figure = _sized(font, self.px(26), QFont.Weight.DemiBold)
        self.caps = _sized(font, self.px(11), QFont.Weight.DemiBold)
        self.caps.setCapitalization(QFont.Capitalization.AllUppercase)
        self.caps.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.8 * self.px.scale)
        self._hatch: QBrush | None = None
        self._cross: QBrush | None = None

    def c(self, role: str) -> QColor:
        """The colour of a role, such as "panel"."""
        return colour(getattr(self.theme, role))

    def tint(self, probability: float) -> str:
        """The colour of a probability, as "#RRGGBB"."""
        return tint(probability, self.theme)

    def grey(self, share: float) -> str:
        """The colour of a value from 0 to 1 of its axis, as "#RRGGBB"; without the hue of the probabilities."""
        return grey(share, self.theme)

    def ink(self, ground: str) -> QColor:
        """The text colour for a background "#RRGGBB"."""
        return colour(text_on(ground, self.theme))

    def label(self, place: int, scheme: TagScheme) -> str:
        """The colour of a class, as "#RRGGBB"."""
        return label_colour(place, scheme, self.theme)

    @property
    def hatch(self) -> QBrush:
        """The brush of padding: lines at 45 degrees, HATCH pixels apart."""
        if self._hatch is None:
            self._hatch = self._strokes(self.c("pad_ground"), self.c("pad_stroke"), rising=True)
        return self._hatch

    @property
    def cross(self) -> QBrush:
        """The brush of an ignored token: lines the other way, so that it does not look like padding."""
        if self._cross is None:
            self._cross = self._strokes(self.c("panel"), self.c("control"), rising=False)
        return self._cross

    def _strokes(self, ground: QColor, stroke: QColor, *, rising: bool) -> QBrush:
        size = self.px(HATCH)
        ratio = QGuiApplication.primaryScreen().devicePixelRatio() if QGuiApplication.primaryScreen() else 1.0
        tile = QPixmap(round(size * ratio), round(size * ratio))
        tile.setDevicePixelRatio(ratio)
        tile.fill(ground)
        painter = QPainter(tile)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(stroke, 1))
        for shift in (-size, 0, size):
            left, right = QPoint(shift - 1, size + 1), QPoint(shift + size + 1, -1)
            if not rising:
                left, right = QPoint(left.x(), -1), QPoint(right.x(), size + 1)
            painter.drawLine(left, right)
        painter.end()
        return QBrush(tile)


def _sized(font: QFont, pixels: int, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    sized = QFont(font)
    sized.setPixelSize(max(8, pixels))
    sized.setWeight(weight)
    sized.setFeature(QFont.Tag("tnum"), 1)
    return sized


def system_theme() -> Theme:
    """The theme that the system asks for."""
    dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    return DARK if dark else LIGHT
