from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cvai.domain.geometry import StackGeometry


def axis_aligned(**changes: object) -> StackGeometry:
    values: dict[str, object] = {
        "positions_mm": np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 11.0], [1.0, 2.0, 19.0]]),
        "row_cosine": np.array([1.0, 0.0, 0.0]),
        "column_cosine": np.array([0.0, 1.0, 0.0]),
        "spacing_y_mm": 1.25,
        "spacing_x_mm": 2.0,
    }
    return StackGeometry(**(values | changes))  # type: ignore[arg-type]


def test_a_voxel_holds_spacing_times_spacing_times_slice_distance() -> None:
    assert axis_aligned().voxel_volume_ml == pytest.approx(1.25 * 2.0 * 8.0 / 1000)


def test_row_spacing_goes_with_y_and_column_spacing_with_x() -> None:
    np.testing.assert_allclose(axis_aligned().point_mm(1, y=4, x=3), [1 + 3 * 2.0, 2 + 4 * 1.25, 11])


def test_slices_shifted_within_their_plane_are_no_further_apart() -> None:
    sheared = np.array([[0.0, 0, 0], [5.0, -3, 8], [9.0, 4, 16]])
    assert axis_aligned(positions_mm=sheared).slice_spacing_mm == pytest.approx(8.0)


@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.floats(0.5, 3),
    st.floats(0.5, 3),
    st.floats(1, 15),
    st.integers(2, 20),
)
def test_volume_does_not_depend_on_where_the_stack_points(
    angles: tuple[float, float, float], spacing_y_mm: float, spacing_x_mm: float, gap_mm: float, n: int
) -> None:
    turn = Rotation.from_euler("xyz", angles, degrees=True)
    positions = turn.apply(np.array([[10.0, -20.0, k * gap_mm] for k in range(n)]))
    geometry = StackGeometry(
        positions, turn.apply([1.0, 0, 0]), turn.apply([0, 1.0, 0]), spacing_y_mm, spacing_x_mm
    )
    assert geometry.voxel_volume_ml == pytest.approx(gap_mm * spacing_y_mm * spacing_x_mm / 1000, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"positions_mm": np.zeros((1, 3))}, "positions_mm"),
        ({"row_cosine": np.array([1.1, 0, 0])}, "unit length"),
        ({"column_cosine": np.array([1.0, 0, 0])}, "orthogonal"),
        ({"spacing_y_mm": 0.0}, "positive"),
        ({"spacing_x_mm": float("nan")}, "positive"),
        ({"positions_mm": np.array([[0.0, 0, 0], [0, 0, 8], [0, 0, 8]])}, "advance"),
        ({"positions_mm": np.array([[0.0, 0, 0], [0, 0, 8], [0, 0, 4]])}, "advance"),
    ],
)
def test_a_geometry_that_cannot_be_is_not_made(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        axis_aligned(**changes)


def test_a_geometry_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        axis_aligned().positions_mm[0, 0] = 1.0
