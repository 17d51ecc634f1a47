"""The forward and backward pass of training, without Keras."""

import numpy as np
import pytest

from maskscope.engine.activations import output_probabilities
from maskscope.engine.packed import PackedTagger
from maskscope.training.backprop import Batch
from maskscope.training.dropouts import Dropouts
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats, TagScheme

DIM = 4
BINARY = TagScheme("binary", ("O", "name"))
TYPED = TagScheme("multiclass", ("O", "a", "b"))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("scheme", [BINARY, TYPED])
def test_gradients_are_the_slopes_of_the_loss(scheme: TagScheme, layers: int) -> None:
    """By finite differences, with every dropout on."""
    rng = np.random.default_rng(0)
    spec = TaggerSpec(scheme, DIM, units=2, layers=layers, dropout=0.3, recurrent_dropout=0.3)
    lengths = np.array([3, 1, 4])
    x: Floats = rng.normal(size=(8, DIM)).astype(np.float32)
    labels, weights = rng.integers(0, len(scheme.classes), 8), rng.random(8).astype(np.float32)
    parameters = Parameters.fresh(spec, rng)
    drawn = Dropouts.draw(spec, 8, 3, rng)
    gradients = Batch(parameters, x, lengths, drawn).gradients(labels, weights).flat
    direction: Floats = rng.normal(size=gradients.shape).astype(np.float32)
    step = np.float32(1e-2)
    ends = [Batch(Parameters(spec, parameters.flat + s * direction), x, lengths, drawn) for s in (step, -step)]
    slope = (ends[0].loss(labels, weights) - ends[1].loss(labels, weights)) / (2 * float(step) * float(weights.sum()))
    assert slope == pytest.approx(float(gradients @ direction), rel=5e-3, abs=1e-4)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("scheme", [BINARY, TYPED])
def test_without_dropout_a_batch_predicts_as_the_packed_engine(scheme: TagScheme, layers: int) -> None:
    rng = np.random.default_rng(1)
    spec = TaggerSpec(scheme, DIM, units=3, layers=layers, recurrent_dropout=0.0)
    parameters = Parameters.fresh(spec, rng)
    parameters.flat += rng.normal(0, 0.5, parameters.flat.shape).astype(np.float32)
    lengths = np.array([3, 1, 4, 9, 1])
    x: Floats = rng.normal(size=(18, DIM)).astype(np.float32)
    batch = Batch(parameters, x, lengths, Dropouts.draw(spec, 18, 5, rng))
    packed = PackedTagger(parameters.to_weights()).score(x, np.concatenate([[0], np.cumsum(lengths)]), "lengths")
    np.testing.assert_allclose(output_probabilities(batch.logits, spec.head, 1), packed, rtol=0, atol=2e-6)
