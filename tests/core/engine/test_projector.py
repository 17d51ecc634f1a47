"""The product with the lowest kernel."""

import numpy as np

from maskscope.engine.projector import widen


def test_every_float16_is_widened_exactly() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    half = every[np.isfinite(every)].reshape(-1, 2)
    out = widen(half, np.empty(half.shape, dtype=np.float32))
    np.testing.assert_array_equal(out.view(np.uint32), half.astype(np.float32).view(np.uint32))
