"""What padded positions of an array hold, and on which side of a sentence they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.masks import mask_from_lengths
from maskscope.types import Floats, Indices, Mask, MaskValue

Side: TypeAlias = Literal["back", "front"]
"""Where padding is: behind a sentence's tokens, or in front of them."""
SIDES: dict[Side, str] = {"back": "behind the tokens", "front": "in front of the tokens"}
"""Each side in words."""
Origin: TypeAlias = Literal["data", "given", "mask value", "assumed"]
"""How the padding is known: read from the data, given by the user, the model's mask value, or only assumed."""

MOST_ROWS = 16
"""Different padded rows that are kept as examples where padding varies."""


@dataclass(frozen=True, slots=True, eq=False)
class Padding:
    """What padded positions hold.

    Attributes:
        rows: (k, D) float32, k of 1 to `MOST_ROWS`: the one row that all padded positions hold, or examples of rows
            that vary.
        side: where padding is.
        origin: how it is known. Only "assumed" is a guess.
    """

    rows: Floats
    side: Side = "back"
    origin: Origin = "data"

    @classmethod
    def of_value(cls, value: MaskValue, dim: int, side: Side = "back", origin: Origin = "data") -> "Padding":
        """Padding with one number, or with one row of `dim` numbers."""
        row: Floats = np.asarray(value, dtype=np.float32)
        return cls(np.broadcast_to(row, (1, dim)).copy(), side, origin)

    @property
    def value(self) -> float | None:
        """The number that every padded position consists of; None when there is no such number."""
        first = self.rows.flat[0]
        same = np.isnan(self.rows).all() if np.isnan(first) else (self.rows == first).all()
        return float(first) if same else None

    @property
    def mask_value(self) -> MaskValue | None:
        """The `mask_value` of a Masking layer for this padding; None where it varies, or holds NaN or infinity."""
        if len(self.rows) > 1 or not np.isfinite(self.rows).all():
            return None
        return self.value if self.value is not None else tuple(float(each) for each in self.rows[0])

    def fill(self, n: int) -> Floats:
        """Rows (n, D) for n padded positions; the examples in turn where padding varies."""
        return self.rows[np.arange(n) % len(self.rows)]

    def add(self, x: Floats, n: int) -> Floats:
        """Sentences x (..., T, D) with n padded positions each, on their side: (..., T + n, D)."""
        padded = np.broadcast_to(self.fill(n), (*x.shape[:-2], n, x.shape[-1]))
        return np.concatenate([x, padded] if self.side == "back" else [padded, x], axis=-2)

    def tokens(self, length: int, n_positions: int) -> slice:
        """Where the tokens of a sentence are among the positions of a padded batch."""
        return slice(0, length) if self.side == "back" else slice(n_positions - length, n_positions)

    def mask(self, lengths: Indices | Sequence[int], n_positions: int) -> Mask:
        """Mask (B, n_positions) of sentences with these lengths (B,), True = real token."""
        mask_bt = mask_from_lengths(lengths, n_positions)
        return np.asarray(mask_bt if self.side == "back" else mask_bt[:, ::-1])

    @property
    def text(self) -> str:
        """For a message: "0", "one row of 12 numbers", "rows that vary"."""
        if self.value is not None:
            return f"{self.value:g}"
        return f"one row of {self.rows.shape[1]} numbers" if len(self.rows) == 1 else "rows that vary"

    @property
    def text_with_side(self) -> str:
        """For a message: "0, behind each sentence"."""
        return f"{self.text}, {'behind' if self.side == 'back' else 'in front of'} each sentence"


def tokens_first(rows: npt.NDArray[Any], lengths: Indices) -> npt.NDArray[Any]:
    """Sentences (n, T, ...) that are padded in front, turned so that the tokens of each come first.

    A sentence that is longer, by the lengths (n,), than the array has positions stays as it is.
    """
    n, n_positions = rows.shape[:2]
    shift = np.maximum(n_positions - lengths, 0)
    order = (np.arange(n_positions)[None] + shift[:, None]) % max(1, n_positions)
    turned: npt.NDArray[Any] = rows[np.arange(n)[:, None], order]
    return turned


def padded_with(known: Padding | None, mask_value: MaskValue | None, dim: int, side: Side = "back") -> Padding:
    """What sentences are padded with: as is known, else the model's mask value, else 0, which is assumed.

    Args:
        known: of the data, or of a project's source.
        mask_value: of a Masking layer that reads the embeddings; None for none. NaN masks nothing.
        dim: D of the embeddings.
        side: where padding is, unless it is known.
    """
    if known is not None:
        return known
    if mask_value is not None and np.size(mask_value) in (1, dim) and not np.isnan(mask_value).any():
        return Padding.of_value(mask_value, dim, side, "mask value")
    return Padding.of_value(0.0, dim, side, "assumed")
