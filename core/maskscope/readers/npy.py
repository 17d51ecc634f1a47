"""Import a padded array (N, T, D) from a .npy file."""

from pathlib import Path

from maskscope.readers.arrays import StoredArray
from maskscope.readers.base import ImportFormat, Preview, ReadOptions, Source
from maskscope.readers.padded import PaddedSource
from maskscope.readers.padded_companions import LABELS, LENGTHS, begins_as_npy, open_labels, open_lengths


def open_npy(path: Path, options: ReadOptions) -> Source:
    """Open a padded array (N, T, D) with the labels and lengths of `options`.

    Raises ReadError when one of the files is refused.
    """
    return PaddedSource(
        path, StoredArray(path), labels=open_labels(options.labels), lengths=open_lengths(options.lengths)
    )


def preview(path: Path, options: ReadOptions) -> Preview:
    """Shape and dtype. Raises ReadError when one of the files is refused."""
    open_npy(path, options)
    return Preview(f"Padded array, {StoredArray(path).describe_padded()}")


FORMAT = ImportFormat(
    name="npy",
    title="NumPy array, padded",
    suffixes=(".npy",),
    needs="X of shape (N, T, D); labels from --labels, lengths from --lengths or the trailing rows of zeros",
    not_included="padding; there are no tokens, so they are called t0, t1, ...",
    description="""\
`X.npy` of shape (N, T, D), padded behind the tokens or, as `pad_sequences` does by default, in front of them: with
lengths, the side whose rows are alike is the padding; without, the zeros in front where no sentence ends in zeros.
The project remembers the side, and what the padding holds: one number, one row, or up to 16 rows that differ.

A label's name is its number. 0/1 floats and booleans make a binary scheme, one-hot columns a multiclass one
of C labels. Labels and embeddings of padding are not read; if such embeddings are not zero, a
note says so. There are no tokens, so they are called `t0`, `t1`, ... .""",
    sniff=begins_as_npy,
    open=open_npy,
    preview=preview,
    companions=(LABELS, LENGTHS),
)
