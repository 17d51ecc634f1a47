"""Peak memory of an import by number of sentences, with which it must not grow.

    python benchmarks/importing.py [--dim 64] [--tokens 20] [--sentences 1000 4000 16000]

Each import runs in a process of its own, whose peak resident memory and time are printed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parent.parent

IMPORT = """
import sys
sys.path[:0] = sys.argv[1:2]
from pathlib import Path
from maskscope.workflows.import_ import import_project
from maskscope.readers import ReadOptions
import h5py
target, source, companion = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
def peak():
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts the parent's memory into ru_maxrss; this figure begins with the process's own program.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        import psutil
        return psutil.Process().memory_info().peak_wset
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
before = peak()
import_project(target, source, ReadOptions(embeddings=Path(companion) if companion else None))
print(before, peak())
"""


def write_padded(folder: Path, n_sentences: int, n_tokens: int, dim: int) -> tuple[Path, Path | None]:
    """X.npy of shape (n_sentences, n_tokens, dim) float16, every second token of each sentence padding."""
    file = folder / "X.npy"
    x = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(n_sentences, n_tokens, dim))
    x[:, : n_tokens // 2] = 1
    x.flush()
    return file, None


def write_text(folder: Path, n_sentences: int, n_tokens: int, dim: int) -> tuple[Path, Path | None]:
    """A CoNLL-style text with an HDF5 dataset of (n_tokens // 2, dim) float16 a sentence."""
    file, companion = folder / "s.conll", folder / "e.hdf5"
    rows = np.ones((n_tokens // 2, dim), dtype=np.float16)
    with file.open("w", encoding="utf-8", newline="\n") as text, h5py.File(companion, "w") as arrays:
        for i in range(n_sentences):
            text.write("".join(f"word{i}\t{'name' if t == 0 else 'none'}\n" for t in range(n_tokens // 2)) + "\n")
            arrays[str(i)] = rows
    return file, companion


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Peak memory of an import by number of sentences.")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=20, help="positions of a padded sentence")
    parser.add_argument("--sentences", type=int, nargs="+", default=[1000, 4000, 16000])
    values = parser.parse_args()
    print(f"D = {values.dim}, {values.tokens // 2} tokens a sentence, float16; MB of resident memory")
    print(f"{'source':<14}{'sentences':>10}{'file':>8}{'before':>8}{'peak':>8}{'grew by':>9}{'seconds':>9}")
    for name, write in (("X.npy", write_padded), ("CoNLL + HDF5", write_text)):
        for n_sentences in values.sentences:
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                source, companion = write(folder, n_sentences, values.tokens, values.dim)
                began = time.perf_counter()
                run = subprocess.run(
                    [
                        sys.executable,
                        "-c",
                        IMPORT,
                        str(ROOT / "core"),
                        str(folder / "p"),
                        str(source),
                        str(companion or ""),
                    ],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                seconds = time.perf_counter() - began
                size = (companion or source).stat().st_size / 1e6
                before, peak = (int(number) / 1e6 for number in run.stdout.split())
            figures = f"{size:>8.1f}{before:>8.1f}{peak:>8.1f}{peak - before:>9.1f}{seconds:>9.1f}"
            print(f"{name:<14}{n_sentences:>10,}{figures}")
    print("HDF5 keeps up to 32 MB of a file's names and places in memory; beyond that it stays level.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
