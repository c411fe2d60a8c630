"""Infarct by segment, on walls of any grid whose infarct is known segment by segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.tissue.segments import (
    CAP_SHARE,
    CineGuide,
    measure_segments,
    share_name,
    transmurality_name,
)
from cvai.domain.tissue.shares import CAVITY, HEALTHY, INFARCT
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment
from cvai.domain.ventricles.septum import angle_on_image_deg, septum_direction
from tests.domain.known_walls import SEPTUM, Grid

CAVITY_MM, WALL_MM = 21.0, 10.0
DEPTHS = {segment: 0.1 * (segment.number % 8) for segment in WALL_SEGMENTS}
"""Share of the wall, from inside, that is infarcted: neighbours differ, and so do levels."""

grids = st.builds(
    Grid,
    turned_deg=st.floats(-180, 180),
    from_apex=st.booleans(),
    base_first=st.booleans(),
    spacing_mm=st.tuples(st.floats(0.6, 1.0), st.floats(0.6, 1.0)),
)


def guide_of(grid: Grid) -> CineGuide:
    """As the cine of the same heart gives it, imaged with other turns and pixels."""
    cine = replace(grid, turned_deg=grid.turned_deg + 40.0, spacing_mm=(1.3, 0.9), base_first=True)
    septum = septum_direction(cine.labels(lambda _: WALL_MM), cine.geometry)
    assert septum is not None
    assert septum @ SEPTUM > np.cos(np.deg2rad(2.0))
    return CineGuide(angle_on_image_deg(septum, grid.geometry), 72.0)


def infarcted(grid: Grid, depths: Mapping[WallSegment, float] = DEPTHS) -> np.ndarray:
    """(z, y, x) values of LGE_LABELS: an infarct of these depths in each segment."""
    whole = grid.labels(lambda _: WALL_MM, CAVITY_MM)
    inside = grid.labels(lambda segment: max(WALL_MM * depths[segment], 1e-6), CAVITY_MM)
    labels = np.zeros_like(whole)
    labels[whole == SAX_LABELS[Structure.LV_MYOCARDIUM]] = HEALTHY
    labels[inside == SAX_LABELS[Structure.LV_MYOCARDIUM]] = INFARCT
    labels[whole == SAX_LABELS[Structure.LV_CAVITY]] = CAVITY
    return labels


def area_share(segment: WallSegment) -> float:
    """Share of the ring's area that an infarct of the segment's depth has, in percent."""
    inner = CAVITY_MM * (0.7 if segment.level is Level.APICAL else 1.0)
    outer, reach = inner + WALL_MM, inner + WALL_MM * DEPTHS[segment]
    return 100.0 * (reach**2 - inner**2) / (outer**2 - inner**2)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(grids)
def test_every_segment_has_its_infarct_however_the_heart_is_imaged(grid: Grid) -> None:
    found = measure_segments(infarcted(grid), grid.geometry, guide_of(grid))
    values = {m.name: m.value for m in found.measurements}
    assert found.missing == ""
    for segment in WALL_SEGMENTS:
        assert values[share_name(segment)] == pytest.approx(area_share(segment), abs=3.0), segment
        assert values[transmurality_name(segment)] == pytest.approx(100 * DEPTHS[segment], abs=7.0), segment


def test_levels_have_the_mean_share_of_their_segments() -> None:
    grid = Grid()
    values = {
        m.name: m.value for m in measure_segments(infarcted(grid), grid.geometry, "no cine").measurements
    }
    assert list(values) == [share_name(level) for level in Level]
    for level in Level:
        expected = np.mean([area_share(s) for s in WALL_SEGMENTS if s.level is level])
        assert values[share_name(level)] == pytest.approx(expected, abs=1.5)


def test_without_a_septum_no_segment_is_named_and_the_reason_is_given() -> None:
    grid = Grid()
    below = (guide_of(grid).septum_deg or 0.0) + 180.0
    reasons = {
        measure_segments(infarcted(grid), grid.geometry, guide).missing
        for guide in ("the cine is damaged", CineGuide(None, 72.0), CineGuide(below % 360.0, 72.0))
    }
    assert reasons == {
        "the cine is damaged",
        "no slice of the cine shows both insertions of the right ventricle",
        "the anterior wall would come to lie below the septum",
    }


def test_slices_of_one_part_of_the_ventricle_have_no_levels() -> None:
    grid = Grid()
    few, slab = infarcted(grid), infarcted(grid)
    few[:7], slab[:3], slab[6:] = 0, 0, 0
    assert measure_segments(few, grid.geometry, guide_of(grid)).measurements == ()
    found = measure_segments(slab, grid.geometry, guide_of(grid))
    assert found.measurements == ()
    assert "24 mm of a cavity of 72 mm" in found.missing


def test_slices_whose_wall_is_open_are_not_measured() -> None:
    grid = Grid()
    labels = infarcted(grid)
    for plane in labels[:3]:
        plane[:, : plane.shape[1] // 2][plane[:, : plane.shape[1] // 2] >= HEALTHY] = 0
    found = measure_segments(labels, grid.geometry, guide_of(grid))
    names = {m.name for m in found.measurements}
    assert found.missing == "no basal slice shows a closed ring of wall"
    assert share_name(Level.BASAL) not in names
    for segment in WALL_SEGMENTS:
        assert (share_name(segment) in names) is (segment.level is not Level.BASAL)


@pytest.mark.parametrize("base_first", [True, False])
def test_wall_beyond_the_cavity_is_the_apical_cap(base_first: bool) -> None:
    grid = Grid(base_first=base_first)
    labels = infarcted(grid)
    tip = labels[-1 if base_first else 0]
    tip[tip > 0] = HEALTHY
    tip[: tip.shape[0] // 2][tip[: tip.shape[0] // 2] > 0] = INFARCT
    values = {m.name: m.value for m in measure_segments(labels, grid.geometry, guide_of(grid)).measurements}
    assert values[CAP_SHARE] == pytest.approx(100 * np.mean(tip[tip > 0] == INFARCT))
    assert 40 < values[CAP_SHARE] < 65


def test_a_healthy_wall_has_no_infarct_in_any_segment() -> None:
    grid = Grid()
    healthy = infarcted(grid, dict.fromkeys(WALL_SEGMENTS, 0.0))
    found = measure_segments(healthy, grid.geometry, guide_of(grid))
    assert CAP_SHARE not in {m.name for m in found.measurements}
    assert len(found.measurements) == len(Level) + 2 * len(WALL_SEGMENTS)
    assert {m.value for m in found.measurements} == {0.0}
