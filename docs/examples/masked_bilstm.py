"""The masked BiLSTM tagger over embeddings one already has, and no Embedding layer.

    python docs/examples/masked_bilstm.py [--epochs 6] [--folder FOLDER]

Masking, Bidirectional(LSTM(10)) with a recurrent dropout of 0.3, and a sigmoid for each token, over (None, 2048).
The sentences are made up: a token is a name when its own embedding says so, or when the token before it is a title,
which only a model that reads the sentence can know.
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

from maskscope.audit import audit_arrays, model_graph

DIM = 2048
SENTENCES = 240


def made_up(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make x (N, T, 2048) float32, padded right with zeros, y (N, T, 1) of 0 and 1, and lengths (N,)."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 16, SENTENCES)
    x = np.zeros((SENTENCES, lengths.max(), DIM), dtype=np.float32)
    y = np.zeros((SENTENCES, lengths.max(), 1), dtype=np.float32)
    name, title = rng.normal(size=(2, DIM)) / np.sqrt(DIM)
    for row, length in enumerate(lengths):
        is_title = rng.random(length) < 0.2
        is_name = ~is_title & (rng.random(length) < 0.2)
        x[row, :length] = rng.normal(size=(length, DIM)) / np.sqrt(DIM)
        x[row, :length] += np.outer(is_title, title) + np.outer(is_name, name)
        y[row, :length, 0] = is_name
        y[row, 1:length, 0] = np.maximum(y[row, 1:length, 0], is_title[:-1])
    return x, y, lengths


def build() -> keras.Model:
    """The tagger. Dense takes the 3-D tensor: TimeDistributed is broken over variable lengths in Keras 3.15."""
    keras.utils.set_random_seed(0)
    lstm = keras.layers.LSTM(10, return_sequences=True, recurrent_dropout=0.3)
    return keras.Sequential(
        [
            keras.Input((None, DIM), name="embeddings"),
            keras.layers.Masking(0.0, name="masking"),
            keras.layers.Bidirectional(lstm, name="bilstm"),
            keras.layers.Dense(1, activation="sigmoid", name="probability"),
        ],
        name="tagger",
    )


def main() -> int:
    """Train, print the accuracy at real tokens, the outputs at padding, and the audit's findings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the picture goes")
    values = parser.parse_args()

    x, y, lengths = made_up()
    real = np.arange(x.shape[1])[None, :] < lengths[:, None]
    held_back = np.arange(SENTENCES) >= 0.8 * SENTENCES
    model = build()
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    history = model.fit(x[~held_back], y[~held_back], epochs=values.epochs, batch_size=16, verbose=0).history
    probabilities = model.predict(x, verbose=0)[..., 0]

    seen = real & held_back[:, None]
    right = (probabilities[seen] > 0.5) == (y[seen][:, 0] > 0.5)
    always = max(float(y[seen].mean()), 1 - float(y[seen].mean()))
    print(f"{SENTENCES} sentences of {lengths.min()} to {lengths.max()} tokens, {DIM} numbers a token")
    print(f"{int(real.sum()):,} real tokens, {int((~real).sum()):,} padded positions")
    print(f"loss over real tokens: {history['loss'][0]:.3f} in the first epoch, {history['loss'][-1]:.3f} in the last")
    print(f"right at {right.mean():.1%} of {right.size} real tokens held back; the commoner label alone: {always:.1%}")
    at_padding = probabilities[~real]
    print(f"output at padding: {at_padding.min():.4f} to {at_padding.max():.4f}, which is no prediction")

    with tempfile.TemporaryDirectory() as kept:
        file = Path(kept) / "masked_bilstm.keras"
        model.save(file)
        draw(file, values.folder / "masked_bilstm.svg")
        report = audit_arrays(x, lengths, file)
    print(f"the audit: {report.verdict}")
    for finding in report.findings:
        print(f"  {finding.check:<10} {finding.verdict:<14} {finding.meaning}")
    return 0


def draw(keras_file: Path, picture: Path) -> None:
    """The model's layers, with the mask on every edge."""
    from maskscope_gui.app import make_application
    from maskscope_gui.pages.picture.picture_file import write_picture
    from maskscope_resources.colours import LIGHT

    make_application()
    write_picture(model_graph(keras_file), picture, LIGHT)


if __name__ == "__main__":
    sys.exit(main())
