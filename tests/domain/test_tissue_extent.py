"""Whether contours hold a whole ventricle, and images tell its tissues apart, on ventricles drawn by rule."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.geometry import StackGeometry
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.tissue.cine_check import mass_findings, shift_findings
from cvai.domain.tissue.contrast import contrast_findings
from cvai.domain.tissue.extent import extent_findings
from cvai.domain.tissue.quality import label_findings
from cvai.domain.tissue.shares import CAVITY, HEALTHY, INFARCT

STEP_MM, SPACING_MM = 10.0, (1.5, 1.2)
WALL_MM = 10.0
RADII_MM = (23.0, 24.0, 24.0, 22.0, 19.0, 15.0, 10.0, 5.0)
"""Of the cavity, from base to apex."""


def ventricle(radii_mm: tuple[float, ...] = RADII_MM, right_mm: float = 0.0) -> NDArray[np.uint8]:
    """(z, y, x) labels; a radius of 0 is a slice without a heart."""
    y, x = np.mgrid[:80, :100]
    from_middle_mm = np.hypot((y - 39.5) * SPACING_MM[0], (x - 49.5) * SPACING_MM[1] - right_mm)
    planes = []
    for radius_mm in radii_mm:
        outer_mm = radius_mm + WALL_MM if radius_mm else 0.0
        plane = np.where(from_middle_mm < outer_mm, HEALTHY, 0)
        planes.append(np.where(from_middle_mm < radius_mm, CAVITY, plane))
    return np.stack(planes).astype(np.uint8)


def geometry(n_slices: int, step_mm: float = STEP_MM, scale: float = 1.0) -> StackGeometry:
    positions_mm = np.array([[0.0, 0.0, step_mm * z] for z in range(n_slices)])
    across, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    return StackGeometry(positions_mm, across, down, scale * SPACING_MM[0], scale * SPACING_MM[1])


def codes(labels: NDArray[np.uint8], step_mm: float = STEP_MM, scale: float = 1.0) -> list[str]:
    return [f.code for f in extent_findings(labels, geometry(len(labels), step_mm, scale))]


@pytest.mark.parametrize("order", [1, -1])
def test_a_whole_ventricle_has_no_finding(order: int) -> None:
    assert codes(ventricle(RADII_MM[::order])) == []
    assert codes(ventricle((0.0, 0.0, *RADII_MM, 0.0))) == []
    assert codes(ventricle(RADII_MM[:2])) == []


@pytest.mark.parametrize(
    ("step_mm", "scale"), [(STEP_MM, 0.5), (STEP_MM, 2.0), (1.0, 1.0), (STEP_MM / 2, 1.0)]
)
def test_a_ventricle_of_the_wrong_size_is_flagged(step_mm: float, scale: float) -> None:
    assert codes(ventricle(), step_mm, scale) == ["enhancement_size_implausible"]


def test_a_ventricle_that_is_not_round_is_flagged() -> None:
    labels = np.repeat(ventricle(), 2, axis=1)
    assert codes(labels, scale=0.7) == ["not_short_axis"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_stack_that_ends_before_the_apex_is_flagged(order: int) -> None:
    (finding,) = extent_findings(ventricle(RADII_MM[:5][::order]), geometry(5))
    assert finding.code == "apex_not_covered"
    assert [place.slice for place in finding.where] == [4 if order == 1 else 0]
    assert "63 %" in finding.message


def test_slices_in_which_the_heart_was_lost_are_flagged() -> None:
    lost = (0.0, 0.0, 0.0, 0.0, *RADII_MM[4:])
    assert "slices_without_heart" in codes(ventricle(lost))


def test_a_slice_that_jumps_is_flagged() -> None:
    labels = ventricle((*RADII_MM[:3], 12.0, *RADII_MM[4:]))
    found = {f.code: f for f in extent_findings(labels, geometry(len(labels)))}
    assert [place.slice for place in found["area_jumps_between_slices"].where] == [3]


def test_a_heart_that_is_cut_by_the_border_is_flagged() -> None:
    assert "heart_at_image_border" in codes(ventricle(right_mm=40.0))


@pytest.mark.parametrize(("cine_mm", "is_flagged"), [(90.0, False), (120.0, True)])
def test_slices_of_a_part_of_what_the_cine_shows_are_flagged(cine_mm: float, is_flagged: bool) -> None:
    labels = ventricle()
    found = extent_findings(labels, geometry(len(labels)), cine_mm)
    assert [f.code for f in found] == (["enhancement_covers_part"] if is_flagged else [])


def imaged(greys: tuple[float, float, float, float], noise: float = 10.0) -> list[str]:
    """Findings of images in which chest, blood, healthy myocardium and infarct have these grey values."""
    labels = ventricle()
    labels[3:5, :39][labels[3:5, :39] == HEALTHY] = INFARCT
    values = np.array(greys, dtype=np.float32)[labels]
    images = values + np.random.default_rng(5).normal(0.0, noise, labels.shape)
    return [f.code for f in contrast_findings(images.astype(np.float32), labels)]


def test_dark_myocardium_beside_blood_and_infarct_has_no_finding() -> None:
    assert imaged((300.0, 600.0, 150.0, 900.0)) == []
    assert imaged((-300.0, 0.0, -450.0, 300.0)) == []


@pytest.mark.parametrize(
    "greys", [(300.0, 600.0, 600.0, 900.0), (700.0, 400.0, 850.0, 100.0), (300.0, 120.0, 150.0, 900.0)]
)
def test_myocardium_as_bright_as_blood_is_flagged(greys: tuple[float, float, float, float]) -> None:
    assert imaged(greys) == ["myocardium_not_nulled"]


def test_grey_levels_of_a_map_of_t1_are_flagged() -> None:
    assert imaged((300.0, 1600.0, 1030.0, 1200.0)) == ["looks_like_t1_map"]
    assert imaged((300.0, 1600.0, 500.0, 1900.0)) == []


@pytest.mark.parametrize(("share", "is_flagged"), [(0.5, False), (0.95, True)])
def test_an_infarct_all_round_is_flagged(share: float, is_flagged: bool) -> None:
    labels = ventricle()
    y, x = np.indices(labels.shape[1:])
    angle = np.arctan2((y - 39.5) * SPACING_MM[0], (x - 49.5) * SPACING_MM[1])
    labels[(labels == HEALTHY) & (np.abs(angle) < share * np.pi)] = INFARCT
    found = [finding.code for finding in label_findings(labels, 100 * share, SPACING_MM)]
    assert found == (["infarct_all_round"] if is_flagged else [])


@pytest.mark.parametrize(("noise", "is_flagged"), [(40.0, False), (120.0, True)])
def test_noise_is_flagged(noise: float, is_flagged: bool) -> None:
    assert imaged((300.0, 600.0, 150.0, 900.0), noise) == (["enhancement_noisy"] if is_flagged else [])


@pytest.mark.parametrize("is_drawn", [True, False])
def test_a_slice_of_noise_is_flagged(is_drawn: bool) -> None:
    labels = ventricle()
    images = np.array((300.0, 600.0, 150.0), dtype=np.float32)[labels]
    images[4] = np.random.default_rng(5).uniform(0.0, 700.0, images[4].shape)
    if not is_drawn:
        labels[4] = 0
    (found,) = contrast_findings(images, labels)
    assert found.code == "enhancement_noisy"
    assert [place.slice for place in found.where] == [4]


@pytest.mark.parametrize(
    ("first", "step_mm", "scale", "are_flagged"),
    [
        pytest.param(0, STEP_MM, 1.0, False, id="the same"),
        pytest.param(1, STEP_MM, 1.0, False, id="the most basal slice missing"),
        pytest.param(3, STEP_MM, 1.0, True, id="three basal slices missing"),
        pytest.param(0, STEP_MM / 2, 1.0, True, id="positions halved"),
        pytest.param(0, STEP_MM, 1.5, True, id="pixels too large"),
        pytest.param(6, STEP_MM, 1.0, False, id="two slices, without a mass"),
    ],
)
def test_a_heart_that_weighs_another_amount_in_the_cine_is_flagged(
    first: int, step_mm: float, scale: float, are_flagged: bool
) -> None:
    labels = ventricle()
    cine = CineSegmentation(as_in_cine(labels), geometry(len(labels)))
    seen = labels[first:]
    found = mass_findings(seen, geometry(len(seen), step_mm, scale), cine)
    assert [f.code for f in found] == ["enhancement_and_cine_masses_differ"] * are_flagged


@pytest.mark.parametrize(
    ("shift_mm", "first", "are_flagged"),
    [(0.0, 0, False), (10.0, 0, False), (20.0, 0, True), (-20.0, 0, True), (0.0, 3, False)],
)
def test_a_ventricle_that_lies_higher_or_lower_than_in_the_cine_is_flagged(
    shift_mm: float, first: int, are_flagged: bool
) -> None:
    labels = ventricle()
    cine = CineSegmentation(as_in_cine(labels), geometry(len(labels)))
    place = geometry(len(labels))
    positions_mm = place.positions_mm[first:] + shift_mm * place.normal
    shifted = StackGeometry(
        positions_mm, place.row_cosine, place.column_cosine, place.spacing_y_mm, place.spacing_x_mm
    )
    found = shift_findings(labels[first:], shifted, cine)
    assert [f.code for f in found] == ["enhancement_and_cine_disagree"] * are_flagged
    assert all("shifted by 20 mm" in f.message for f in found)


def as_in_cine(labels: np.ndarray) -> np.ndarray:
    """(1, z, y, x) values of SAX_LABELS."""
    to_sax = np.zeros(5, np.uint8)
    to_sax[CAVITY], to_sax[HEALTHY] = SAX_LABELS[Structure.LV_CAVITY], SAX_LABELS[Structure.LV_MYOCARDIUM]
    return np.asarray(to_sax[labels][np.newaxis])
