"""Planes that cut through a stack: pixels are taken to the nearest one of the plane, at their distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cvai.domain.crossing import PlaneGeometry, crossing_of, cuts_through
from cvai.domain.geometry import StackGeometry

STACK = StackGeometry(
    positions_mm=np.array([[10.0, -20.0, 5.0], [10.5, -20.0, 14.0], [11.0, -20.0, 23.0]]),
    row_cosine=np.array([0.8, 0.6, 0.0]),
    column_cosine=np.array([-0.6, 0.8, 0.0]),
    spacing_y_mm=1.3,
    spacing_x_mm=1.9,
)


def turned(seed: int) -> PlaneGeometry:
    """A plane anywhere."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return PlaneGeometry(rng.uniform(-50, 50, 3), axes[:, 0], axes[:, 1], 1.1, 1.7)


def point_mm(plane: PlaneGeometry, x: float, y: float) -> NDArray[np.float64]:
    """(3,) of a pixel."""
    along = x * plane.spacing_x_mm * plane.row_cosine + y * plane.spacing_y_mm * plane.column_cosine
    return np.asarray(plane.position_mm + along)


@given(st.integers(0, 10_000), st.integers(0, 2), st.floats(-5, 200), st.floats(-5, 200))
def test_a_pixel_is_taken_to_the_nearest_pixel_of_the_plane(seed: int, z: int, x: float, y: float) -> None:
    plane = turned(seed)
    crossing = crossing_of(STACK, z, plane)
    in_plane = crossing.to_pixel @ [x, y, 1.0]
    distance_mm = crossing.distance_mm @ [x, y, 1.0]
    expected_mm = point_mm(plane, *in_plane) + distance_mm * plane.normal
    np.testing.assert_allclose(STACK.point_mm(z, y, x), expected_mm, atol=1e-6)


def test_a_plane_beside_a_structure_does_not_cut_through_it() -> None:
    mask = np.zeros((3, 40, 40), dtype=bool)
    mask[1, 10:20, 10:20] = True
    axes = STACK.normal, STACK.column_cosine
    through = PlaneGeometry(STACK.point_mm(1, 0, 15), *axes, 1.0, 1.0)
    beside = PlaneGeometry(STACK.point_mm(1, 0, 25), *axes, 1.0, 1.0)
    assert cuts_through(STACK, mask, through)
    assert not cuts_through(STACK, mask, beside)
    assert not cuts_through(STACK, np.zeros_like(mask), through)


@pytest.mark.parametrize("change", [{"spacing_x_mm": 0.0}, {"row_cosine": np.array([2.0, 0.0, 0.0])}])
def test_a_plane_without_a_place_is_no_plane(change: dict[str, object]) -> None:
    valid: dict[str, object] = {
        "position_mm": np.zeros(3),
        "row_cosine": np.array([1.0, 0.0, 0.0]),
        "column_cosine": np.array([0.0, 1.0, 0.0]),
        "spacing_y_mm": 1.0,
        "spacing_x_mm": 1.0,
    }
    with pytest.raises(ValueError, match="must be"):
        PlaneGeometry(**{**valid, **change})  # type: ignore[arg-type]
