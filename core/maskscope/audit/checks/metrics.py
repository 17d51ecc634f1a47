"""METRICS: which of the compiled metrics count padding."""

import numpy as np

from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import Bench, Judged
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Floats

TOLERANCE = 1e-5
HALF_TOLERANCE = 1e-3
"""Of a metric below 1, and relative above; the metrics of a model that computes in 16 bits may, too."""
_TOKENS = 96


def check(subject: Subject, job: Job) -> Finding:
    """Flip the labels at padding: a metric that moves counts padding; one that stays must be that of the real tokens.

    Each compiled metric is masked (it stays, and equals the metric over the real tokens alone), counts padding (it
    moves), or neither. Those in `weighted_metrics` are given the 2-D mask as sample weights, as they want it.
    """
    bench = subject.bench
    compiled = subject.compiled
    # the loss comes first among what is unknown
    unknown = () if compiled is None else compiled.unknown[int(compiled.unknown_loss) :]
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
            advice="put the metric into weighted_metrics, and give fit and evaluate the 2-D mask as sample_weight",
        )
    if unknown:
        return _unknown(unknown)
    words = f"Padding enters none of: {', '.join(states)}."
    if compiled.weighted_metrics:
        words = (
            f"{words[:-1]}; but those among weighted_metrics count it wherever fit or evaluate is not given the 2-D "
            "mask as sample_weight."
        )
    return Finding("METRICS", "passed", words, worst, tolerance)


def _unknown(names: tuple[str, ...]) -> Finding:
    return Finding(
        "METRICS",
        "could not tell",
        f"The file's own metrics are code that it does not hold ({', '.join(names)}).",
        advice="audit the compiled model where its code is: maskscope.audit.audit_model(model, X, lengths)",
    )


def _states(bench: Bench, sample: PaddedSample, tolerance: float) -> dict[str, tuple[str, float]]:
    """Of each metric by name: "masked", "counts padding" or "is not that of the real tokens"; and by how much."""
    y = bench.labels(sample.x_btd)
    flipped = bench.flipped(y, sample.mask_bt)
    padded, moved = _measured(bench, sample, y), _measured(bench, sample, flipped)
    judged = bench.judged(sample.x_btd, y)
    # positions that are no padding, one by one: a batch of sentences of one token, which has no padding at all
    alone = bench.metrics_of(y[sample.mask_bt][:, None], judged.printed[sample.mask_bt][:, None])
    # a metric may count padding only where something is predicted there: so padding is given other predictions, too
    # and each label there: Recall counts no padding that is labelled 0, and where it is 0 only a hit moves it
    ways = [_predicted(bench, sample, judged, labels, sure) for labels in (y, flipped) for sure in (1.0, 0.0)]
    found = {}
    for name in padded:
        size = max(1.0, abs(alone.get(name, 0.0)))
        by_way = [each[name] for each in ways if name in each] or [0.0]
        by_labels = np.maximum(abs(moved[name] - padded[name]), np.ptp(by_way)) / size
        # of the same predictions: another graph would round them otherwise
        from_real = abs(by_way[0] - alone[name]) / size if name in alone else 0.0
        if not by_labels <= tolerance:
            found[name] = ("counts padding", _size(by_labels))
        elif not from_real <= tolerance:
            found[name] = ("is not that of the real tokens", _size(from_real))
        else:
            found[name] = ("masked", max(by_labels, from_real))
    return found


def _measured(bench: Bench, sample: PaddedSample, y: Floats) -> dict[str, float]:
    return bench.measured(sample.x_btd, y, sample.mask_bt.astype(np.float32))


def _predicted(bench: Bench, sample: PaddedSample, judged: Judged, y: Floats, sure: float) -> dict[str, float]:
    """The metrics with `sure` printed at padding, first of the classes, under the mask that the model hands on."""
    printed = judged.printed.copy()
    printed[~sample.mask_bt] = 1 - sure
    printed[~sample.mask_bt, :1] = sure
    return bench.metrics_of(y, printed, judged.counted, sample.mask_bt.astype(np.float32))


def _size(deviation: float) -> float:
    return deviation if np.isfinite(deviation) else float("inf")
