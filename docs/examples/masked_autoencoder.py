"""The masked LSTM autoencoder, its padding audit, and a repaired one.

    python docs/examples/masked_autoencoder.py [--epochs 300] [--folder FOLDER]

Three sequences, padded with zeros to nine positions, are to be reproduced. In the model as it is usually written,
RepeatVector ends the mask: the decoder and the loss take padding for values. In the repaired one the decoder is
given the mask and passes it on to the loss: two more lines of plain Keras, and no custom class.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from maskscope.audit import AuditReport, audit_arrays, model_graph

LENGTHS = np.array([9, 8, 4])
N_POSITIONS = 9
UNITS = 100


def sequences() -> np.ndarray:
    """0.1 to 0.9, 0.1 to 0.8 and 0.3 to 0.6, padded right with zeros: (3, 9, 1) float32."""
    x = np.zeros((3, N_POSITIONS, 1), dtype=np.float32)
    x[0, :9, 0] = np.arange(1, 10) / 10
    x[1, :8, 0] = np.arange(1, 9) / 10
    x[2, :4, 0] = np.arange(3, 7) / 10
    return x


def build(repaired: bool) -> keras.Model:
    """Masking, LSTM, RepeatVector, LSTM, Dense; with `repaired`, the second LSTM is given the mask of the input."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((N_POSITIONS, 1), name="sequence")
    masked = keras.layers.Masking(0.0, name="masking")(inputs)
    code = keras.layers.LSTM(UNITS, activation="relu", name="encoder")(masked)
    repeated = keras.layers.RepeatVector(N_POSITIONS, name="repeat")(code)
    decoder = keras.layers.LSTM(UNITS, activation="relu", return_sequences=True, name="decoder")
    if repaired:
        mask = keras.ops.any(keras.ops.not_equal(inputs, 0.0), axis=-1)
        hidden = decoder(repeated, mask=mask)
    else:
        hidden = decoder(repeated)
    return keras.Model(inputs, keras.layers.Dense(1, name="value")(hidden), name="autoencoder")


def audited(model: keras.Model, name: str, folder: Path) -> AuditReport:
    """Save the model for a while, draw its picture into `folder`, and audit it."""
    with tempfile.TemporaryDirectory() as kept:
        file = Path(kept) / f"{name}.keras"
        model.save(file)
        draw(file, folder / f"{name}.svg")
        return audit_arrays(sequences(), LENGTHS, file)


def draw(keras_file: Path, picture: Path) -> None:
    """The model's layers, with the mask on every edge."""
    from maskscope_gui.app import make_application
    from maskscope_gui.pages.picture.picture_file import write_picture
    from maskscope_resources.colours import LIGHT

    make_application()
    write_picture(model_graph(keras_file), picture, LIGHT)


def line(name: str, values: np.ndarray) -> str:
    """Nine numbers under each other's columns."""
    return f"  {name:<24}" + "  ".join(f"{value:5.3f}" for value in values)


def main() -> int:
    """Train both, print their outputs and the audits' findings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the pictures go")
    values = parser.parse_args()

    x = sequences()
    real = np.arange(N_POSITIONS)[None, :] < LENGTHS[:, None]
    outputs = {}
    for name, repaired in (("masked_autoencoder", False), ("masked_autoencoder_repaired", True)):
        model = build(repaired)
        model.compile(optimizer="adam", loss="mse")
        losses = model.fit(x, x, epochs=values.epochs, batch_size=len(x), verbose=0).history["loss"]
        outputs[name] = model.predict(x, verbose=0)
        error = float(np.square(outputs[name] - x)[real].mean())
        print(f"{'repaired' if repaired else 'as usual'}: {values.epochs} epochs")
        print(f"  loss that Keras reports  {losses[-1]:.6f}")
        print(f"  error at real values     {error:.6f}")
        report = audited(model, name, values.folder)
        for finding in report.findings:
            print(f"  {finding.check:<10} {finding.verdict:<14} {finding.meaning}")
        print()

    for row, words in enumerate(("first", "second", "third")):
        print(f"the {words} sequence, of {LENGTHS[row]} values")
        print(line("input", x[row, : LENGTHS[row], 0]))
        print(line("reproduced, as usual", outputs["masked_autoencoder"][row, : LENGTHS[row], 0]))
        print(line("reproduced, repaired", outputs["masked_autoencoder_repaired"][row, : LENGTHS[row], 0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
