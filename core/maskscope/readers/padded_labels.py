"""The labels of a padded array, in one of three shapes."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from maskscope.errors import ReadError
from maskscope.readers.arrays import StoredArray


class LabelColumn:
    """Labels (N, T), (N, T, 1) or one-hot (N, T, C) of a padded array (N, T, D).

    Args:
        array: ints, or floats that are whole numbers, with -1 for no label; bools or 0/1 floats; or one-hot.
        x_shape: of the padded array.

    Attributes:
        classes: label names, where the array itself says which there are.
        kind: of label set, where the array itself says it.

    Raises ReadError when shape or dtype do not fit.
    """

    def __init__(self, array: StoredArray, x_shape: tuple[int, ...]) -> None:
        self.array = array
        n, t = x_shape[:2]
        if len(array.shape) not in (2, 3) or array.shape[:2] != (n, t) or 0 in array.shape:
            raise ReadError(
                "labels don't fit the embeddings",
                file=array.file,
                expected=f"shape ({n}, {t}), ({n}, {t}, 1) or one-hot ({n}, {t}, C)",
                received=array.describe(),
            )
        if array.dtype.kind not in "iubf":
            raise ReadError(
                "labels are no numbers",
                file=array.file,
                expected="integers, booleans, or floats that are whole numbers",
                received=f"dtype {array.dtype}",
            )
        self.one_hot = len(array.shape) == 3 and array.shape[2] > 1
        self.classes: tuple[str, ...] | None = None
        self.kind: Literal["binary", "multiclass"] | None = None
        self._whole = array.dtype.kind == "f" and not self.one_hot and _holds_whole_numbers(array)
        if self.one_hot:
            self.classes, self.kind = tuple(str(c) for c in range(array.shape[2])), "multiclass"
        elif array.dtype.kind in "bf" and not self._whole:
            self.classes, self.kind = ("0", "1"), "binary"

    def names(self, y: np.ndarray, sentence: int) -> tuple[str | None, ...]:
        """Label names of the sentence's real tokens; y (T,), (T, 1) or (T, C)."""
        if self.one_hot:
            wrong = ~(((y == 0) | (y == 1)).all(axis=1) & ((y == 1).sum(axis=1) == 1))
            if wrong.any():
                self._refuse("labels are not one-hot", y, wrong, sentence, "one 1 and else 0 in each row")
            columns = [str(c) for c in y.argmax(axis=1).tolist()]
            return tuple(columns)
        y = y.reshape(len(y))
        if y.dtype.kind == "f":
            wrong = ~((y == np.rint(y)) & (y >= -1)) if self._whole else (y != 0) & (y != 1) & (y != -1)
            if wrong.any():
                expected = "0.0 or 1.0, or whole numbers in all sentences; values of a regression are no labels"
                self._refuse("a float label is no number of a label", y, wrong, sentence, expected)
        elif y.dtype.kind == "i":
            wrong = y < -1
            if wrong.any():
                self._refuse("a label is negative", y, wrong, sentence, "0 or more, or -1 for no label")
        # A list first: a tuple of a generator is resized, and CPython keeps thousands of such for reuse.
        names = [None if label == -1 else str(int(label)) for label in y.tolist()]
        return tuple(names)

    def _refuse(self, message: str, y: np.ndarray, wrong: npt.NDArray[np.bool_], sentence: int, expected: str) -> None:
        position = int(np.argmax(wrong))
        raise ReadError(
            f"{message} at position {position}",
            file=self.array.file,
            sentence=sentence,
            expected=expected,
            received=np.array2string(y[position], threshold=8),
        )


def _holds_whole_numbers(array: StoredArray) -> bool:
    """Whether floats are numbers of labels, as Keras takes them, by the first sentences: whole, and some above 1."""
    with array.rows() as rows:
        some = rows.take(min(array.shape[0], max(1, array.block_bytes // max(1, array.row_bytes))))
    some = some[np.isfinite(some)]
    return bool(some.size and (some == np.rint(some)).all() and some.min() >= -1 and some.max() > 1)
