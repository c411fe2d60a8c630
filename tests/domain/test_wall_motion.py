"""Grades of wall motion against phantoms whose segments move as they were told to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases
from cvai.domain.ventricles.rings import ANGLES_DEG, WallRing, beat_rings
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.wall_motion import (
    INDEX,
    MOTION_NAMES,
    MotionGrade,
    endocardium_from_middle_mm,
    grade_of,
    measure_wall_motion,
    motion_name,
    segment_motion,
)
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.cine_sax.regional import RegionalMotion
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

BY_NUMBER = {segment.number: segment for segment in WALL_SEGMENTS}
SHARES = {4: 0.35, 7: 0.0, 8: 0.0, 11: -0.5, 13: 0.0, 14: 0.0}
GRADES = {
    4: MotionGrade.HYPOKINETIC,
    7: MotionGrade.AKINETIC,
    8: MotionGrade.AKINETIC,
    11: MotionGrade.DYSKINETIC,
    13: MotionGrade.AKINETIC,
    14: MotionGrade.AKINETIC,
}
NEIGHBOURS = {3, 5, 9, 10, 12, 15, 16}
"""Beside one that moves otherwise: the middle of the cavity shifts, and their angle with it."""


def phantom(shares: Mapping[int, float], seed: int) -> Phantom:
    return drawn(tuple(shares.items()), seed)


@cache
def drawn(shares: tuple[tuple[int, float], ...], seed: int) -> Phantom:
    acquisition = PhantomAcquisition(
        n_phases=8, rows=176, columns=176, spacing_y_mm=1.5, spacing_x_mm=1.7, seed=seed
    )
    regional = RegionalMotion({BY_NUMBER[number]: share for number, share in shares})
    return make_phantom(PhantomHeart(ef_percent=70.0), acquisition, regional)


def scores(
    made: Phantom, *, of_model: bool = True, chosen: Mapping[str, float] | None = None
) -> dict[str, Measurement]:
    phases = made.truth.phases
    motion = segment_motion(made.labels, beat_rings(made.labels), phases.end_diastole)
    found = measure_wall_motion(motion, phases, of_model=of_model, chosen=chosen or {})
    return {measurement.name: measurement for measurement in found}


@pytest.fixture(scope="module")
def infarcted() -> Phantom:
    return phantom(SHARES, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_segments_are_graded_as_they_were_made_to_move(seed: int) -> None:
    found = scores(phantom(SHARES, seed))
    for segment in WALL_SEGMENTS:
        score = found[motion_name(segment)].value
        if segment.number in NEIGHBOURS:
            assert score <= MotionGrade.HYPOKINETIC, segment.display_name
        else:
            assert score == GRADES.get(segment.number, MotionGrade.NORMAL), segment.display_name


@pytest.mark.slow
def test_an_even_heart_is_normal_and_its_index_is_one() -> None:
    found = scores(phantom({}, seed=3))
    assert {measurement.value for measurement in found.values()} == {1.0}


def test_the_index_is_the_mean_of_all_scores(infarcted: Phantom) -> None:
    found = scores(infarcted)
    assert list(found) == [*MOTION_NAMES, INDEX]
    assert found[INDEX].value == pytest.approx(np.mean([found[name].value for name in MOTION_NAMES]))


def test_a_proposal_of_the_model_states_the_scores_that_it_leaves_open(infarcted: Phantom) -> None:
    found = scores(infarcted)
    assert found[motion_name(BY_NUMBER[1])].interval == (1.0, 1.0), "it thickens by more than 57 %"
    assert found[motion_name(BY_NUMBER[4])].interval == (1.0, 3.0)
    assert found[motion_name(BY_NUMBER[7])].interval == (1.0, 4.0)
    of_reader = scores(infarcted, of_model=False)
    assert {measurement.interval for measurement in of_reader.values()} == {None}


def test_what_a_reader_gives_takes_the_place_of_the_proposal(infarcted: Phantom) -> None:
    name = motion_name(BY_NUMBER[1])
    proposed, given = scores(infarcted), scores(infarcted, chosen={name: 3.0})
    assert (given[name].value, given[name].interval) == (3.0, None)
    assert given[INDEX].value == pytest.approx(proposed[INDEX].value + 2 / len(WALL_SEGMENTS))
    assert given[INDEX].interval is None


def test_a_still_image_has_no_motion(infarcted: Phantom) -> None:
    motion = segment_motion(infarcted.labels, beat_rings(infarcted.labels), 0)
    assert measure_wall_motion(motion, KeyPhases(0, 0), of_model=True, chosen={}) == ()


def test_an_endocardium_that_bulges_is_dyskinetic_although_the_wall_does_not_thin() -> None:
    assert grade_of(2.0, -9.9) is MotionGrade.AKINETIC
    assert grade_of(2.0, -10.1) is MotionGrade.DYSKINETIC
    assert grade_of(12.0, -10.1) is MotionGrade.HYPOKINETIC, "what thickens contracts, wherever it is pulled"


def test_distances_are_from_the_middle_of_the_whole_ventricle() -> None:
    """A cavity of 20 mm that lies 3 mm to the right in a ventricle of 30 mm."""
    angles = np.deg2rad(ANGLES_DEG)
    inner_mm = np.full(angles.size, 20.0)
    outer_mm = -3.0 * np.cos(angles) + np.sqrt(30.0**2 - (3.0 * np.sin(angles)) ** 2)
    ring = WallRing(inner_mm, outer_mm, outer_mm - inner_mm, None)
    expected_mm = 3.0 * np.cos(angles) + np.sqrt(20.0**2 - (3.0 * np.sin(angles)) ** 2)
    assert endocardium_from_middle_mm(ring) == pytest.approx(expected_mm, abs=0.02)


@pytest.mark.slow
def test_a_phantom_with_a_still_wall_states_what_it_ejects(infarcted: Phantom) -> None:
    ejected = infarcted.truth.lv.ef_percent
    assert ejected < phantom({}, seed=3).truth.lv.ef_percent - 15
    assert infarcted.truth.continuous_lv.ef_percent == pytest.approx(ejected, abs=6)
