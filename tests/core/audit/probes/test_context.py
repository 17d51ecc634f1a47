"""The sample that an audit runs the model on."""

import numpy as np

from maskscope.audit.probes.context import Padded, Ragged, choose_sample


def test_the_sample_leaves_out_empty_sentences() -> None:
    ragged = Ragged(np.ones((3, 2), np.float32), np.array([0, 0, 2, 2, 3]), "source")
    assert choose_sample(ragged) == (1, 3)
    assert choose_sample(Padded(np.ones((2, 2, 1), np.float32), np.array([0, 0]), "source")) == ()
