"""What every reader notes about its embeddings: rows of zeros at real tokens, and loss of precision."""

from pathlib import Path

import numpy as np

from maskscope.corpus_scan import Scanner
from maskscope.readers.base import Note, Tally, is_narrowed, refuse_not_finite
from maskscope.types import Embeddings, Mask


def scan_sentence(scanner: Scanner, tally: Tally, rows: Embeddings, raw: np.ndarray, file: Path, sentence: int) -> None:
    """Scan a sentence without padding: `rows` (T, D), narrowed from `raw` (T, D).

    Raises ReadError when one of them is not finite.
    """
    masked, broken = scanner.ragged(rows, np.array([len(rows)], dtype=np.int64))
    if broken.any():
        refuse_not_finite(rows, raw, file, sentence)
    count_masked(tally, masked, raw, sentence)


def count_masked(tally: Tally, masked: Mask, raw: np.ndarray, sentence: int) -> None:
    """Count a sentence with real tokens that a Masking layer takes for padding: `masked` (T,) is true there.

    `raw` (T, D) is what its rows were narrowed from; where it is not zero, narrowing has made zeros of it.
    """
    if not masked.any():
        return
    tally.add("zero", sentence)
    if raw.dtype.itemsize > 4 and (raw[masked] != 0).any():
        tally.add("underflow", sentence)


def embedding_notes(tally: Tally, dtype: np.dtype[np.generic]) -> list[Note]:
    """The notes that every reader gives about its embeddings, whose stored dtype is `dtype`."""
    notes = []
    if tally.count("zero"):
        notes.append(
            Note(
                "interior-zero-rows",
                f"Real tokens whose embedding is all zeros, which Masking(0) takes for padding, are in"
                f" {tally.text('zero')}.",
                tally.listed("zero"),
            )
        )
    if is_narrowed(dtype):
        lost = f"; rows too small for it became zeros in {tally.text('underflow')}"
        notes.append(
            Note(
                "float64-stored-as-float32",
                f"Embeddings are {dtype.name} and are stored as float32{lost if tally.count('underflow') else ''}.",
                tally.listed("underflow"),
            )
        )
    return notes
