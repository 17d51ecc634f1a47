"""Recipes of sound models and mutants, drawn by hypothesis."""

from dataclasses import replace

from hypothesis import strategies as st

from tests.core.audit.recipes import (
    ACTIVATIONS,
    ATTENTION,
    BETWEEN,
    CELLS,
    ELSEWHERE,
    FULL,
    HALF,
    LOSSES,
    MASK_VALUES,
    MERGES,
    MUTATIONS,
    ONLY,
    ROUNDED_VALUE,
    Data,
    Recipe,
    Step,
    metrics_of,
)


def _rnns(cells: tuple[str, ...]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.sampled_from(cells), st.sampled_from(MERGES), st.sampled_from((0.0, 0.3)))


def _between(attention: bool) -> st.SearchStrategy[Step]:
    kinds = [kind for kind in BETWEEN if kind not in ONLY and (attention or kind not in ATTENTION)]
    return st.builds(Step, st.sampled_from(kinds), st.just(""), st.sampled_from((0.1, 0.5))).flatmap(
        lambda step: (
            st.builds(Step, st.just(step.kind), st.sampled_from(ACTIVATIONS))
            if step.kind in ("Dense", "Activation")
            else st.just(step)
        )
    )


@st.composite
def _data(draw: st.DrawFn) -> Data:
    kind = draw(st.sampled_from(("ragged", "ragged", "ones", "equal", "long", "many")))
    short = st.integers(1, 12)
    if kind == "ones":
        lengths = (1,) * draw(st.integers(1, 6))
    elif kind == "equal":
        lengths = (draw(short),) * draw(st.integers(1, 6))
    elif kind == "long":
        lengths = (*draw(st.lists(short, max_size=5)), draw(st.integers(200, 260)))
    elif kind == "many":
        lengths = tuple(draw(st.lists(short, min_size=33, max_size=60)))
    else:
        lengths = tuple(draw(st.lists(short, min_size=1, max_size=8)))
    behind = draw(st.sampled_from((0, 0, 1, 5)))
    size = draw(st.sampled_from((1.0, 1.0, 0.05, 1e-3, 1e3)))
    dtype = draw(st.sampled_from(("float32", "float32", "float16", "float64")))
    return Data(
        lengths, behind, size, dtype, draw(st.integers(0, 999)), draw(st.sampled_from(("back", "back", "front")))
    )


@st.composite
def sound(
    draw: st.DrawFn, depths: tuple[int, ...] = (1, 1, 2, 3), attention: bool = False, cells: tuple[str, ...] = CELLS
) -> Recipe:
    """A sound model with its data: no check may fail.

    Args:
        draw: given by hypothesis.
        depths: numbers of recurrent layers to choose from.
        cells: their kinds.
        attention: whether it may have attention.
    """
    steps: list[Step] = []
    for _ in range(draw(st.sampled_from(depths))):
        steps += draw(st.lists(_between(attention), max_size=1))
        steps.append(draw(_rnns(cells)))
    steps += draw(st.lists(_between(attention), max_size=2))
    if draw(st.booleans()) and draw(st.booleans()):
        steps.insert(0, Step("convolution", "concat"))
    fixed = draw(st.booleans()) and draw(st.booleans())
    if fixed:
        steps.insert(draw(st.integers(0, len(steps))), Step("TimeDistributed"))
    policy = draw(st.sampled_from((*FULL, *HALF)))
    if policy in ("float16", "mixed_float16"):
        # its epsilon of 1e-12 is 0 in float16, so a row of zeros, as Bidirectional makes of padding, becomes NaN
        steps = [step for step in steps if step.kind != "UnitNormalization"]
    if policy in HALF:
        # Keras can't add a penalty in 16 bits to a loss in 32
        steps = [step for step in steps if step.kind != "penalised"]
    head = draw(st.sampled_from(("sigmoid", "softmax", "linear")))
    outputs = draw(st.integers(2, 5)) if head == "softmax" else draw(st.sampled_from((1, 1, 3)))
    dim = draw(st.sampled_from((1, 2, 4, 7, 16, 64, 64, 512)))
    losses = ["", *LOSSES[head]]
    if head == "linear" and outputs == 1:
        losses = [loss for loss in losses if "ategorical" not in loss]
    loss = draw(st.sampled_from(losses))
    return Recipe(
        dim=dim,
        units=draw(st.sampled_from((1, 2, 3, 8, 10, 32))),
        policy=policy,
        value=draw(st.sampled_from((0.0, 0.0, *MASK_VALUES, *([ROUNDED_VALUE] if policy == "float32" else [])))),
        steps=tuple(steps),
        head=head,
        outputs=outputs,
        full_head=draw(st.booleans()),
        loss=loss,
        metric=draw(st.sampled_from(metrics_of(loss))),
        weights=draw(st.sampled_from(("fresh", "trained", "large", "saturated"))),
        data=draw(_data()),
        seed=draw(st.integers(0, 999)),
        fixed=fixed,
    )


@st.composite
def mutants(
    draw: st.DrawFn,
    depths: tuple[int, ...] = (1, 1, 2, 3),
    names: tuple[str, ...] = (),
    cells: tuple[str, ...] = CELLS,
) -> Recipe:
    """A sound model, with one mutation at a place where it matters, of `names` or of all."""
    recipe = draw(sound(depths, cells=cells))
    mutation = draw(st.sampled_from(names or (*MUTATIONS, *ELSEWHERE)))
    # a layer that is given the mask by hand would cure some mutations
    left_out = (*ONLY, "explicit")
    recipe = replace(recipe, steps=tuple(step for step in recipe.steps if step.kind not in left_out), fixed=False)
    last = max(place for place, step in enumerate(recipe.steps) if step.kind in CELLS)
    # what a mutation does must show in the outputs, which saturated ones hide
    weights = "trained" if recipe.weights == "saturated" else recipe.weights
    recipe = replace(recipe, mutation=mutation, place=draw(st.integers(0, last)), weights=weights)
    if mutation == "loss reduces":
        return replace(recipe, loss="", metric="", head="sigmoid", outputs=1)
    if mutation in ("Precision", "Recall", "AUC"):
        return replace(recipe, loss="binary_crossentropy", metric="binary_accuracy", head="sigmoid", outputs=1)
    if mutation == "mask_value of no bfloat16":
        return replace(recipe, value=-999.0, policy="mixed_bfloat16")
    if mutation in ("a length too short", "zero row", "whole numbers"):
        return replace(recipe, data=replace(recipe.data, behind=3, size=1.0))
    return recipe
