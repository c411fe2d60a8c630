from __future__ import annotations

import pytest

from cvai.domain.geometry import StackGeometry
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.size import size_findings
from tests.domain.test_quality import ED, ES, beating_heart

SPACING_MM = (9.0, 1.4, 1.4)


def codes(*factors: float) -> list[str]:
    """Of a plausible heart whose (z, y, x) spacing is so many times as large."""
    spacing_mm = [mm * factor for mm, factor in zip(SPACING_MM, factors, strict=True)]
    labels = beating_heart()
    geometry = StackGeometry.unplaced(labels.shape[1], (spacing_mm[0], spacing_mm[1], spacing_mm[2]))
    return [f.code for f in size_findings(CineSegmentation(labels, geometry), KeyPhases(ED, ES))]


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.3])
def test_small_and_large_hearts_are_not_told(factor: float) -> None:
    assert codes(factor, factor, factor) == []


@pytest.mark.parametrize("factors", [(1, 2, 2), (1, 0.5, 0.5), (2.5, 1, 1), (0.4, 1, 1)])
def test_a_pixel_size_or_distance_of_slices_that_no_heart_has_is_told(factors: tuple[float, ...]) -> None:
    assert "heart_size_implausible" in codes(*factors)


@pytest.mark.parametrize("factors", [(1, 1.5, 1), (1, 1, 1.2)])
def test_pixels_that_make_a_round_cavity_long_are_told(factors: tuple[float, ...]) -> None:
    assert codes(*factors) == ["pixel_size_contradicted"]


def test_pixels_that_make_a_long_image_round_are_not_told() -> None:
    labels = beating_heart()[:, :, ::2]  # every second row, and rows twice as far apart
    geometry = StackGeometry.unplaced(labels.shape[1], (9.0, 2.8, 1.4))
    assert size_findings(CineSegmentation(labels, geometry), KeyPhases(ED, ES)) == ()
