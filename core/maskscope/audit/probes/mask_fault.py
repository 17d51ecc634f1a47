"""The layer at which a mask is lost or altered: what it does, and what would repair it."""

from typing import NamedTuple

from maskscope.audit.probes.mask_flow import MaskFlow
from maskscope.audit.probes.mask_graph import PlacedEdge, is_loss
from maskscope.keras_io.model_graph import GraphEdge

_JOIN_REAL_TOKENS = "join real tokens only, as GlobalAveragePooling1D or an LSTM without return_sequences does"


class MaskFault(NamedTuple):
    """A layer at which padding starts to count.

    Attributes:
        layer: its name; None when the model has no Masking layer at all.
        why: one sentence: what becomes of the mask there.
        advice: the smallest change that would repair it.
        repair: name of the mechanical repair that makes it, of `repair.REPAIRS`; None for none.
    """

    layer: str | None
    why: str
    advice: str
    repair: str | None


NO_MASKING = MaskFault(
    None,
    "The model has no Masking layer, so every layer and the loss take padding for tokens.",
    "begin the model with Masking",
    "mask_input",
)


def mask_fault(flow: MaskFlow, faulty: PlacedEdge) -> MaskFault:
    """The fault behind the first faulty edge."""
    place, edge = faulty
    visit = flow.visits[place]
    title = f"{visit.name} ({visit.class_name})"
    if visit.masking and flow.after[place] == "altered":
        return _wrong_masking(flow, place)
    if edge.text == "mask ignored":
        why = f"{title} joins all positions without using the mask, so padding counts."
        return MaskFault(visit.name, why, _JOIN_REAL_TOKENS, None)
    if visit.kind == "input" and flow.joins_positions(edge.target):
        why = f"{edge.target} joins all positions of {visit.name}, bypassing the Masking layer, so padding counts."
        return MaskFault(edge.target, why, _JOIN_REAL_TOKENS, None)
    if visit.kind == "input":
        why = f"{visit.name} goes to {_followers(edge)}, bypassing the Masking layer, so padding counts there."
        return MaskFault(visit.name, why, f"connect {edge.target} to the output of Masking", "mask_input")
    verb = "alters" if edge.mask == "altered" else "loses"
    why = f"{title} {verb} the mask, so padding counts in {_followers(edge)}."
    advice, repair = _advice_for_lost_mask(flow, place)
    return MaskFault(visit.name, why, advice, repair)


def _wrong_masking(flow: MaskFlow, place: int) -> MaskFault:
    """Of a Masking layer that makes another mask than the true one."""
    visit = flow.visits[place]
    before = flow.visits[visit.arrivals[0].source]
    if before.kind == "input":
        return MaskFault(
            visit.name,
            f"{visit.name} ({visit.class_name}) masks other positions than padding.",
            f"set the mask_value of {visit.name} to the number at padded positions, or pad with its mask_value",
            "mask_input",
        )
    return MaskFault(
        before.name,
        f"{before.name} ({before.class_name}) changes padded rows before {visit.name} can recognize them as padding.",
        f"put {visit.name} before {before.name}",
        "mask_input",
    )


def _advice_for_lost_mask(flow: MaskFlow, place: int) -> tuple[str, str | None]:
    """What would repair a layer that loses or alters the mask, and the mechanical repair that does."""
    visit = flow.visits[place]
    unmasked = [
        flow.visits[arrival.source].name
        for number, arrival in enumerate(visit.arrivals)
        if arrival.role == "values" and flow.arrival_states(place, number)[1] == "none"
    ]
    joiner = flow.joiner_before(place)
    if joiner is not None and not joiner.takes_mask:
        return f"let {joiner.name} {_JOIN_REAL_TOKENS}, and pass the mask on after {visit.name}", None
    if joiner is not None:
        return f"pass the mask on after {visit.name}, which gets none from {joiner.name}", "carry_mask"
    if len(visit.arrivals) > 1 and unmasked:
        names = " and ".join(dict.fromkeys(unmasked))
        return f"start every branch at the Masking layer: {names} has no mask", "mask_input"
    if flow.gives_no_positions(place):
        return _JOIN_REAL_TOKENS, None
    if visit.class_name == "Flip":
        return "use Bidirectional instead of flipping: a flip puts padding first and drops the mask", None
    if visit.kind == "operation":
        return (
            "replace the plain operation, which passes no mask on, with a layer (an activation belongs in Dense or "
            "Activation), or give the next layer the mask with mask=",
            "carry_mask",
        )
    if visit.class_name == "RepeatVector":
        return "give the next layer the mask with mask=: RepeatVector makes new positions without a mask", "carry_mask"
    if visit.kind == "model":
        return f"audit {visit.name} alone", None
    return (
        f"replace {visit.name} with a layer that supports masks, or give the next layer the mask with mask=",
        "carry_mask",
    )


def _followers(edge: GraphEdge) -> str:
    return "the loss" if is_loss(edge) else f"{edge.target} and what follows"
