"""Saves the known part of a model that can't be opened as a whole. Importing it imports TensorFlow."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

from maskscope.errors import ModelError
from maskscope.keras_io import keras_model
from maskscope.keras_io.known_part import KnownPart, known_part
from maskscope.keras_io.safety import read_model_file


def cut(file: Path, out: Path) -> str:
    """Write the part of a model up to its last known layer as a plain `.keras` file.

    It is the model of emissions where the layers that are left out end in a CRF, and the whole model where only its own
    class is not known, or where Keras 2 wrote it. No code of the file is run; what is written has been loaded and run.

    Args:
        file: a `.keras` file that `safety.inspect_keras_file` may refuse.
        out: a `.keras` file that is not there yet.

    Returns:
        The name of the last known layer, whose outputs the written model gives.

    Raises ModelError when there is something at `out`, when no layer before the unknown ones is known, and when the
    file is damaged.
    """
    if out.exists():
        raise ModelError("there is a file of that name already", file=out, expected="a new name", received=out.name)
    config, weights = read_model_file(file)
    part = known_part(config)
    if part is None:
        raise ModelError(
            "has no part to be cut off: nothing before its first unknown layer is known",
            file=file,
            expected="layers of Keras after the input",
            received="none",
        )
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "part.keras"
        with zipfile.ZipFile(plain, "w") as archive:
            archive.writestr("metadata.json", "{}")
            archive.writestr("config.json", json.dumps(part.config))
            archive.writestr("model.weights.h5", _weights_of(part, weights, file))
        try:
            model = keras_model.load(plain)
        except ModelError as error:
            raise error.in_file(file) from error
    keras_model.save(model, out)
    return part.layer


def _weights_of(part: KnownPart, weights: bytes, file: Path) -> bytes:
    """The weights of the part, in the places where Keras looks for them."""
    import h5py

    stream = io.BytesIO()
    with h5py.File(io.BytesIO(weights), "r") as whole, h5py.File(stream, "w") as own:
        layers = own.create_group("layers")
        own.create_group("vars")
        for theirs, mine in part.weights:
            place = f"layers/{theirs}"
            if place not in whole:
                raise ModelError("lacks weights of a layer", file=file, expected=f"a group {place}", received="none")
            whole.copy(whole[place], layers, name=mine)
    return stream.getvalue()
