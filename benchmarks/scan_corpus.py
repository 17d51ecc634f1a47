"""How fast the scan of a whole corpus is, compared with reading it: `python benchmarks/scan_corpus.py [--gigabytes 2]`.

An array of D = 2048 is written to a temporary folder and read there: first plainly, in blocks, with nothing done to
them; then mapped, touching each number once; then by the scan, as the audit and an import do it. "cold" begins with
the file thrown out of the system's cache (on Linux; left out elsewhere), "warm" with the file in it. Each figure is
the best of several runs; "of reading" compares the rows with plain reading in the same run.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

import numpy as np

from maskscope.corpus_scan import Scan, scan_padded, scan_ragged

DIM = 2048
POSITIONS = 40
_READ = 16 * 2**20


def write(file: Path, n_bytes: int, dtype: type[np.generic]) -> np.ndarray:
    """A padded array (N, POSITIONS, DIM) of about `n_bytes`, two thirds of it padding; gives its lengths (N,)."""
    rng = np.random.default_rng(0)
    n = max(1, n_bytes // (POSITIONS * DIM * np.dtype(dtype).itemsize))
    lengths = rng.integers(1, 2 * POSITIONS // 3, n)
    x = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=(n, POSITIONS, DIM))
    some = rng.standard_normal((POSITIONS, DIM), dtype=np.float32).astype(dtype)
    for sentence, length in enumerate(lengths):
        x[sentence, :length] = some[:length]
    x.flush()
    return lengths


def read(file: Path) -> None:
    """Read the file, and do nothing with it."""
    block = bytearray(_READ)
    with file.open("rb", buffering=0) as stream:
        while stream.readinto(block):
            pass


def touch(file: Path) -> None:
    """Look at each number of the file once."""
    np.load(file, mmap_mode="r").view(np.int32).max()


def forget(file: Path) -> None:
    """Throw the file out of the system's cache."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def best(file: Path, work: Callable[[], object], cold: bool, repeat: int) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(repeat):
        if cold:
            forget(file)
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How fast the scan of a whole corpus is, compared with reading it.")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--repeat", type=int, default=3)
    values = parser.parse_args()
    print(f"{'dtype':<9}{'cache':<7}{'':<28}{'GB/s':>7}{'of reading':>12}")
    for dtype in (np.float16, np.float32):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "X.npy"
            lengths = write(file, int(values.gigabytes * 1e9), dtype)
            n = len(lengths)

            def padded(file: Path = file, lengths: np.ndarray = lengths) -> Scan:
                return scan_padded(np.load(file, mmap_mode="r"), lengths, 0.0)

            def ragged(file: Path = file, n: int = n) -> Scan:
                rows = np.load(file, mmap_mode="r").reshape(-1, DIM)
                # Half of them equal the mask value: the most there is to do.
                return scan_ragged(rows, np.arange(0, n * POSITIONS + 1, POSITIONS), 0.0)

            assert padded().problem is None
            for cold in (True, False) if hasattr(os, "posix_fadvise") else (False,):
                plain = 0.0
                for name, work in (
                    ("reading in blocks", lambda file=file: read(file)),
                    ("mapped, touching each number", lambda file=file: touch(file)),
                    ("scan, padded", padded),
                    ("scan, ragged", ragged),
                ):
                    seconds = best(file, work, cold, values.repeat)
                    plain = plain or seconds
                    speed = file.stat().st_size / seconds / 1e9
                    print(
                        f"{np.dtype(dtype).name:<9}{'cold' if cold else 'warm':<7}{name:<28}"
                        f"{speed:>7.2f}{plain / seconds:>12.2f}",
                        flush=True,
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
