"""The layer at which a mask is lost or altered: what it does, and what would repair it."""

import math
from typing import NamedTuple

from maskscope.audit.probes import mask_advice
from maskscope.audit.probes.mask_flow import MaskFlow
from maskscope.audit.probes.mask_graph import PlacedEdge, is_loss
from maskscope.keras_io.model_graph import GraphEdge


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


def no_masking(flow: MaskFlow) -> MaskFault:
    """Of a model in which no mask is ever made."""
    return MaskFault(
        None,
        "The model has no Masking layer, so Keras tells neither its layers nor its loss which positions are padding.",
        mask_advice.begin_with_masking(flow.padding),
        "mask_input",
    )


def mask_fault(flow: MaskFlow, faulty: PlacedEdge) -> MaskFault:
    """The fault behind the first faulty edge."""
    visit, edge = flow.visits[faulty.place], faulty.edge
    title = f"{visit.name} ({visit.class_name})"
    if faulty.kind == "fails":
        return _failing(flow, faulty.place)
    if faulty.kind == "not used":
        return _unused(flow, faulty.place)
    if faulty.kind == "removed":
        why = f"{title} takes the mask off {edge.source}, so padding counts in {_followers(edge)}."
        copy = "copy = keras.layers.Rescaling(1.0)(x)"
        return MaskFault(visit.name, why, f"give {visit.name} a copy: {copy}, {visit.name}(copy, copy)", "copy_input")
    if faulty.kind == "reversed":
        why = (
            f"{title} reads backwards and gives its outputs in that order, which {_first_follower(edge)} takes under a"
            " mask in the right order, so real tokens meet padding."
        )
        turned = mask_advice.put_back(flow, "keras.ops.flip(x, axis=1)")
        advice = f"use keras.layers.Bidirectional, which turns its outputs, or turn those of {visit.name}: {turned}"
        return MaskFault(visit.name, why, advice, "turn_back")
    if faulty.kind == "reads":
        why = f"{title} reads its neighbours, and padding among them is not 0, so it counts in the tokens next to it."
        return MaskFault(visit.name, why, *mask_advice.for_read_padding(flow, faulty.place))
    if faulty.kind == "statistics":
        return _statistics(flow, faulty.place)
    if visit.masking and flow.after[faulty.place] == "altered":
        return _wrong_masking(flow, faulty.place)
    if edge.text == "mask ignored":
        why = f"{title} joins all positions without using the mask, so padding counts."
        return MaskFault(visit.name, why, mask_advice.JOIN_REAL_TOKENS, None)
    if visit.kind == "input":
        return _unmasked_input(flow, faulty)
    verb = "alters" if edge.mask == "altered" else "loses"
    why = f"{title} {verb} the mask, so padding counts in {_followers(edge)}."
    return MaskFault(visit.name, why, *mask_advice.for_lost_mask(flow, faulty.place))


def _failing(flow: MaskFlow, place: int) -> MaskFault:
    """Of a layer that raises an error on a padded batch."""
    visit = flow.visits[place]
    why = f"{visit.name} ({visit.class_name}) does not run on a padded batch ({visit.error})."
    if visit.class_name == "Softmax":
        # it takes a mask for one of its own axis
        advice = f"use keras.layers.Activation('softmax') in place of {visit.name}, which can't run with a mask (B, T)"
        return MaskFault(visit.name, why, advice, "plain_dense")
    return MaskFault(visit.name, why, f"audit the model without {visit.name}", None)


def _unused(flow: MaskFlow, place: int) -> MaskFault:
    """Of a layer that Keras passes no mask, since it is called with several tensors."""
    visit = flow.visits[place]
    also = "initial_state" if visit.class_name.split("(")[0] in _RECURRENT else "several tensors"
    why = (
        f"{visit.name} ({visit.class_name}) is called with {also}, and then Keras does not pass it the mask, so it "
        "reads padding as tokens; with padding behind the tokens that may not show."
    )
    call = f"{visit.name}(x, initial_state=states, mask=mask)" if also == "initial_state" else "mask=mask"
    return MaskFault(
        visit.name, why, f"give {visit.name} the mask: {call} with {mask_advice.mask_of(flow)}", "give_mask"
    )


_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D"})


def _statistics(flow: MaskFlow, place: int) -> MaskFault:
    """Of a BatchNormalization that no mask reaches."""
    visit = flow.visits[place]
    why = (
        f"No mask reaches {visit.name} ({visit.class_name}), so in training padding enters its mean and variance, and "
        "with them every token."
    )
    if any(each.masking for each in flow.visits[place:]):
        return MaskFault(visit.name, why, f"put the Masking layer before {visit.name}", "mask_input")
    return MaskFault(visit.name, why, f"give {visit.name} the mask: mask=mask with {mask_advice.mask_of(flow)}", None)


def _unmasked_input(flow: MaskFlow, faulty: PlacedEdge) -> MaskFault:
    """Of an input that is used without a mask."""
    visit, edge = flow.visits[faulty.place], faulty.edge
    if flow.joins_positions(edge.target):
        why = f"{edge.target} joins all positions of {visit.name}, bypassing the Masking layer, so padding counts."
        return MaskFault(edge.target, why, mask_advice.JOIN_REAL_TOKENS, None)
    if not flow.is_masked(faulty.place) and sum(each.kind == "input" for each in flow.visits) > 1:
        why = f"{visit.name} has no Masking layer, as another input has, so padding counts in {_followers(edge)}."
        advice = f"put {mask_advice.masking(flow.padding or 'PADDING')} behind the input {visit.name}, too"
        return MaskFault(visit.name, why, advice, None)
    why = f"{visit.name} goes to {_followers(edge)}, bypassing the Masking layer, so padding counts there."
    return MaskFault(visit.name, why, f"connect {edge.target} to the output of Masking", "mask_input")


def _wrong_masking(flow: MaskFlow, place: int) -> MaskFault:
    """Of a Masking layer that makes another mask than the true one."""
    visit = flow.visits[place]
    before = flow.visits[visit.arrivals[0].source]
    value = visit.mask_value
    if isinstance(value, float) and math.isnan(value):
        return MaskFault(
            visit.name,
            f"{visit.name} (Masking(nan)) masks nothing, since nan equals nothing, not even itself.",
            "pad with a number that no token consists of, such as 0.0, and build the layer with it: "
            "keras.layers.Masking(0.0)",
            None if flow.padding is None else "mask_input",
        )
    if before.kind in ("input", "entrance"):
        held = "" if flow.padding is None or flow.padding == "row" else f", {flow.padding}"
        return MaskFault(
            visit.name,
            f"{visit.name} ({visit.class_name}) masks other positions than padding.",
            f"set the mask_value of {visit.name} to the number at padded positions{held}, or pad with its mask_value",
            "mask_input",
        )
    anew = any(each.masking for each in flow.visits[:place])
    return MaskFault(
        before.name,
        f"{before.name} ({before.class_name}) changes padded rows before {visit.name} can recognize them as padding.",
        f"remove {visit.name}: there is a mask before it" if anew else f"put {visit.name} before {before.name}",
        "mask_input",
    )


def _followers(edge: GraphEdge) -> str:
    return "the loss" if is_loss(edge) else f"{edge.target} and what follows"


def _first_follower(edge: GraphEdge) -> str:
    return "the loss" if is_loss(edge) else edge.target
