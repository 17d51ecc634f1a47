"""What padded positions of an array hold, and on which side of a sentence they are."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from maskscope.types import Floats, MaskValue

Side: TypeAlias = Literal["back", "front"]
"""Where padding is: behind a sentence's tokens, or in front of them."""
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

    def fill(self, n: int) -> Floats:
        """Rows (n, D) for n padded positions; the examples in turn where padding varies."""
        return self.rows[np.arange(n) % len(self.rows)]

    def add(self, x_td: Floats, n: int) -> Floats:
        """A sentence (T, D) with n padded positions, on its side: (T + n, D)."""
        padded = self.fill(n)
        return np.concatenate([x_td, padded] if self.side == "back" else [padded, x_td])

    @property
    def text(self) -> str:
        """For a message: "0", "one row of 12 numbers", "rows that vary"."""
        if self.value is not None:
            return f"{self.value:g}"
        return f"one row of {self.rows.shape[1]} numbers" if len(self.rows) == 1 else "rows that vary"
