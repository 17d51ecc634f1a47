"""TIME: the output has as many positions as the input, for any number of them, in graph mode and eagerly."""

import numpy as np

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Floats

LENGTHS = (9, 5, 12, 9)
BATCHES = (1, 8)
_ROUNDINGS = 4
"""Roundings by which graph mode, which joins layers, may be off in 16 bits from eager mode, which rounds each layer."""
STEP = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""What a number of 16 bits may be off by, relative."""


def run(probes: AuditProbes, job: Job) -> Finding:
    """Run T = 9, 5, 12, 9 positions at B = 1 and 8: outputs have the input's T, and graph mode equals eager mode.

    The positions are tokens of the sample, none of them padding. It is the given model that is run, not its copy; one
    that was built for a certain T or B is run with that.
    """
    runner = probes.given_runner
    lengths = LENGTHS if runner.n_positions is None else (runner.n_positions,)
    batches = BATCHES if runner.n_sentences is None else (runner.n_sentences,)
    tolerance = probes.context.tolerance
    tokens = np.concatenate([probes.context.data.rows(sentence) for sentence in probes.context.sample[:4]])
    worst, done = 0.0, 0
    for n_sentences in batches:
        for n_positions in lengths:
            job.progress(done, len(batches) * len(lengths), "TIME")
            x_btd: Floats = np.resize(tokens, (n_sentences, n_positions, tokens.shape[1]))
            # eager recurrence is slow, and what the batch size breaks in eager mode it breaks in a graph, too
            eagerly = done < len(set(lengths))
            done += 1
            try:
                fault, difference = _compare_modes(runner, x_btd, eagerly)
            except Unrunnable as error:
                if done == 1 and not probes.context.copied:
                    # nothing has run yet, and no copy, so the number of positions is not the cause
                    raise
                fault = f"A batch of {_batch_size(n_sentences, n_positions)} can't be run. {error}"
            if fault:
                return _failed(probes, fault, None, tolerance)
            worst = max(worst, difference)
    if worst > tolerance:
        # only now: to measure rounding the model has to be run, which may be what fails
        tolerance = max(runner.tolerance, _ROUNDINGS * _rounding(probes, tokens))
    if worst > tolerance:
        fault = f"Graph mode and eager mode differ by {worst:.2g} on the same batch."
        return _failed(probes, fault, worst, tolerance)
    given = "one prediction a sentence" if runner.per_sentence else "as many predictions"
    meaning = (
        f"For {', '.join(map(str, lengths))} tokens the model gives {given}, the same in graph mode and eager mode."
    )
    return Finding("TIME", "passed", meaning, worst, tolerance)


def _rounding(probes: AuditProbes, tokens: Floats) -> float:
    """The largest change of an output that one rounding makes, of the output or of every number of the input.

    0 for a model that computes in float32, for which the tolerance is enough.
    """
    step = STEP.get(probes.context.compute_dtype)
    if step is None:
        return 0.0
    runner = probes.given_runner
    n_sentences, n_positions = runner.n_sentences or max(BATCHES), runner.n_positions or max(LENGTHS)
    x_btd: Floats = np.resize(tokens, (n_sentences, n_positions, tokens.shape[1]))
    signs = np.random.default_rng(0).choice([-1, 1], x_btd.shape)
    off: Floats = (x_btd * (1 + step * signs)).astype(np.float32)
    change = np.abs(runner.raw_outputs(off) - runner.raw_outputs(x_btd))
    return max(runner.tolerance, float(np.nanmax(change, initial=0.0)))


def _compare_modes(runner: ModelRunner, x_btd: Floats, eagerly: bool) -> tuple[str, float]:
    """One sentence on an output of another length, or ""; and the largest difference between graph and eager mode."""
    _reset_states(runner)
    graph = runner.raw_outputs(x_btd)
    _reset_states(runner)
    eager = runner.eager_outputs(x_btd) if eagerly else graph
    n_sentences, n_positions = x_btd.shape[:2]
    for mode, outputs in (("graph mode", graph), ("eager mode", eager)):
        wanted = (n_sentences,) if runner.per_sentence else (n_sentences, n_positions)
        # one number a token may come without a last axis
        ranks = (2,) if runner.per_sentence else (2, 3)
        if outputs.ndim not in ranks or outputs.shape[: len(wanted)] != wanted:
            return (
                f"In {mode} a batch of {_batch_size(n_sentences, n_positions)} gives an output of shape "
                f"{outputs.shape}, not one prediction per {'sentence' if runner.per_sentence else 'position'}."
            ), 0.0
    difference = np.abs(graph - eager)
    return "", float(np.where(np.isfinite(difference), difference, np.inf).max(initial=0.0))


def _batch_size(n_sentences: int, n_positions: int) -> str:
    """For a message: "one sentence of 9 tokens"."""
    return f"{'one sentence' if n_sentences == 1 else f'{n_sentences} sentences'} of {n_positions} tokens"


def _reset_states(runner: ModelRunner) -> None:
    """Begin anew with layers that carry a state from one batch to the next."""
    from maskscope.keras_io import keras_graph

    for layer in keras_graph.every_layer(runner.model):
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
            layer.reset_state()


def _failed(probes: AuditProbes, meaning: str, worst: float | None, tolerance: float) -> Finding:
    import keras

    from maskscope.keras_io import keras_graph
    from maskscope.keras_io.each_position import position_by_position

    layers = keras_graph.every_layer(probes.context.given)
    suspects = [each for each in layers if isinstance(each, keras.layers.TimeDistributed)]
    softmax = [str(each.name) for each in layers if isinstance(each, keras.layers.Softmax)]
    if not suspects and softmax:
        advice = f"replace {softmax[0]} with Activation('softmax'): Keras's Softmax layer fails under a mask (B, T)"
        return Finding(
            "TIME", "failed", meaning, worst, tolerance, layer=softmax[0], advice=advice, repair="plain_dense"
        )
    if not suspects:
        return Finding("TIME", "failed", meaning, worst, tolerance, advice="build the model with Input((None, D))")
    names = ", ".join(str(each.name) for each in suspects)
    plain = all(position_by_position(each.layer) is not None for each in suspects)
    advice = f"remove {names}: since Keras 3.14 TimeDistributed depends on the batch size of its first call"
    if plain:
        inside = "the layer inside it" if len(suspects) == 1 else "the layers inside them"
        advice = f"replace {names} with {inside}: on (B, T, D) that computes the same"
    return Finding(
        "TIME",
        "failed",
        meaning,
        worst,
        tolerance,
        layer=str(suspects[0].name),
        advice=advice,
        repair="plain_dense" if plain else None,
    )


CHECK = Check(
    "TIME",
    "Batches of 9, 5, 12 and 9 positions, of 1 and of 8 sentences, are run one after another: each output must be as "
    "long as its input, and the compiled graph must give the same outputs as eager execution.",
    "it is not reliable on batches of different lengths",
    "largest difference between graph and eager execution",
    mutants("M11"),
    run,
)
