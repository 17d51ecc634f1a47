"""One step of the GRU cell: the only place where its equations are.

They are those of Keras 3's `GRUCell`, gates in Keras' order (update, reset, candidate)::

    update, reset = recurrent_activation(x kernel + hidden recurrent + bias)     one part for each gate
    candidate = activation(x kernel + bias + reset * (hidden recurrent + recurrent_bias))    with reset_after
    candidate = activation(x kernel + bias + (reset * hidden) recurrent)                     without
    hidden = update * hidden + (1 - update) * candidate

The caller makes the products, and so the sum of the candidate, which lies between `update_and_reset` and `output`.
"""

import numpy as np

from maskscope.engine.activations import ActivationName, activate
from maskscope.types import Floats

UPDATE, RESET, CANDIDATE = range(3)
"""Places of the gates in every array of three: the order in which Keras stores them."""
N_GATES = 3


def update_and_reset(sums: Floats, recurrent_activation: ActivationName) -> tuple[Floats, Floats]:
    """The update and the reset gate of their sums (2, ...), which are overwritten."""
    gates = activate(sums, recurrent_activation)
    return gates[UPDATE], gates[RESET]


def output(update: Floats, candidate_sum: Floats, before: Floats, activation: ActivationName, out: Floats) -> None:
    """Write the new hidden state to `out`; `candidate_sum` is overwritten, `before` is the state of the step before."""
    candidate = activate(candidate_sum, activation)
    np.subtract(before, candidate, out=out)
    np.multiply(update, out, out=out)
    np.add(out, candidate, out=out)
