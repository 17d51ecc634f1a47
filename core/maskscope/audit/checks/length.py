"""LENGTH: append padded positions; what the model prints at real tokens must stay."""

import numpy as np

from maskscope.audit.probes.changes import Largest, blamed
from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import Unrunnable
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Floats

PADDING = (1, 7, 64)
_SHOWN = 12
"""Padded positions in the evidence."""


def check(subject: Subject, job: Job) -> Finding:
    """Compare each sentence alone with itself and 1, 7, 64 padded positions behind it, in graph mode.

    Once with the weights as given and once with the biases moved by N(0, 0.5): AUDIT.md, fact 11.
    """
    bench = subject.bench
    if bench.needs_length:
        raise Unrunnable(bench.needs_length)
    largest = Largest()
    tolerance = bench.tolerance
    groups = subject.of_like_length()
    steps, done = 2 * len(groups) * len(PADDING), 0
    for weights in WEIGHTS:
        with bench.moved(weights):
            for sentences in groups:
                rows_btd = np.stack([subject.data.rows(sentence) for sentence in sentences])
                for k in PADDING:
                    job.progress(done, steps, "LENGTH")
                    done += 1
                    behind: Floats = np.full((len(rows_btd), k, rows_btd.shape[2]), subject.padding, dtype=np.float32)
                    printed = bench.printed(np.concatenate([rows_btd, behind], axis=1))
                    what = f"{k} padded position{'s' if k > 1 else ''}"
                    for sentence, own in zip(sentences, printed, strict=True):
                        n_tokens = rows_btd.shape[1]
                        shown = own[n_tokens : n_tokens + _SHOWN]
                        largest.look(sentence, weights, what, bench.alone(sentence), own[:n_tokens], behind_kc=shown)
    if largest.seen is None or largest.size <= tolerance:
        return Finding(
            "LENGTH",
            "passed",
            f"Adding {', '.join(map(str, PADDING))} padded positions moves no {bench.what} of a real token.",
            largest.size,
            tolerance,
        )
    seen = largest.seen
    return blamed(
        "LENGTH",
        subject,
        seen,
        tolerance,
        f"Adding {seen.what} moves a real token's {bench.what} by {seen.size:.2g} (weights {seen.weights}), so what a "
        f"sentence gets hangs on how long its batch is.",
        seen.evidence("alone", f"with {seen.what}"),
    )
