"""METRICS: which of the compiled metrics count padding."""

import numpy as np

from maskscope.audit.batch import PaddedSample, padded_sample
from maskscope.audit.bench import Bench
from maskscope.audit.moved import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.audit.subject import Subject
from maskscope.jobs import Job
from maskscope.types import Floats

TOLERANCE = 1e-5
HALF_TOLERANCE = 1e-3
_TOKENS = 96


def check(subject: Subject, job: Job) -> Finding:
    """Flip the labels at padding: a metric that moves counts padding; one that stays must be that of the real tokens.

    Each compiled metric is masked (it stays, and equals the metric over the real tokens alone), counts padding (it
    moves), or neither. Those in `weighted_metrics` are given the 2-D mask as sample weights, as they want it.
    """
    bench = subject.bench
    compiled = subject.compiled
    unknown = compiled.unknown[1:] if compiled is not None and compiled.unknown_loss else ()
    if compiled is not None and not compiled.unknown_loss:
        unknown = compiled.unknown
    if compiled is None or not (compiled.metrics or compiled.weighted_metrics or unknown):
        return Finding("METRICS", "passed", "The model was saved without metrics, so none of them can count padding.")
    if not (compiled.metrics or compiled.weighted_metrics):
        return _unknown(unknown)
    sample = padded_sample(subject, tokens=_TOKENS)
    tolerance = HALF_TOLERANCE if subject.half else TOLERANCE
    states: dict[str, tuple[str, float]] = {}
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "METRICS")
        with bench.moved(weights):
            for name, (state, size) in _states(bench, sample, tolerance).items():
                if size >= states.get(name, ("", -1.0))[1]:
                    states[name] = (state, size)
    wrong = {name: found for name, found in states.items() if found[0] != "masked"}
    worst = max((size for _, size in states.values()), default=0.0)
    if wrong:
        each = ", ".join(f"{name} {state}" for name, (state, _) in wrong.items())
        return Finding(
            "METRICS",
            "failed",
            f"Of {len(states)} metric{'s' if len(states) > 1 else ''} {each}: what `fit` and `evaluate` print is not "
            "the figure of the real tokens.",
            worst,
            tolerance,
            mend="put the metric into weighted_metrics and give the 2-D mask as sample_weight",
        )
    if unknown:
        return _unknown(unknown)
    return Finding("METRICS", "passed", f"Padding enters none of: {', '.join(states)}.", worst, tolerance)


def _unknown(names: tuple[str, ...]) -> Finding:
    return Finding(
        "METRICS",
        "could not tell",
        f"The file's own metrics are code that it does not hold ({', '.join(names)}).",
        mend="audit the compiled model where its code is: maskscope.audit.audit_model(model, X, lengths)",
    )


def _states(bench: Bench, sample: PaddedSample, tolerance: float) -> dict[str, tuple[str, float]]:
    """Of each metric by name: "masked", "counts padding" or "is not that of the real tokens"; and by how much."""
    y = bench.labels(sample.x_btd)
    flipped = bench.flipped(y, sample.mask_bt)
    padded, moved = _measured(bench, sample, y), _measured(bench, sample, flipped)
    # positions that are no padding, one by one: a batch of sentences of one token, which has no padding at all
    alone = bench.metrics_of(y[sample.mask_bt][:, None], bench.printed(sample.x_btd)[sample.mask_bt][:, None])
    found = {}
    for name in padded:
        by_labels, from_real = abs(moved[name] - padded[name]), abs(padded[name] - alone.get(name, padded[name]))
        if not by_labels <= tolerance:
            found[name] = ("counts padding", _size(by_labels))
        elif not from_real <= tolerance:
            found[name] = ("is not that of the real tokens", _size(from_real))
        else:
            found[name] = ("masked", max(by_labels, from_real))
    return found


def _measured(bench: Bench, sample: PaddedSample, y: Floats) -> dict[str, float]:
    return bench.measured(sample.x_btd, y, sample.mask_bt.astype(np.float32))


def _size(deviation: float) -> float:
    return deviation if np.isfinite(deviation) else float("inf")
