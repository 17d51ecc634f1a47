"""What would repair a model that loses its mask: the smallest change, with the line of Keras code that makes it.

tests/core/audit/probes/test_mask_advice.py makes each of these changes and sees TRACE pass.
"""

from maskscope.audit.probes.mask_flow import MaskFlow, has_positions

JOIN_REAL_TOKENS = "join real tokens only, as GlobalAveragePooling1D or an LSTM without return_sequences does"

SENTINEL = -32768.0
"""The number at padded positions where a mask is made anew: float16 and bfloat16 hold it exactly, no layer gives it."""


def begin_with_masking(padding: str | None) -> str:
    """For a model without any mask; `padding` is the code for what padded positions hold, None where it varies."""
    if padding is None:
        return "pad with one number that no token consists of, and begin the model with keras.layers.Masking of it"
    return f"begin the model with {masking(padding)}"


def masking(padding: str) -> str:
    """The Masking layer for what padded positions hold, as code."""
    if padding == "row":
        return "keras.layers.Masking(row), where row is the list of the numbers at padded positions"
    return f"keras.layers.Masking({padding})"


def mask_of(flow: MaskFlow) -> str:
    """The line of code that makes the mask."""
    name = next((each.name for each in flow.visits if each.kind == "input" and has_positions(each.shapes[0])), "inputs")
    return f"mask = keras.ops.any(keras.ops.not_equal({name}, {flow.padding or 'PADDING'}), axis=-1)"


def give_mask(flow: MaskFlow, place: int) -> str:
    """To have the mask after a visit that loses it: `mask=` where the next layer takes it, else made anew."""
    takers = [flow.visits[user] for user in flow.users(place) if flow.visits[user].takes_mask]
    takers = [each for each in takers if each.kind == "layer" and "Attention" not in each.class_name]
    if len(takers) == 1 and len(flow.users(place)) == 1:
        name = takers[0].name
        return f"give {name} the mask: {name}(x, mask=mask) with {mask_of(flow)}"
    return f"put the mask back after {flow.visits[place].name}: {put_back(flow, 'x')}"


def put_back(flow: MaskFlow, values: str) -> str:
    """The line of code that makes the mask anew on a tensor."""
    anew = f"keras.ops.where(mask[..., None], {values}, {SENTINEL})"
    return f"x = keras.layers.Masking({SENTINEL})({anew}) with {mask_of(flow)}"


def for_lost_mask(flow: MaskFlow, place: int) -> tuple[str, str | None]:
    """What would repair a layer that loses or alters the mask, and the mechanical repair that does."""
    visit = flow.visits[place]
    resampled = flow.resampled_after(place)
    if resampled is not None:
        return f"do without {resampled}, which joins neighbouring positions: no mask helps there", None
    joiner = flow.joiner_before(place)
    if joiner is not None and not joiner.takes_mask:
        return f"let {joiner.name} {JOIN_REAL_TOKENS}, and pass the mask on after {visit.name}", None
    if joiner is not None:
        return f"{put_back(flow, 'x')}, after {visit.name}, which gets no mask from {joiner.name}", "carry_mask"
    if len(visit.arrivals) > 1 and (unmasked := _unmasked(flow, place)):
        return _mask_every_branch(flow, unmasked)
    if flow.gives_no_positions(place):
        return JOIN_REAL_TOKENS, None
    if visit.class_name == "Flip" and flow.reversed_by[visit.arrivals[0].source] is None:
        return "use keras.layers.Bidirectional instead of flipping: a flip puts padding first and drops the mask", None
    again = give_mask(flow, place)
    if visit.kind == "operation":
        return (
            "replace the plain operation, which passes no mask on, with a layer (an activation belongs in Dense or "
            f"Activation), or {again}",
            "carry_mask",
        )
    if visit.class_name == "RepeatVector":
        return f"{again}: RepeatVector makes new positions without a mask", "carry_mask"
    if visit.kind == "model":
        return f"audit {visit.name} alone, and {again}", "carry_mask"
    if visit.class_name == "Lambda":
        return f"write {visit.name} as a layer class with self.supports_masking = True, or {again}", "carry_mask"
    if visit.own_code:
        return (
            f"set self.supports_masking = True in {visit.class_name} if it works position by position, or {again}",
            "carry_mask",
        )
    return f"replace {visit.name} with a layer that supports masks, or {again}", "carry_mask"


def for_read_padding(flow: MaskFlow, place: int) -> tuple[str, str | None]:
    """What would repair a convolution that reads padding, and the mechanical repair that does."""
    name = flow.visits[place].name
    zeros = f"set padding to 0 before {name}: x = x * keras.ops.cast(mask[..., None], x.dtype)"
    if flow.after[place] != "same" and flow.needs_mask(place):
        return f"{zeros}, and {give_mask(flow, place)}", "carry_mask"
    return f"{zeros} with {mask_of(flow)}", "carry_mask"


def _unmasked(flow: MaskFlow, place: int) -> list[int]:
    """The places of the visits that give a visit tensors without a mask."""
    return [
        arrival.source
        for number, arrival in enumerate(flow.visits[place].arrivals)
        if arrival.role == "values" and flow.arrival_states(place, number)[1] == "none"
    ]


def _mask_every_branch(flow: MaskFlow, unmasked: list[int]) -> tuple[str, str | None]:
    """For a layer that joins branches, of which some have no mask: those that begin at an input without Masking."""
    inputs = sum(each.kind == "input" for each in flow.visits)
    alone = [place for place in unmasked if (own := flow.only_input(place)) is not None and not flow.is_masked(own)]
    if inputs > 1 and alone:
        bare = tuple(dict.fromkeys(flow.visits[flow.only_input(place) or 0].name for place in alone))
        words = f"input {bare[0]}, too, which has" if len(bare) == 1 else f"inputs {' and '.join(bare)}, which have"
        return f"put {masking(flow.padding or 'PADDING')} behind the {words} none", None
    names = " and ".join(dict.fromkeys(flow.visits[place].name for place in unmasked))
    return f"start every branch at the Masking layer: {names} has no mask", "mask_input"
