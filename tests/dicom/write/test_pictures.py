from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.pictures import (
    MARGIN_MM,
    heart_pictures,
    heart_window,
    level_slices,
    outlines_mm,
)
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.directions import direction_letters, edge_directions
from cvai.domain.geometry import StackGeometry
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from tests.dicom.write.synthetic import make_analysis, oblique_geometry

SPACING_Y_MM, SPACING_X_MM = 1.9, 1.3


def area_mm2(outline: np.ndarray) -> float:
    """Area within a closed line, by the shoelace formula."""
    x, y = outline[:, 0], outline[:, 1]
    return float(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2)


def wide_analysis() -> CineAnalysis:
    """The heart well within the image, so that windows need not stop at its edge."""
    small = make_analysis((3, 6, 30, 46))
    labels = np.pad(small.segmentation.labels, ((0, 0), (0, 0), (40, 50), (60, 45)))
    pixels = np.pad(small.cine.stack.pixels, ((0, 0), (0, 0), (40, 50), (60, 45)))
    stack = replace(small.cine.stack, stored=pixels)
    return replace(
        small,
        cine=replace(small.cine, stack=stack),
        segmentation=CineSegmentation(labels, stack.geometry),
    )


def upside_down(analysis: CineAnalysis) -> CineAnalysis:
    """The same stack with its slices in opposite order."""
    geometry = analysis.segmentation.geometry
    turned = StackGeometry(
        geometry.positions_mm[::-1].copy(),
        geometry.row_cosine,
        geometry.column_cosine,
        geometry.spacing_y_mm,
        geometry.spacing_x_mm,
    )
    labels = analysis.segmentation.labels[:, ::-1].copy()
    return replace(analysis, segmentation=CineSegmentation(labels, turned))


def test_an_outline_encloses_its_structure_in_true_size_and_place() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[10:22, 35:50] = SAX_LABELS[Structure.LV_CAVITY]
    (outline,) = outlines_mm(labels, oblique_geometry(2))[Structure.LV_CAVITY]
    # Half a corner pixel is cut off at each of the four corners, an eighth of a pixel each.
    expected_mm2 = (12 * 15 - 4 / 8) * SPACING_Y_MM * SPACING_X_MM
    assert area_mm2(outline) == pytest.approx(expected_mm2)
    assert outline.min(axis=0) == pytest.approx([35 * SPACING_X_MM, 10 * SPACING_Y_MM])
    assert outline.max(axis=0) == pytest.approx([50 * SPACING_X_MM, 22 * SPACING_Y_MM])


def test_the_myocardium_is_outlined_by_its_epicardium() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[8:30, 8:30] = SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[12:26, 12:26] = SAX_LABELS[Structure.LV_CAVITY]
    outlines = outlines_mm(labels, oblique_geometry(2))
    assert len(outlines[Structure.LV_MYOCARDIUM]) == 1
    assert outlines[Structure.LV_MYOCARDIUM][0].min(axis=0) == pytest.approx(
        [8 * SPACING_X_MM, 8 * SPACING_Y_MM]
    )
    assert outlines[Structure.RV_CAVITY] == ()


def test_an_outline_is_closed_at_the_edge_of_the_image() -> None:
    labels = np.full((5, 7), SAX_LABELS[Structure.RV_CAVITY], np.uint8)
    (outline,) = outlines_mm(labels, oblique_geometry(2))[Structure.RV_CAVITY]
    np.testing.assert_array_equal(outline[0], outline[-1])


@pytest.mark.slow
@given(st.floats(0.5, 2.5))
def test_the_window_has_the_wanted_aspect_in_millimetres_and_keeps_the_margin(aspect: float) -> None:
    analysis = wide_analysis()
    labels = analysis.segmentation.labels
    window = heart_window(analysis, range(3), aspect)
    width_mm = (window.right - window.left) * SPACING_X_MM
    height_mm = (window.bottom - window.top) * SPACING_Y_MM
    assert width_mm == pytest.approx(aspect * height_mm, abs=aspect * SPACING_Y_MM + SPACING_X_MM)
    rows, columns = np.nonzero((labels > 0).any(axis=(0, 1)))
    assert (rows.min() - window.top) * SPACING_Y_MM >= MARGIN_MM - SPACING_Y_MM
    assert (columns.min() - window.left) * SPACING_X_MM >= MARGIN_MM - SPACING_X_MM
    assert (window.bottom - 1 - rows.max()) * SPACING_Y_MM >= MARGIN_MM - SPACING_Y_MM
    assert (window.right - 1 - columns.max()) * SPACING_X_MM >= MARGIN_MM - SPACING_X_MM


def test_a_window_stops_at_the_edge_of_the_image() -> None:
    window = heart_window(make_analysis((3, 6, 30, 46)), range(3), 1.2)
    assert (window.top, window.left) == (0, 0)
    assert (window.bottom, window.right) == (30, 46)


def test_levels_run_from_base_to_apex_whichever_way_the_slices_run() -> None:
    analysis = wide_analysis()
    levels = level_slices(analysis)
    turned = level_slices(upside_down(analysis))
    assert not apex_comes_first(analysis.segmentation.labels[0])
    assert list(levels) == ["base", "mid", "apex"]
    assert levels["base"] < levels["mid"] < levels["apex"]
    assert turned == {level: 5 - z for level, z in levels.items()}


def test_a_picture_shows_its_slice_with_outlines_in_its_own_millimetres() -> None:
    analysis = wide_analysis()
    window = heart_window(analysis, [analysis.phases.end_diastole, analysis.phases.end_systole], 1.24)
    picture = heart_pictures(analysis, analysis.phases.end_diastole, 1.24)[0]
    labels = analysis.segmentation.labels[analysis.phases.end_diastole, picture.z]
    (outline,) = picture.outlines[Structure.RV_CAVITY]
    rows, columns = np.nonzero(labels == SAX_LABELS[Structure.RV_CAVITY])
    assert picture.grey.shape == (window.bottom - window.top, window.right - window.left)
    assert picture.width_mm == pytest.approx((window.right - window.left) * SPACING_X_MM)
    assert outline.min(axis=0) == pytest.approx(
        [(columns.min() - window.left) * SPACING_X_MM, (rows.min() - window.top) * SPACING_Y_MM]
    )


def test_blood_is_bright_and_air_is_dark() -> None:
    analysis = wide_analysis()
    picture = heart_pictures(analysis, analysis.phases.end_diastole, 1.24)[0]
    assert picture.grey[0, 0] == 0
    assert picture.grey.max() == 255


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ([1, 0, 0], "L"),
        ([-1, 0, 0], "R"),
        ([0, 1, 0], "P"),
        ([0, -1, 0], "A"),
        ([0, 0, 1], "H"),
        ([0, 0, -1], "F"),
        ([0.6, -0.8, 0], "AL"),
        ([-0.6, 0, 0.8], "HR"),
    ],
)
def test_directions_are_named_in_the_patient(direction: list[float], letters: str) -> None:
    assert direction_letters(np.array(direction, float)) == letters


def test_edges_are_named_as_the_image_is_displayed() -> None:
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    axial = StackGeometry(positions, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 1.0, 1.0)
    assert edge_directions(axial) == ("R", "L", "A", "P")
