"""TIME: the model gives as many positions as it takes, for any number of them, in graph mode as eagerly."""

import numpy as np

from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import Unrunnable
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Floats

LENGTHS = (9, 5, 12, 9)
BATCHES = (1, 8)


def check(subject: Subject, job: Job) -> Finding:
    """T = 9, 5, 12, 9 at B = 1 and 8: as many positions come out as go in, and graph mode gives what eager mode gives.

    The positions are tokens of the sample, none of them padding.
    """
    bench = subject.bench
    if bench.needs_length:
        raise Unrunnable(bench.needs_length)
    tolerance = subject.tolerance
    tokens = _tokens(subject)
    worst, steps, done = 0.0, len(BATCHES) * len(LENGTHS), 0
    for n_sentences in BATCHES:
        for n_positions in LENGTHS:
            job.progress(done, steps, "TIME")
            done += 1
            x_btd = np.resize(tokens, (n_sentences, n_positions, tokens.shape[1]))
            try:
                graph = bench.raw(x_btd)
                # eager recurrence is slow, and what the size of a batch breaks it breaks in a graph, too
                eager = bench.eager(x_btd) if n_sentences == 1 and done <= len(set(LENGTHS)) else graph
            except Unrunnable as error:
                if done == 1:
                    # nothing has run yet, so it is no number of positions that the model can't take
                    raise
                return _failed(
                    subject,
                    f"A batch of {n_sentences} sentences of {n_positions} tokens can't be run. {error}",
                    None,
                    tolerance,
                )
            for way, printed in (("graph mode", graph), ("eager mode", eager)):
                if printed.shape[:2] != (n_sentences, n_positions):
                    words = (
                        f"In {way} a batch of {n_sentences} sentences of {n_positions} tokens gives {printed.shape}, "
                        "not one prediction a position."
                    )
                    return _failed(subject, words, None, tolerance)
            change = np.abs(graph - eager)
            worst = max(worst, float(np.where(np.isfinite(change), change, np.inf).max(initial=0.0)))
    if worst > tolerance:
        # only now: to see how the model rounds it has to be run, which may be what fails
        tolerance = bench.tolerance
    if worst <= tolerance:
        return Finding(
            "TIME",
            "passed",
            f"For {', '.join(map(str, LENGTHS))} tokens as many predictions come out, in graph mode as eagerly.",
            worst,
            tolerance,
        )
    return _failed(subject, f"Graph mode and eager mode differ by {worst:.2g} on the same batch.", worst, tolerance)


def _failed(subject: Subject, words: str, worst: float | None, tolerance: float) -> Finding:
    import keras

    from maskscope.keras_io import keras_graph

    suspects = [
        each for each in keras_graph.every_layer(subject.model) if isinstance(each, keras.layers.TimeDistributed)
    ]
    if not suspects:
        return Finding("TIME", "failed", words, worst, tolerance, advice="build the model with Input((None, D))")
    layer = suspects[0]
    dense = isinstance(layer.layer, keras.layers.Dense)
    advice = (
        f"use the Dense layer itself in place of {layer.name}: on (B, T, D) it is the same mathematics"
        if dense
        else f"take {layer.name} away: since Keras 3.14 TimeDistributed goes by the batch size of its first call"
    )
    return Finding(
        "TIME",
        "failed",
        words,
        worst,
        tolerance,
        layer=str(layer.name),
        advice=advice,
        repair="plain_dense" if dense else None,
    )


def _tokens(subject: Subject) -> Floats:
    rows = [subject.data.rows(sentence) for sentence in subject.sample[:4]]
    tokens: Floats = np.concatenate(rows)
    return tokens
