"""Adam, as Keras computes it."""

import numpy as np

from maskscope.runs import TrainSettings
from maskscope.training.parameters import Parameters
from maskscope.types import Floats

_CLIP = 1.0


class Adam:
    """Adam with the global norm of gradients clipped to 1 (Kingma & Ba 2015), as Keras computes it.

    Args:
        parameters: changed in place by `step`.
        settings: learning rate and whether it falls to 0 over the run.
        n_tokens: of one epoch, which gives the number of steps.
    """

    def __init__(self, parameters: Parameters, settings: TrainSettings, n_tokens: int) -> None:
        self._parameters = parameters
        self._settings = settings
        self._total = max(1, settings.epochs * -(-n_tokens // settings.batch_tokens))
        self._steps = 0
        self._mean: Floats = np.zeros_like(parameters.flat)
        self._square: Floats = np.zeros_like(parameters.flat)
        self._scratch: Floats = np.empty_like(parameters.flat)

    def step(self, gradients: Parameters) -> None:
        """Take one step."""
        gradient, scratch = gradients.flat, self._scratch
        norm = float(np.sqrt(np.dot(gradient, gradient)))
        clip = _CLIP / norm if norm > _CLIP else 1.0
        self._steps += 1
        rate = self._settings.learning_rate
        if self._settings.decay == "linear":
            rate *= max(0.0, 1 - (self._steps - 1) / self._total)
        # m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g²; w -= alpha m / (sqrt(v) + eps); g is clipped on the way
        np.multiply(gradient, np.float32(0.1 * clip), out=scratch)
        self._mean *= np.float32(0.9)
        self._mean += scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch *= np.float32(0.001 * clip * clip)
        self._square *= np.float32(0.999)
        self._square += scratch
        np.sqrt(self._square, out=scratch)
        scratch += np.float32(1e-7)
        np.divide(self._mean, scratch, out=scratch)
        scratch *= np.float32(rate * np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps))
        self._parameters.flat -= scratch
