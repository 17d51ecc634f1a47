"""The commands that hold taggers against labels: evaluate, compare."""

import argparse
import json
from typing import TYPE_CHECKING

from maskscope.commands.score import ChosenModel, Ran, choose_model, run_model
from maskscope.commands.terminal import TerminalJob, say, say_json, shown, table

if TYPE_CHECKING:
    from maskscope.evaluation.scores import ClassScores
    from maskscope.evaluation.token_scores import Evaluation, Metrics
    from maskscope.project import Project
    from maskscope.types import Floats
    from maskscope.workflows.compare import Comparison
    from maskscope.workflows.evaluate import ModelScores, ProjectEvaluation

_LISTED_JSON = 1000
_LISTED = 20
_PADDED = "if padding were counted"


def evaluate(values: argparse.Namespace) -> int:
    """``maskscope evaluate PROJECT``"""
    from maskscope.project import Project
    from maskscope.workflows.evaluate import evaluate_project

    with Project.open(values.project, read_only=True) as project:
        chosen = choose_model(project, values.model)
        with TerminalJob() as job:
            scores, ran = _scores(project, chosen, job)
            whole = evaluate_project(project, scores, values.against, values.decoding, job)
            held_back: ProjectEvaluation | None = None
            if any(sentence < project.n_sentences for sentence in scores.validation):
                held_back = evaluate_project(project, scores, values.against, values.decoding, job, "validation")
    if values.json:
        say_json(
            {
                "model": chosen.name,
                "against": values.against,
                "engine": ran.engine,
                "engine_reason": ran.reason,
                "masked_by_model": whole.masked_by_model,
                "sentences": whole.sentences,
                **json.loads(whole.evaluation.to_json()),
                "validation": None if held_back is None else json.loads(held_back.evaluation.to_json()),
            }
        )
        return 0
    everything = whole.evaluation
    say(f"model {chosen.name} against {values.against} labels")
    say(ran.words)
    if held_back is not None:
        say(f"sentences held back from training ({held_back.evaluation.tokens:,} tokens):")
        say(_figures(held_back.evaluation))
        say("")
    say(f"all sentences ({everything.tokens:,} tokens){', most of which it was trained on' if held_back else ''}:")
    say(_figures(everything))
    if everything.argmax is not None:
        raw = everything.argmax
        if everything.decoding == "argmax":
            say(f"predictions are {_DECODED['argmax']}; {raw.violations:,} of them break the scheme")
        else:
            say(
                f"predictions are {_DECODED[everything.decoding]}; decided by itself, each token's likeliest label"
                f" differs on {raw.differing:,} tokens and breaks the scheme on {raw.violations:,}: entity F1"
                f" {raw.entity_f1:.3f}"
            )
    if everything.if_padding_counted is None:
        say("what the model prints at padding is not known, so there is no column for counting it")
    if everything.unlabelled:
        say(f"{everything.unlabelled:,} tokens have no label and don't count")
    if whole.masked_by_model:
        say(
            f"collisions: {whole.masked_by_model:,} real tokens that the model takes for padding are counted, as the"
            " tokens they are"
        )
    return 0


def compare(values: argparse.Namespace) -> int:
    """``maskscope compare PROJECT --with ID``"""
    from maskscope.project import Project
    from maskscope.workflows import compare

    with Project.open(values.project, read_only=True) as project:
        chosen = choose_model(project, values.model), choose_model(project, values.other)
        with TerminalJob() as job:
            a, b = (_scores(project, each, job)[0] for each in chosen)
            found = compare.compare(project, a, b, values.against, values.decoding, job)
        differences = _differences(project, found, _LISTED_JSON if values.json else _LISTED)
    if values.json:
        say_json(
            {
                "a": found.a,
                "b": found.b,
                "against": found.against,
                "decoding": values.decoding,
                "tokens": found.tokens,
                "both_right": found.both_right,
                "only_a": found.only_a,
                "only_b": found.only_b,
                "both_wrong": found.both_wrong,
                "differing": len(found.rows),
                "differing_unlabelled": found.unlabelled,
                "differences": differences,
            }
        )
        return 0
    say(f"A is {found.a}, B is {found.b}, against {found.against} labels ({found.tokens:,} tokens):")
    counts = (
        ("both right", found.both_right),
        ("only A right", found.only_a),
        ("only B right", found.only_b),
        ("both wrong", found.both_wrong),
    )
    say(table([(f"  {words}", f"{count:,}") for words, count in counts]))
    without = f", {found.unlabelled:,} of them without a label" if found.unlabelled else ""
    if not differences:
        say("they say the same of every token")
        return 0
    first = f"; the first {len(differences)}" if len(differences) < len(found.rows) else ""
    say(f"they differ on {len(found.rows):,} tokens{without}{first}:")
    rows = [("  sentence", "position", "token", "label", "A", "", "B", "")]
    rows += [
        (
            f"  {each['sentence']}",
            f"{each['position']}",
            shown(str(each["token"])),
            str(each["label"] or "?"),
            str(each["a"]),
            f"{each['p_a']:.2f}",
            str(each["b"]),
            f"{each['p_b']:.2f}",
        )
        for each in differences
    ]
    say(table(rows))
    return 0


