"""How long an audit takes: all checks of a BiLSTM(10) over D = 2048, on a sample of 32 of 400 sentences.

    python benchmarks/auditing.py

The peer is Keras itself: one epoch of `fit` over the same 400 sentences, padded to the longest, in batches of 32.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

DIM, UNITS, SENTENCES = 2048, 10, 400


def main() -> int:
    """Print a table: each check's seconds, and their sum as a share of an epoch of `fit`."""
    began = time.perf_counter()
    import keras

    from maskscope.audit.checks.registry import CHECKS
    from maskscope.audit.prepare import array_sentences, model_context
    from maskscope.audit.probes.audit_probes import AuditProbes
    from maskscope.audit.runner import run_check
    from maskscope.jobs import NullJob
    from maskscope.keras_io.keras_check import keras_mask_warning

    importing = time.perf_counter() - began
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(2.9, 0.6, SENTENCES).astype(int), 1, 120)
    x = np.zeros((SENTENCES, lengths.max(), DIM), dtype=np.float32)
    for row, length in enumerate(lengths):
        x[row, :length] = rng.normal(size=(length, DIM))
    inputs = keras.Input((None, DIM))
    lstm = keras.layers.LSTM(UNITS, return_sequences=True, recurrent_dropout=0.3)
    hidden = keras.layers.Bidirectional(lstm)(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(hidden))

    probes = AuditProbes(model_context(model, array_sentences(x, lengths)))
    job, total = NullJob(), 0.0
    print(f"{len(probes.context.sample)} of {SENTENCES} sentences, the longest of {lengths.max()} tokens, D = {DIM}")
    for check in CHECKS:
        began = time.perf_counter()
        found = run_check(check, probes, job)
        seconds = time.perf_counter() - began
        total += seconds
        print(f"{check:<11}{found.verdict:<8}{seconds:6.2f} s")
    began = time.perf_counter()
    keras_mask_warning()
    print(f"the worker's question to Keras at its start {time.perf_counter() - began:.2f} s")
    model.compile("adam", "binary_crossentropy")
    y = rng.integers(0, 2, (*x.shape[:2], 1)).astype(np.float32)
    began = time.perf_counter()
    model.fit(x, y, batch_size=32, epochs=1, verbose=0)
    epoch = time.perf_counter() - began
    print(f"all checks {total:.1f} s; one epoch of fit {epoch:.1f} s; import of TensorFlow {importing:.1f} s")
    print(f"an audit takes {total / epoch:.2f} of an epoch")
    return 0


if __name__ == "__main__":
    sys.exit(main())
