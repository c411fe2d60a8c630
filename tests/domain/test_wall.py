from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Place
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.rings import N_RAYS, wall_ring
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level
from cvai.domain.ventricles.wall_thickness import (
    SegmentThickness,
    measure_wall,
    measurement_name,
    segment_thickness_mm,
)
from tests.domain.known_walls import Grid, stepped_mm

ED, ES = 0, 1
LV, WALL, RV = (SAX_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.RV_CAVITY))

grids = st.builds(
    Grid,
    turned_deg=st.floats(-180, 180),
    from_apex=st.booleans(),
    base_first=st.booleans(),
    spacing_mm=st.tuples(st.floats(0.7, 1.4), st.floats(0.7, 1.4)),
)


def measured_mm(labels: np.ndarray, grid: Grid) -> SegmentThickness:
    return segment_thickness_mm(labels, grid.geometry, apex_first=not grid.base_first)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(grids)
def test_every_segment_is_as_thick_as_it_was_made_however_the_heart_is_imaged(grid: Grid) -> None:
    measured = measured_mm(grid.labels(stepped_mm), grid)
    assert list(measured) == list(WALL_SEGMENTS)
    for segment, thickness_mm in measured.items():
        assert thickness_mm == pytest.approx(stepped_mm(segment), abs=0.4), segment.display_name


@pytest.mark.parametrize("pixel_mm", [0.8, 1.4, 1.8])
def test_pixels_of_any_size_show_an_even_wall_without_bias(pixel_mm: float) -> None:
    grid = Grid(spacing_mm=(pixel_mm, pixel_mm * 0.8))
    measured = measured_mm(grid.labels(lambda _: 9.0, cavity_mm=18.0), grid)
    assert np.mean(list(measured.values())) == pytest.approx(9.0, abs=0.1)
    assert all(mm == pytest.approx(9.0, abs=0.5) for mm in measured.values())


def oblong(thickness_mm: float) -> np.ndarray:
    """(y, x) of an ellipse with a wall of equal thickness, pixels of 1 mm."""
    y, x = np.mgrid[0:120, 0:120]
    turns = np.linspace(0, 2 * np.pi, 1000)
    border = np.stack([60.3 + 34 * np.cos(turns), 59.6 + 20 * np.sin(turns)], axis=1)
    distances, _ = cKDTree(border).query(np.stack([x, y], axis=-1).reshape(-1, 2))
    from_border = distances.reshape(x.shape)
    inside = ((x - 60.3) / 34) ** 2 + ((y - 59.6) / 20) ** 2 < 1
    labels = np.zeros(x.shape, np.uint8)
    labels[from_border < thickness_mm] = WALL
    labels[inside] = LV
    return labels


def test_an_oblong_ventricle_has_a_wall_no_thicker_than_it_is() -> None:
    ring = wall_ring(oblong(10.0), (1.0, 1.0))
    assert ring is not None
    assert ring.thickness_mm.mean() == pytest.approx(10.0, abs=0.25)
    assert np.ptp(ring.thickness_mm) < 2.0


def test_the_septum_is_halfway_between_the_two_insertions() -> None:
    labels = oblong(8.0)
    y, x = np.mgrid[0:120, 0:120]
    angle = np.rad2deg(np.arctan2(-(y - 59.6), x - 60.3)) % 360
    labels[(labels == 0) & (np.hypot(y - 59.6, x - 60.3) < 58) & (angle > 100) & (angle < 200)] = RV
    ring = wall_ring(labels, (1.0, 1.0))
    assert ring is not None
    assert ring.septum_deg == pytest.approx(150, abs=2 * 360 / N_RAYS)


def test_a_slice_whose_wall_is_open_is_no_ring() -> None:
    labels = oblong(8.0)
    labels[40:50, 86:][labels[40:50, 86:] == WALL] = 0
    assert wall_ring(labels, (1.0, 1.0)) is None


def test_a_slice_without_cavity_is_no_ring() -> None:
    labels = oblong(8.0)
    labels[labels == LV] = WALL
    assert wall_ring(labels, (1.0, 1.0)) is None


def beating(grid: Grid) -> CineSegmentation:
    """End-diastole, and an end-systole of a third more wall around a smaller cavity."""
    relaxed = grid.labels(stepped_mm)
    contracted = grid.labels(lambda s: stepped_mm(s) * 4 / 3, cavity_mm=15.0)
    return CineSegmentation(np.stack([relaxed, contracted]), grid.geometry)


def test_both_phases_are_measured_by_the_names_of_the_segments() -> None:
    wall = measure_wall(beating(Grid()), KeyPhases(ED, ES))
    measured = {m.name: m for m in wall.measurements}
    assert wall.findings == ()
    assert len(measured) == 2 * len(WALL_SEGMENTS)
    for segment in WALL_SEGMENTS:
        ed, es = (measured[measurement_name(segment, phase)] for phase in ("ed", "es"))
        assert (ed.unit, es.unit) == ("mm", "mm")
        assert es.value / ed.value == pytest.approx(4 / 3, abs=0.06)


def test_levels_that_no_closed_ring_shows_are_left_out_and_told() -> None:
    segmentation = beating(Grid())
    labels = segmentation.labels.copy()
    labels[ES, :3, :, :75][labels[ES, :3, :, :75] == WALL] = 0
    labels[ED, 6:][labels[ED, 6:] == WALL] = 0
    wall = measure_wall(CineSegmentation(labels, segmentation.geometry), KeyPhases(ED, ES))
    names = {m.name for m in wall.measurements}
    for segment in WALL_SEGMENTS:
        assert (measurement_name(segment, "ed") in names) is (segment.level is not Level.APICAL)
        assert (measurement_name(segment, "es") in names) is (segment.level is not Level.BASAL)
    (finding,) = wall.findings
    assert finding.code == "wall_not_measured"
    assert "the apical segments at end-diastole; the basal segments at end-systole" in finding.message
    assert finding.where == (Place(phase=ED), Place(phase=ES))


def test_a_septum_seen_in_other_slices_serves_the_apex() -> None:
    grid = Grid()
    labels = grid.labels(stepped_mm)
    labels[6:][labels[6:] == RV] = 0
    measured = measured_mm(labels, grid)
    assert all(mm == pytest.approx(stepped_mm(s), abs=0.4) for s, mm in measured.items())
    assert len(measured) == len(WALL_SEGMENTS)


def without_right_ventricle(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == RV, 0, labels)


def mirrored(labels: np.ndarray) -> np.ndarray:
    return labels[..., ::-1]


def wrapped_in_right_ventricle(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 0, RV, labels)


@pytest.mark.parametrize("spoil", [without_right_ventricle, mirrored, wrapped_in_right_ventricle])
def test_no_segment_is_named_where_the_septum_is_not_where_it_belongs(spoil: object) -> None:
    segmentation = beating(Grid())
    labels = np.stack([spoil(phase) for phase in segmentation.labels])  # type: ignore[operator]
    wall = measure_wall(CineSegmentation(labels, segmentation.geometry), KeyPhases(ED, ES))
    assert wall.measurements == ()
    assert "any segment at end-diastole; any segment at end-systole" in wall.findings[0].message


def test_a_single_slice_of_wall_is_no_reason_to_fail() -> None:
    grid = replace(Grid(), base_first=False)
    labels = np.zeros_like(grid.labels(stepped_mm))
    assert measured_mm(labels, grid) == {}
