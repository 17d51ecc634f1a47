"""What the PADDING panel shows for the state of a padding experiment, in text."""

from dataclasses import dataclass

from maskscope.engine.padding_probe import PaddedRun
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.session.model_text import short_reason
from maskscope_gui.session.session import Session
from maskscope_gui.widgets.base import Role

NO_FIGURE = "–"
_MAX_LISTED = 6


@dataclass(frozen=True, slots=True)
class PaddingMessage:
    """The answer of an experiment.

    Attributes:
        verdict: one sentence, and its colour.
        figure: the largest change at a real token.
        figure_role: the colour of the figure.
        explanation: why the verdict is as it is; "" for nothing to explain.
    """

    verdict: str
    role: Role = "second"
    figure: str = NO_FIGURE
    figure_role: Role = "second"
    explanation: str = ""


def padding_message(session: Session, experiment: PaddingExperiment) -> PaddingMessage:
    """The message for an experiment that is not waiting for a result."""
    run, model = experiment.run, session.model
    if run is None and experiment.error:
        return PaddingMessage("Keras returned no result.", "fails", explanation=experiment.error)
    if run is None and model is not None and experiment.in_keras:
        verdict = f"{model.name} runs in Keras, in a worker process that is not running now."
        return PaddingMessage(verdict, explanation=_why_keras(session, experiment))
    if model is not None and experiment.most == 0:
        taken = f"This model takes exactly {model.run.n_positions} positions, and this sentence fills them all."
        return PaddingMessage("There is no room for padding.", explanation=taken)
    if run is None:
        return PaddingMessage("Train or open a model to see what padding does to it.")
    if run.at is None:
        return PaddingMessage("There is no real token here that padding could change.")
    verdict, role = _verdict(experiment, run)
    figure_role: Role = "holds" if experiment.within_tolerance else "fails"
    explanation = _explanation(session, experiment, run)
    return PaddingMessage(verdict, role, f"{run.largest_change:.6f}", figure_role, explanation)


def _verdict(experiment: PaddingExperiment, run: PaddedRun) -> tuple[str, Role]:
    setting, curves = experiment.settings, experiment.curves
    if not experiment.within_tolerance:
        if setting.masked and setting.mask_source != "none":
            return f"✗ masking a token by hand changed others, most at position {run.at}", "fails"
        return f"✗ padding changes the output, most at position {run.at}", "fails"
    if curves is None:
        return "✓ padding is ignored here", "holds"
    tried = len(curves.added)
    every_length = tried > experiment.most
    if float(curves.chosen.max()) <= experiment.tolerance:
        if every_length:
            return f"✓ ignored at every length up to {experiment.most}", "holds"
        return f"✓ ignored at all {tried} lengths tried, up to {experiment.most}", "holds"
    first = int(curves.added[(curves.chosen > experiment.tolerance).argmax()])
    if every_length:
        return f"✗ ignored here, but not from {first} added positions on", "fails"
    return f"✗ ignored here, but not with {first} added position{'s' if first != 1 else ''}", "fails"


def _explanation(session: Session, experiment: PaddingExperiment, run: PaddedRun) -> str:
    setting, focus = experiment.settings, session.focus
    if focus is None or focus.length == 0:
        return ""
    if setting.masked:
        listed = ", ".join(str(position) for position in sorted(setting.masked)[:_MAX_LISTED])
        return f"Masked by hand: position {listed}. {key_of_action('unmask_all')} resets the mask."
    if setting.mask_source == "none":
        return "The same weights without a mask: the LSTM reads padding as if it were tokens."
    if experiment.error:
        return experiment.error
    if setting.fill == "previous" and focus.row.id == 0:
        return "There is no sentence before the first one, so padding is filled with zeros."
    mask_at_padding = run.mask[focus.length :].tolist()
    if experiment.in_keras and (text := _where_the_mask_is_lost(session, experiment, mask_at_padding)):
        return text
    if setting.mask_source == "model" and any(mask_at_padding) and session.mask_value is None:
        if experiment.within_tolerance:
            return "This model has no Masking layer: the mask lane shows 1 at padding, yet it changes no token here."
        return "This model has no Masking layer, so it reads padding as if it were tokens: the mask lane shows 1 there."
    if setting.mask_source == "model" and any(mask_at_padding):
        return (
            "The Masking layer only masks rows that equal its mask value. These rows do not, "
            "so the model treats them as tokens: the mask lane shows 1 there."
        )
    if mask_at_padding and not any(mask_at_padding) and not experiment.within_tolerance:
        return (
            "These positions are masked, yet they change the output; "
            f"the audit shows which layer depends on them ({key_of_action('audit')})."
        )
    return _where_padding_is(experiment) or _why_keras(session, experiment)


def _where_padding_is(experiment: PaddingExperiment) -> str:
    """Of padding in front of the tokens, that it is drawn behind them all the same."""
    if experiment.padding.side == "back" or not experiment.settings.added:
        return ""
    return "Padding is added in front of the tokens, as in the source; it is drawn behind them."


def _where_the_mask_is_lost(session: Session, experiment: PaddingExperiment, mask_at_padding: list[bool]) -> str:
    """For a model that only Keras runs, where its mask is lost; "" when there is nothing to say."""
    if any(mask_at_padding) and session.mask_value is None:
        text = "No Masking layer reads the embeddings in this model, so the mask lane shows 1 at padding"
        return f"{text}; yet padding changes no token here." if experiment.within_tolerance else f"{text}."
    if mask_at_padding and not any(mask_at_padding) and not experiment.within_tolerance:
        return (
            "Its Masking layer masks these positions, but a later layer loses or ignores the mask; "
            f"the audit shows where ({key_of_action('audit')})."
        )
    return ""


def _why_keras(session: Session, experiment: PaddingExperiment) -> str:
    model = session.model
    if model is None or not experiment.in_keras:
        return ""
    return f"This model runs in Keras because it {short_reason(model.run.engine_reason)}."
