"""Tokens as text to show: tokens that would be invisible get a name."""

import unicodedata

_NAMED = {" ": "␣", "\u00a0": "␣", "\t": "⇥", "\n": "⏎", "\r": "⏎"}
_RTL = frozenset({"R", "AL"})


def token_text(token: str) -> tuple[str, bool]:
    """A token as the views show it, and whether that text stands for a token that can't be seen.

    Empty, blank, control and lone combining tokens get a name; line breaks in other tokens are replaced by a sign.
    """
    if not token:
        return "empty", True
    if not any(_visible(char) for char in token):
        named = "".join(_NAMED.get(char, "") for char in token)
        if len(named) == len(token):
            return named, True
        return " ".join(f"U+{ord(char):04X}" for char in token[:3]), True
    return "".join(
        _NAMED.get(char, char) if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in token
    ), False


def _visible(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Cn", "Mn", "Me", "Zs", "Zl", "Zp")


def reads_right_to_left(tokens: tuple[str, ...]) -> bool:
    """True when more letters of a sentence are written from right to left than from left to right."""
    right = left = 0
    for token in tokens:
        for char in token:
            kind = unicodedata.bidirectional(char)
            right += kind in _RTL
            left += kind == "L"
    return right > left
