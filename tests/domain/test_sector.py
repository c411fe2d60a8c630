"""What a sector shows of the proportions of its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvai.domain.echo.sector import pixel_aspect

DEPTH_MM = 150.0


def sector(
    row_mm: float, column_mm: float, *, half_degrees: float = 38.0, apex_mm: float = 0.0, seen: float = 1.0
) -> np.ndarray:
    """(y, x) a sector with a rounded top, ``apex_mm`` of its beams above the image; of its depth ``seen``."""
    shape = (int((DEPTH_MM * seen - apex_mm) / row_mm), int(2.2 * DEPTH_MM / column_mm))
    y, x = np.indices(shape) * np.array([row_mm, column_mm])[:, None, None]
    y, x = y + apex_mm, x - 1.1 * DEPTH_MM
    radius = np.hypot(y, x)
    return (
        (radius < DEPTH_MM) & (radius > apex_mm + 3) & (np.abs(np.arctan2(x, y)) < np.radians(half_degrees))
    )


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 0.9), st.floats(0.5, 2.0), st.floats(30, 45), st.floats(0, 20))
def test_a_sector_shows_the_proportions_of_its_pixels(
    row_mm: float, aspect: float, half_degrees: float, apex_mm: float
) -> None:
    shown = pixel_aspect(sector(row_mm, row_mm * aspect, half_degrees=half_degrees, apex_mm=apex_mm))
    assert shown == pytest.approx(aspect, rel=0.06)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(sector(0.5, 0.5, seen=0.7), id="its lower edge"),
        pytest.param(sector(0.5, 0.5)[:, 260:400], id="its sides"),
        pytest.param(np.ones((200, 300), dtype=bool), id="all around"),
        pytest.param(np.zeros((200, 300), dtype=bool), id="all of it"),
        pytest.param(np.eye(5, dtype=bool), id="but a few pixels"),
    ],
)
def test_a_sector_that_is_cut_off_shows_none(cut: np.ndarray) -> None:
    assert pixel_aspect(cut) is None
