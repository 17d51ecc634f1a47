"""The order in which tokens are stepped through."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskscope.engine.recurrence import schedule
from tests.core.engine.taggers import offsets_of


@given(st.lists(st.integers(0, 6), max_size=8))
def test_a_schedule_steps_through_each_token_once_in_each_direction(lengths: list[int]) -> None:
    offsets = offsets_of(*lengths)
    plan = schedule(offsets[:-1], np.diff(offsets))
    n_tokens = int(offsets[-1])
    for direction in (0, 1):
        assert sorted(plan.tokens[direction].tolist()) == list(range(n_tokens))
    np.testing.assert_array_equal(plan.tokens[0][plan.places], np.arange(n_tokens))
    np.testing.assert_array_equal(plan.tokens[1][plan.mirror], plan.tokens[0])
    np.testing.assert_array_equal(plan.tokens[0][plan.mirror], plan.tokens[1])
    for step, (begin, end) in enumerate(pairwise(plan.starts)):
        for slot in range(begin, end):
            sentence = int(np.searchsorted(offsets, plan.tokens[0, slot], side="right")) - 1
            assert plan.tokens[0, slot] - offsets[sentence] == step
            assert offsets[sentence + 1] - 1 - plan.tokens[1, slot] == step
