"""GRADIENT: no padded number may have any influence on what is printed at real tokens, however small."""

import numpy as np

from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import Unrunnable
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights
from maskscope.audit.report import Evidence, Finding, Verdict
from maskscope.jobs import Job
from maskscope.types import Floats

_SENTENCES, _TOKENS = 16, 48


def check(subject: Subject, job: Job) -> Finding:
    """d(sum of real outputs · r)/d(padded inputs) is 0 exactly: at the input, and with the mask frozen.

    r is N(0, 1). At the input the model makes its own mask; frozen, it is given the true one and the Masking layer
    hands its input on, which shows layers that read padding behind it. Once with the weights as given and once with
    moved biases.
    """
    bench = subject.bench
    sample = padded_sample(subject, _SENTENCES, _TOKENS)
    printed = bench.printed(sample.x_btd)
    r_btc: Floats = np.random.default_rng(0).normal(size=printed.shape).astype(np.float32)
    r_btc[~sample.mask_bt] = 0.0
    worst, at = 0.0, (0, 0)
    weights_of: Weights = "as given"
    where, evidence, remark = "", None, ""
    steps, done = 2 * len(WEIGHTS), 0
    for weights in WEIGHTS:
        with bench.moved(weights):
            for way, mask in (("at the input", None), ("with the mask frozen", sample.mask_bt)):
                job.progress(done, steps, "GRADIENT")
                done += 1
                try:
                    gradient = np.abs(bench.input_gradient(sample.x_btd, r_btc, mask))
                except Unrunnable:
                    if mask is None:
                        raise
                    # a model with code of its own can still be asked at its input
                    remark = " at the input; under a frozen mask it can't be asked"
                    continue
                by_bt = np.where(np.isfinite(gradient), gradient, np.inf).max(axis=2)
                padded = np.where(sample.mask_bt, 0.0, by_bt)
                if padded.max(initial=0.0) > worst:
                    worst, weights_of, where = float(padded.max()), weights, way
                    row, position = np.unravel_index(int(padded.argmax()), padded.shape)
                    at = (int(row), int(position))
                    label = "largest gradient by the position's numbers"
                    evidence = Evidence.of(
                        sample.sentences[at[0]], sample.mask_bt[at[0]], [(label, "change", by_bt[at[0]])], at[1]
                    )
    if not worst:
        verdict: Verdict = "could not tell" if remark else "passed"
        return Finding(
            "GRADIENT",
            verdict,
            f"No number at a padded position has any influence on a real token{remark}.",
            0.0,
            0.0,
        )
    layer, advice, repair = subject.cause
    return Finding(
        "GRADIENT",
        "failed",
        f"Numbers at padded positions have an influence on real tokens ({where}, weights {weights_of}): the gradient "
        f"there is {worst:.2g} where it should be 0.",
        worst,
        0.0,
        sample.sentences[at[0]],
        at[1],
        layer,
        advice,
        repair,
        evidence,
    )
