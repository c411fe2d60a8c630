"""Percentiles are counted, and are those that numpy finds in float32."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.review.viewers.intensities import intensity_percentiles

SHAPE = (3, 4, 6, 5)


def cine(dtype: str, seed: int, rescale: str) -> CineStack:
    rng = np.random.default_rng(seed)
    low, high = (-50, 50) if dtype.startswith("int") else (0, 100)
    slopes = {
        "none": None,
        "same": np.full(SHAPE[:2], 0.7, np.float32),
        "each": rng.uniform(-2, 3, SHAPE[:2]).astype(np.float32),
    }[rescale]
    intercepts = None if slopes is None else (slopes * 7 - 3).astype(np.float32)
    values = rng.integers(low, high, SHAPE).astype(dtype)
    geometry = StackGeometry.unplaced(SHAPE[1], (8.0, 1.0, 1.0))
    return CineStack(values, geometry, None, None, slopes, intercepts)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("rescale", ["none", "same", "each"])
@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0, 100), min_size=1, max_size=3))
def test_they_are_numpys(dtype: str, rescale: str, seed: int, percentages: list[float]) -> None:
    stack, slices = cine(dtype, seed, rescale), np.array([0, 2, 3])
    counted = intensity_percentiles(stack, slices, percentages)
    np.testing.assert_array_equal(counted, np.percentile(stack.pixels[:, slices], percentages))
