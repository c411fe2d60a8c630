"""A cine keeps its pixels as they are stored, and gives intensities piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry

SHAPE = (3, 4, 5, 7)
RNG = np.random.default_rng(5)
SLOPES = RNG.uniform(0.5, 3.0, SHAPE[:2]).astype(np.float32)
INTERCEPTS = RNG.uniform(-50.0, 50.0, SHAPE[:2]).astype(np.float32)


def stored(dtype: type) -> NDArray[np.uint16]:
    return RNG.integers(0, 120, SHAPE).astype(dtype)


def cine(values: NDArray[np.uint16], *rescale: NDArray[np.float32] | None) -> CineStack:
    return CineStack(values, StackGeometry.unplaced(SHAPE[1], (8.0, 1.5, 2.0)), None, None, *rescale)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("rescale", [(), (SLOPES, None), (None, INTERCEPTS), (SLOPES, INTERCEPTS)])
def test_intensities_are_those_of_the_whole_cine_in_float32(
    dtype: type, rescale: tuple[NDArray[np.float32] | None, ...]
) -> None:
    values = stored(dtype)
    stack = cine(values, *rescale)
    slopes, intercepts = (*rescale, None, None)[:2]
    whole = values.astype(np.float32)
    whole = whole if slopes is None else whole * slopes[..., np.newaxis, np.newaxis]
    whole = whole if intercepts is None else whole + intercepts[..., np.newaxis, np.newaxis]
    assert stack.stored.dtype == dtype
    assert stack.shape == SHAPE
    np.testing.assert_array_equal(stack.pixels, whole)
    np.testing.assert_array_equal(stack.phase(2), whole[2])
    np.testing.assert_array_equal(
        stack.phase(1, slice(2, 4), slice(1, 3), slice(2, 6)), whole[1, 2:4, 1:3, 2:6]
    )
    np.testing.assert_array_equal(stack.frame(1, 3, columns=slice(2, 6)), whole[1, 3, :, 2:6])
    np.testing.assert_array_equal(stack.sample(11), whole.reshape(-1)[::11])
    np.testing.assert_array_equal(stack.only(1).pixels, whole[1:2])
    for part in (stack.pixels, stack.phase(0), stack.frame(0, 0), stack.sample(3)):
        assert part.dtype == np.float32


def test_a_stack_of_one_phase_holds_none_of_the_others() -> None:
    assert cine(stored(np.uint16)).only(0).stored.base is None


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint32, np.int64, np.bool_])
def test_other_types_are_refused(dtype: type) -> None:
    with pytest.raises(ValueError, match="16 bits or float32"):
        cine(stored(dtype))


def test_every_frame_has_a_slope_and_an_intercept() -> None:
    with pytest.raises(ValueError, match="slopes must be"):
        cine(stored(np.uint16), SLOPES[0])
    with pytest.raises(ValueError, match="intercepts must be"):
        cine(stored(np.uint16), None, INTERCEPTS.T)
