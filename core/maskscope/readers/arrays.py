"""Stored numpy arrays, read forward along their first axis in blocks, from a .npy file or a member of a .npz.

Format: numpy.lib.format (NEP 1), versions 1.0 and 2.0. Version 3.0 differs only for structured arrays, which
are refused. Pickles are never loaded.
"""

import math
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from maskscope.errors import ReadError
from maskscope.readers.base import unreadable

BLOCK_BYTES = 4 * 2**20
"""Size of one block of rows, unless a single row is larger."""

FORTRAN_BLOCK_BYTES = 64 * 2**20
"""The same for an array in Fortran order, where each block touches pages all over the file."""

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


class StoredArray:
    """The header of a stored array; `rows` opens its rows.

    Args:
        file: the .npy or .npz file.
        member: name of the array inside a .npz, None for a .npy.

    Attributes:
        shape, dtype: as stored.
        title: its name in messages: "the array", or "member 'X'".

    Raises ReadError when the file is no numpy array, is truncated, or holds Python objects.
    """

    def __init__(self, file: Path, member: str | None = None) -> None:
        self.file = file
        self.member = member
        self.title = "the array" if member is None else f"member '{member}'"
        try:
            with self._open() as stream:
                self.shape, self._fortran, self.dtype = self._header(stream)
                self._start = stream.tell()
                stored = self._stored_bytes()
        except OSError as error:
            raise unreadable(file, error) from None
        except _BROKEN as error:
            raise self._broken(error) from None
        if self.dtype.hasobject:
            raise ReadError(
                f"{self.title} holds Python objects (a pickle), which are never loaded",
                file=file,
                expected="an array of numbers or unicode text",
                received=f"dtype {self.dtype}",
            )
        needed = math.prod(self.shape) * self.dtype.itemsize
        if stored - self._start < needed:
            whole = 0 if self._fortran or not self.row_bytes else (stored - self._start) // self.row_bytes
            raise ReadError(
                f"{self.title} is truncated",
                file=file,
                sentence=max(0, whole) if len(self.shape) == 3 else None,
                expected=f"{needed} bytes for shape {self.shape} {self.dtype}",
                received=f"{max(0, stored - self._start)} bytes",
            )

    @property
    def row_bytes(self) -> int:
        """Bytes of one row along the first axis."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def block_bytes(self) -> int:
        """Size of one block of rows."""
        return FORTRAN_BLOCK_BYTES if self._fortran else BLOCK_BYTES

    def describe(self) -> str:
        """Such as "(17, 9, 1024) float32", for messages."""
        return f"{self.shape} {self.dtype}"

    def describe_padded(self) -> str:
        """Shape (N, T, D) and dtype in words, such as "3 sentences × 5 positions × 4, float32"."""
        n, positions, dim = self.shape
        return f"{n:,} sentences × {positions:,} positions × {dim:,}, {self.dtype.name}"

    def require(self, kinds: str, shapes: Sequence[tuple[int, ...]], expected: str) -> None:
        """Raise ReadError, saying what was `expected`, unless the dtype's kind and the shape are among those given."""
        if self.dtype.kind not in kinds or self.shape not in shapes:
            raise ReadError(
                f"{self.title} does not fit the embeddings",
                file=self.file,
                expected=expected,
                received=self.describe(),
            )

    def rows(self) -> "ArrayRows":
        """Open the array at its first row."""
        return ArrayRows(self, self._open, self._start, self._fortran, self._broken)

    def _open(self) -> IO[bytes]:
        if self.member is None:
            return self.file.open("rb")
        # One archive a stream: two members are read in step, and each closes with its own handle.
        archive = zipfile.ZipFile(self.file)
        try:
            stream = archive.open(f"{self.member}.npy")
        except BaseException:
            archive.close()
            raise
        # The member keeps the file open by its own count, so the archive's hold can end here.
        archive.close()
        return stream

    def _stored_bytes(self) -> int:
        if self.member is None:
            return self.file.stat().st_size
        with zipfile.ZipFile(self.file) as archive:
            return archive.getinfo(f"{self.member}.npy").file_size

    def _header(self, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
        try:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(stream)
            if version == (2, 0):
                return np.lib.format.read_array_header_2_0(stream)
        except (ValueError, TypeError) as error:
            raise ReadError(
                f"{self.title} has no readable header, so the file is broken or truncated",
                file=self.file,
                expected="a numpy .npy header",
                received=str(error).splitlines()[0],
            ) from None
        raise ReadError(
            f"{self.title} is a structured array",
            file=self.file,
            expected="a plain array (.npy version 1.0 or 2.0)",
            received=f".npy version {version[0]}.{version[1]}",
        )

    def _broken(self, error: BaseException) -> ReadError:
        return ReadError(
            f"{self.title} can't be read, so the file is broken or truncated",
            file=self.file,
            expected="a whole zip archive of .npy members" if self.member else "a whole .npy file",
            received=str(error) or type(error).__name__,
        )


class ArrayRows(AbstractContextManager["ArrayRows"]):
    """The rows of a `StoredArray`, taken forward; made by `StoredArray.rows`."""

    def __init__(
        self,
        array: StoredArray,
        opener: Callable[[], IO[bytes]],
        start: int,
        fortran: bool,
        broken: Callable[[BaseException], ReadError],
    ) -> None:
        self._array = array
        self._start = start
        self._fortran = fortran
        self._broken = broken
        self._taken = 0
        try:
            self._stream = opener()
            if fortran and array.member is not None:
                # Rows lie scattered in Fortran order and a zip member only reads forward.
                self._stream = _unpacked(self._stream)
            self._stream.seek(start)
        except OSError as error:
            raise unreadable(array.file, error) from None
        except _BROKEN as error:
            raise broken(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    @property
    def left(self) -> int:
        """Rows not yet taken."""
        return self._array.shape[0] - self._taken

    def take(self, n: int) -> np.ndarray:
        """The next `n` rows (n, ...) in their stored dtype; the caller sees to it that n <= left.

        Raises ReadError when the file breaks off or its checksum does not hold.
        """
        array = self._array
        shape = (n, *array.shape[1:])
        first, self._taken = self._taken, self._taken + n
        if math.prod(shape) * array.dtype.itemsize == 0:
            return np.zeros(shape, dtype=array.dtype)
        try:
            if self._fortran:
                # Mapped again for each block: deleting the map frees its pages.
                mapped = np.memmap(
                    self._stream, array.dtype, mode="r", offset=self._start, shape=array.shape, order="F"
                )
                return np.array(mapped[first : first + n], order="C")
            block = bytearray(math.prod(shape) * array.dtype.itemsize)
            self._fill(block)
        except OSError as error:
            raise unreadable(array.file, error) from None
        except _BROKEN as error:
            raise self._broken(error) from None
        return np.frombuffer(block, dtype=array.dtype).reshape(shape)

    def finish(self) -> None:
        """Read a zip member to its end, which checks its checksum. Raises ReadError when that fails."""
        if self._array.member is None or self._fortran:
            return
        try:
            while self._stream.read(BLOCK_BYTES):
                pass
        except _BROKEN as error:
            raise self._broken(error) from None

    def _fill(self, block: bytearray) -> None:
        view, place = memoryview(block), 0
        while place < len(block):
            piece = self._stream.read(min(len(block) - place, BLOCK_BYTES))
            if not piece:
                raise EOFError(f"the data breaks off at row {self._taken - 1}")
            view[place : place + len(piece)] = piece
            place += len(piece)


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    """The content of `stream` in an unnamed file, which the system removes when it is closed."""
    with stream:
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - closed by ArrayRows
        try:
            shutil.copyfileobj(stream, unpacked, BLOCK_BYTES)
            unpacked.flush()
        except BaseException:
            unpacked.close()
            raise
        return unpacked
