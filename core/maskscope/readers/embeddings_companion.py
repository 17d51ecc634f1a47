"""The file with the embeddings of a text, as an option and a field of the import dialog."""

from pathlib import Path

from maskscope.readers.base import Companion
from maskscope.readers.embeddings_file import HDF5_MAGIC

_HDF5_SUFFIXES = (".hdf5", ".h5", ".hdf")
_USUAL_NAMES = ("embeddings", "elmo")


def _is_embeddings(path: Path) -> bool:
    if path.suffix.lower() == ".npy":
        return path.stem.casefold().startswith(_USUAL_NAMES)
    try:
        with path.open("rb") as stream:
            return stream.read(len(HDF5_MAGIC)) == HDF5_MAGIC
    except OSError:
        return False


def _find_embeddings(source: Path) -> Path | None:
    """A file with the name of the source or a usual name, else the only HDF5 file in the folder."""
    names = [f"{stem}{suffix}" for stem in (source.stem, *_USUAL_NAMES) for suffix in (*_HDF5_SUFFIXES, ".npy")]
    paths = (source.parent / name for name in names)
    found = next((path for path in paths if path.is_file()), None)
    return found or _only_hdf5(source.parent)


def _only_hdf5(folder: Path) -> Path | None:
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in _HDF5_SUFFIXES and path.is_file()]
    except OSError:
        return None
    return found[0] if len(found) == 1 else None


EMBEDDINGS = Companion(
    name="embeddings",
    label="&Embeddings",
    help="HDF5 with a dataset for each sentence, or .npy with a row for each token.",
    description='HDF5, as ELMo tools write it: a dataset for each sentence, `"0"`, `"1"`, ..., of shape (T, D) or'
    " (layers, T, D); of several layers `--layer` takes one (from 0), `mean` (the default, with a note) or `concat`;"
    " where there is a `sentence_to_index` (up to 200,000 sentences), a sentence in another order is refused, and"
    " sentences of equal text share one entry. Or .npy of shape (n_tokens, D), a row for each token in reading order,"
    " such as a project's `embeddings.npy`",
    suffixes=(*_HDF5_SUFFIXES, ".npy"),
    matches=_is_embeddings,
    find=_find_embeddings,
    required=True,
)
