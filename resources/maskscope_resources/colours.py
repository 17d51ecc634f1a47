"""The colours of the light and the dark theme, for the window and for the audit report alike."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one theme, as "#RRGGBB".

    Attributes:
        name: "light" or "dark".
        window: background of the window.
        panel: background of a panel.
        line: lines between panels, and grid lines.
        text: text.
        second: secondary text, such as captions.
        accent: the cursor, the selection and links.
        accent_ground: background of what is selected.
        on_accent: text on the accent colour.
        ramp_low: probability 0.
        ramp_high: probability 1.
        pad_ground: background of padding.
        pad_stroke: hatching of padding.
        mask: where the mask is True, so a real token.
        holds: a check that passed.
        holds_ground: background of the same.
        fails: a check that failed, and errors.
        fails_ground: background of the same.
        collision: a collision, and a check that could not tell.
        norm: norm of an embedding.
        hover: background of a control under the mouse.
        control: edges of controls, and disabled text.
        labels: label colours in the order of the span types, from a palette that is safe for colour-blind people.
    """

    name: str
    window: str
    panel: str
    line: str
    text: str
    second: str
    accent: str
    accent_ground: str
    on_accent: str
    ramp_low: str
    ramp_high: str
    pad_ground: str
    pad_stroke: str
    mask: str
    holds: str
    holds_ground: str
    fails: str
    fails_ground: str
    collision: str
    norm: str
    hover: str
    control: str
    labels: tuple[str, ...]


LIGHT = Theme(
    name="light",
    window="#F5F6F8",
    panel="#FFFFFF",
    line="#DDE1E6",
    text="#1B1F24",
    second="#5A6470",
    accent="#2463D1",
    accent_ground="#E8F0FE",
    on_accent="#FFFFFF",
    ramp_low="#F4F2FA",
    ramp_high="#4C2C92",
    pad_ground="#EEF0F3",
    pad_stroke="#AEB6C0",
    mask="#3B4652",
    holds="#17744A",
    holds_ground="#E2F4EA",
    fails="#B3261E",
    fails_ground="#FCE9E7",
    collision="#A86400",
    norm="#8E99A5",
    hover="#F1F3F6",
    control="#8B949E",
    labels=(
        "#0072B2",
        "#00805E",
        "#C24E00",
        "#B0578D",
        "#6A5ACD",
        "#7A6A00",
        "#00798C",
        "#A3333D",
        "#4F6D2F",
        "#8A5A2B",
        "#5B6C8F",
        "#94308F",
    ),
)

DARK = Theme(
    name="dark",
    window="#14171B",
    panel="#1B1F24",
    line="#2E343B",
    text="#E7EAEE",
    second="#98A2AD",
    accent="#7AA7FF",
    accent_ground="#22314D",
    on_accent="#10151C",
    ramp_low="#262334",
    ramp_high="#BDA6FF",
    pad_ground="#20252B",
    pad_stroke="#4A535E",
    mask="#AEB9C5",
    holds="#5CC98E",
    holds_ground="#16301F",
    fails="#FF8A80",
    fails_ground="#3A1D1B",
    collision="#E3A33B",
    norm="#66717D",
    hover="#22272E",
    control="#6B7682",
    labels=(
        "#56B4E9",
        "#34C79B",
        "#F0883E",
        "#E59BC6",
        "#A79BF5",
        "#D6C04A",
        "#4CC5D6",
        "#F28B93",
        "#A3C47B",
        "#D3A06D",
        "#A9B7D6",
        "#D98BD5",
    ),
)
