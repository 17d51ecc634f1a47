"""``maskscope evaluate``: compare a model's predictions with the labels."""

import argparse
import json
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command, add_labels_to_compare, add_model, add_project
from maskscope.commands.chosen_model import EngineUsed, choose_model, scores_to_compare
from maskscope.commands.open_options import add_open_options, open_options
from maskscope.commands.terminal import TerminalJob, say, say_json, table

if TYPE_CHECKING:
    from maskscope.evaluation.scores import ClassScores
    from maskscope.evaluation.token_scores import Evaluation, Metrics
    from maskscope.workflows.evaluate import ProjectEvaluation

_PADDED = "if padding were counted"
_DECODED = {
    "viterbi": "the most probable sequences that the span scheme allows",
    "argmax": "the most probable label of each token",
}


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "compare a model's predictions with the labels, over real tokens only",
        "maskscope evaluate tweets.maskscope\nmaskscope evaluate tweets.maskscope --model m1 --against gold --json",
    )
    add_project(parser)
    add_model(parser)
    add_labels_to_compare(parser)
    add_open_options(parser)


def run(values: argparse.Namespace) -> int:
    """Evaluate a model."""
    from maskscope.project import Project
    from maskscope.workflows.evaluate import evaluate_project

    with Project.open(values.project, read_only=True) as project:
        chosen = choose_model(project, values.model, open_options(values))
        with TerminalJob() as job:
            scores, used = scores_to_compare(project, chosen, job)
            whole = evaluate_project(project, scores, values.against, values.decoding, job)
            validation: ProjectEvaluation | None = None
            if any(sentence < project.n_sentences for sentence in scores.validation):
                validation = evaluate_project(project, scores, values.against, values.decoding, job, "validation")
    if values.json:
        say_json(
            {
                "model": chosen.name,
                "against": values.against,
                "engine": used.engine,
                "engine_reason": used.reason,
                "masked_by_model": whole.masked_by_model,
                "sentences": whole.sentences,
                **json.loads(whole.evaluation.to_json()),
                "validation": None if validation is None else json.loads(validation.evaluation.to_json()),
            }
        )
    else:
        say(f"model {chosen.name}, compared with {values.against} labels")
        _say(whole, validation, used)
    return 0


def _say(whole: "ProjectEvaluation", validation: "ProjectEvaluation | None", used: EngineUsed) -> None:
    everything = whole.evaluation
    say(used.text)
    if validation is not None:
        say(f"validation sentences ({validation.evaluation.tokens:,} tokens):")
        say(_figures(validation.evaluation))
        say("")
    trained = ", most of which it was trained on" if validation else ""
    say(f"all sentences ({everything.tokens:,} tokens){trained}:")
    say(_figures(everything))
    _say_decoding(everything)
    if everything.if_padding_counted is None:
        say("the model's output at padded positions is not known, so there is no column for counting padding")
    if everything.unlabelled:
        say(f"{everything.unlabelled:,} tokens have no label and are not counted")
    if whole.masked_by_model:
        say(f"collisions: {whole.masked_by_model:,} real tokens that the model takes for padding are counted, too")


def _say_decoding(evaluation: "Evaluation") -> None:
    argmax = evaluation.argmax
    if argmax is None:
        return
    if evaluation.decoding == "argmax":
        say(f"predictions are {_DECODED['argmax']}; {argmax.violations:,} of them break the span scheme")
        return
    say(
        f"predictions are {_DECODED[evaluation.decoding]}; {_DECODED['argmax']} differs on {argmax.differing:,} tokens"
        f" and breaks the span scheme on {argmax.violations:,}: entity F1 {argmax.entity_f1:.3f}"
    )


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
    """Rows of the table: name, scores, and the unit that their support counts."""
    tokens = [*metrics.per_class, metrics.micro, metrics.macro]
    entities = metrics.entities
    lines = [(score.name, score, "tokens") for score in tokens] + [("entities", entities.micro, "entities")]
    if entities.strict is not None:
        lines.append(("entities, strict", entities.strict.micro, "entities"))
    return lines


def _single(metrics: "Metrics") -> list[tuple[str, str]]:
    single = [
        ("accuracy", f"{metrics.accuracy:.3f}"),
        ("loss per token", f"{metrics.loss:.4f}"),
        ("expected calibration error", f"{metrics.calibration.expected_calibration_error:.4f}"),
    ]
    curve = metrics.curve
    # There is none when padding is counted.
    if curve is not None:
        single += [
            ("average precision", f"{curve.average_precision:.3f}"),
            ("best F1 at any threshold", f"{curve.best_f1:.3f} at {curve.best_threshold:.3f}"),
        ]
    return single
