"""One step of the SimpleRNN cell of Keras 3: the only place where its equation is.

hidden = activation(x kernel + hidden recurrent + bias)
"""

import numpy as np

from maskscope.engine.activations import ActivationName, activate
from maskscope.types import Floats

N_GATES = 1


def step(sums: Floats, activation: ActivationName, out: Floats) -> None:
    """Write the new hidden state to `out`; the sums are overwritten."""
    np.copyto(out, activate(sums, activation))