_DECODED = {
    "viterbi": "the likeliest sequences that the span scheme allows",
    "argmax": "each token's own",
}


def _scores(project: "Project", chosen: ChosenModel, job: TerminalJob) -> "tuple[ModelScores, Ran]":
    import numpy as np

    from maskscope.workflows.evaluate import ModelScores, model_scores

    record = chosen.record
    if record is not None and (record.run.engine == "packed" or project.models.scores(record.id) is not None):
        return model_scores(project, record.id, job), Ran(record.run.engine, record.run.engine_reason)
    scored = run_model(project, chosen, None, job, padding=True)
    masked = np.flatnonzero(~scored.mask)
    if record is None:
        padding = scored.padding if scored.ran.engine == "keras" else _padding(project, chosen, scored.probs_nc)
        return ModelScores(chosen.name, scored.scheme, scored.probs_nc, masked, padding), scored.ran
    validation = tuple(record.run.validation_sentences)
    padding = scored.padding if scored.padding is not None else project.models.padding_scores(record.id)
    return ModelScores(chosen.name, scored.scheme, scored.probs_nc, masked, padding, validation), scored.ran


def _padding(project: "Project", chosen: ChosenModel, probs_nc: "Floats") -> "Floats | None":
    from maskscope.engine import packed
    from maskscope.workflows.evaluate import output_at_padding

    return output_at_padding(packed.load(chosen.file), probs_nc, project.offsets)


def _differences(project: "Project", found: "Comparison", most: int) -> list[dict[str, str | int | float | None]]:
    names = found.scheme.classes
    listed: list[dict[str, str | int | float | None]] = []
    tokens: tuple[str, ...] = ()
    before = -1
    for i, (sentence, position) in enumerate(found.places[:most].tolist()):
        if sentence != before:
            tokens, before = project.sentence(sentence).tokens, sentence
        label = int(found.labels[i])
        listed.append(
            {
                "sentence": sentence,
                "position": position,
                "token": tokens[position],
                "label": names[label] if label >= 0 else None,
                "a": names[found.predicted_a[i]],
                "b": names[found.predicted_b[i]],
                "p_a": float(found.probability_a[i]),
                "p_b": float(found.probability_b[i]),
            }
        )
    return listed


def _figures(evaluation: "Evaluation") -> str:
    padded = evaluation.if_padding_counted
    scores, single = _scores_of(evaluation.metrics), _single(evaluation.metrics)
    others = [f"{score.f1:.3f}" for _, score, _ in _scores_of(padded.metrics)] if padded else [""] * len(scores)
    others_single = [figure for _, figure in _single(padded.metrics)] if padded else [""] * len(single)
    rows = [("", "precision", "recall", "F1", "of", f"F1 {_PADDED}" if padded else "")]
    rows += [
        (
            f"  {name}",
            f"{score.precision:.3f}",
            f"{score.recall:.3f}",
            f"{score.f1:.3f}",
            f"{score.support:,} {unit}",
            other,
        )
        for (name, score, unit), other in zip(scores, others, strict=True)
    ]
    more = [("", "", f"{_PADDED}, {padded.padded_positions:,} positions more")] if padded else []
    more += [(f"  {name}", own, other) for (name, own), other in zip(single, others_single, strict=True)]
    return f"{table(rows)}\n{table(more)}"


def _scores_of(metrics: "Metrics") -> "list[tuple[str, ClassScores, str]]":
    """Name, scores and what their support counts, a line each."""
    tokens = [*metrics.per_class, metrics.micro, metrics.macro]
    entities = metrics.entities
    lines = [(score.name, score, "tokens") for score in tokens] + [("entities", entities.micro, "entities")]
    if entities.strict is not None:
        lines.append(("entities, strict", entities.strict.micro, "entities"))
    return lines


def _single(metrics: "Metrics") -> list[tuple[str, str]]:
    single = [
        ("accuracy", f"{metrics.accuracy:.3f}"),
        ("loss a token", f"{metrics.loss:.4f}"),
        ("expected calibration error", f"{metrics.calibration.expected_calibration_error:.4f}"),
    ]
    curve = metrics.curve
    # with padding it can't come to be there: padding is never labelled so
    if curve is not None:
        single += [
            ("average precision", f"{curve.average_precision:.3f}"),
            ("best F1 at any threshold", f"{curve.best_f1:.3f} at {curve.best_threshold:.3f}"),
        ]
    return single
