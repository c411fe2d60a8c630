from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.geometry import StackGeometry
from cvai.heart.phases import KeyPhases
from cvai.heart.quality import quality_findings
from cvai.heart.segmentation import CineSegmentation

ED, ES = 0, 4
N_PHASES, N_SLICES = 8, 9


def beating_heart() -> np.ndarray:
    """(t, z, y, x) labels of a plausible heart: an ellipsoid with a wall and a ventricle beside it."""
    z, y, x = np.meshgrid(np.arange(N_SLICES), np.arange(96), np.arange(110), indexing="ij")
    labels = np.zeros((N_PHASES, *z.shape), dtype=np.uint8)
    for t in range(N_PHASES):
        squeeze = 1 - 0.25 * (1 - np.cos(2 * np.pi * t / N_PHASES)) / 2
        height = (z - 4) / 4.4
        inner, mass = 17 * squeeze, 26**2 - 17**2
        outer = np.sqrt(inner**2 + mass)
        left = ((y - 50) ** 2 + (x - 45) ** 2) / 1.0
        right = ((y - 50) / (24 * squeeze)) ** 2 + ((x - 72) / (18 * squeeze)) ** 2
        shape = 1 - height**2
        labels[t][right + height**2 < 1] = SAX_LABELS[Structure.RV_CAVITY]
        labels[t][left < outer**2 * shape] = SAX_LABELS[Structure.LV_MYOCARDIUM]
        labels[t][left < inner**2 * shape] = SAX_LABELS[Structure.LV_CAVITY]
    return labels


def codes(labels: np.ndarray) -> set[str]:
    positions = np.array([[0.0, 0, 9.0 * z] for z in range(labels.shape[1])])
    geometry = StackGeometry(positions, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 1.4, 1.4)
    return {f.code for f in quality_findings(CineSegmentation(labels, geometry), KeyPhases(ED, ES))}


def test_a_plausible_heart_has_no_findings() -> None:
    assert codes(beating_heart()) == set()


def test_a_stack_that_ends_in_mid_ventricle_is_told() -> None:
    assert "base_not_covered" in codes(beating_heart()[:, 4:])


def test_a_lost_right_ventricle_is_told() -> None:
    labels = beating_heart()
    labels[ES][labels[ES] == SAX_LABELS[Structure.RV_CAVITY]] = 0
    assert "stroke_volumes_disagree" in codes(labels)


def test_a_wall_that_loses_mass_is_told() -> None:
    labels = beating_heart()
    wall = labels[ES] == SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[ES][wall & (np.arange(labels.shape[3]) < 35)] = 0
    assert "myocardial_mass_differs" in codes(labels)


def test_a_phase_that_jumps_is_told() -> None:
    labels = beating_heart()
    labels[2][labels[2] == SAX_LABELS[Structure.LV_CAVITY]] = 0
    assert "volume_jumps_between_phases" in codes(labels)


def test_a_frayed_outline_is_told_with_its_slice_and_phase() -> None:
    labels = beating_heart()
    labels[ES, 3, ::3][labels[ES, 3, ::3] == SAX_LABELS[Structure.LV_CAVITY]] = 0
    assert "ragged_contour" in codes(labels)


def test_a_heart_at_the_border_is_told() -> None:
    assert "heart_at_image_border" in codes(beating_heart()[..., 30:])


@pytest.mark.parametrize("shrink", [3])
def test_a_left_ventricle_of_a_few_millilitres_is_told(shrink: int) -> None:
    small = ndimage.zoom(beating_heart(), (1, 1, 1 / shrink, 1 / shrink), order=0)
    assert "lv_implausibly_small" in codes(small)
