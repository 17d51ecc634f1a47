"""The LSTM cell, against its equations as a textbook has them, in float64."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from maskscope.engine import lstm_cell
from maskscope.types import Floats

Doubles = npt.NDArray[np.float64]


def sigmoid(z: Doubles) -> Doubles:
    return 1 / (1 + np.exp(-z))


def textbook_step(sums: Doubles, cell: Doubles) -> tuple[Doubles, Doubles]:
    """Sums (4, m) of the gates and the cell (m,) before -> the new cell and the output."""
    input_gate, forget_gate, output_gate = sigmoid(sums[0]), sigmoid(sums[1]), sigmoid(sums[3])
    candidate = np.tanh(sums[2])
    cell = forget_gate * cell + input_gate * candidate
    return cell, output_gate * np.tanh(cell)


@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([1e-4, 0.3, 1.0, 30.0]))
def test_a_step_follows_the_equations(seed: int, units: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    sums: Floats = rng.normal(0, spread, 4 * units).astype(np.float32)
    before: Floats = rng.normal(0, 1, units).astype(np.float32)
    gates = lstm_cell.scaled(sums).reshape(4, units)
    candidate, cell, tanh_cell, hidden = (np.empty(units, dtype=np.float32) for _ in range(4))
    with np.errstate(over="ignore"):
        lstm_cell.step(gates, before, candidate, cell, tanh_cell, hidden)
    by_gate = sums.astype(np.float64).reshape(4, units)
    expected_cell, expected_hidden = textbook_step(by_gate, before.astype(np.float64))
    np.testing.assert_allclose(cell, expected_cell, rtol=1e-6, atol=3e-7)
    np.testing.assert_allclose(hidden, expected_hidden, rtol=1e-6, atol=3e-7)
    np.testing.assert_allclose(candidate, np.tanh(by_gate[2]), rtol=0, atol=2e-7)
    np.testing.assert_allclose(tanh_cell, np.tanh(expected_cell), rtol=1e-6, atol=3e-7)
    np.testing.assert_allclose(gates[[0, 1, 3]], sigmoid(by_gate[[0, 1, 3]]), rtol=1e-6, atol=1e-7)


def test_results_may_replace_their_inputs() -> None:
    rng = np.random.default_rng(0)
    gates: Floats = rng.normal(size=(4, 5)).astype(np.float32)
    before: Floats = rng.normal(size=5).astype(np.float32)
    candidate, cell, tanh_cell, hidden = (np.empty(5, dtype=np.float32) for _ in range(4))
    lstm_cell.step(gates.copy(), before, candidate, cell, tanh_cell, hidden)
    in_place, output = gates.copy(), np.empty(5, dtype=np.float32)
    lstm_cell.step(in_place, before, in_place[2], before, output, output)
    np.testing.assert_array_equal(before, cell)
    np.testing.assert_array_equal(output, hidden)
    np.testing.assert_array_equal(in_place[2], candidate)


def test_scaling_rounds_nothing() -> None:
    weights: Floats = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    scaled = lstm_cell.scaled(weights)
    np.testing.assert_array_equal(scaled / np.repeat(np.array([-1, -1, -2, -1], dtype=np.float32), 2), weights)
