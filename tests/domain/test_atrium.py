from __future__ import annotations

import math

import numpy as np
import pytest

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.atrium import (
    AtrialVolumes,
    Enlargement,
    KeyAtria,
    atrial_stack,
    biplane_atrial_volumes,
    enlargement,
    mean_atrial_volumes,
    measure_atrium,
    monoplane_atrial_volumes,
)
from cvai.domain.echo.quality import enlargement_findings
from cvai.domain.echo.simpson import DiscStack
from cvai.domain.measurement import Measurement
from cvai.domain.normals import with_normal_ranges
from cvai.domain.subject import Subject
from cvai.errors import HeartRefused

SPACING_MM = (0.5, 0.8)
SHAPE = (290, 130)
MITRAL_MM = 80.0
"""Row of the mitral plane, in mm from the first."""

ATRIUM = ECHO_LABELS[Structure.LEFT_ATRIUM]


def drawn(half_width_mm: float, length_mm: float) -> np.ndarray:
    """A ventricle, and below its mitral plane half an ellipse of atrium."""
    y, x = np.indices(SHAPE) * np.array(SPACING_MM)[:, None, None]
    along, across = y - MITRAL_MM, x - 50.0
    labels = np.zeros(SHAPE, np.uint8)
    for structure, grown in ((Structure.LV_MYOCARDIUM, 8.0), (Structure.LV_CAVITY, 0.0)):
        inside = np.hypot(across / (22.0 + grown), along / (65.0 + grown)) < 1
        labels[inside & (along < 0)] = ECHO_LABELS[structure]
    labels[(np.hypot(across / half_width_mm, along / length_mm) < 1) & (along >= 0)] = ATRIUM
    return labels


def stack(half_width_mm: float, length_mm: float) -> DiscStack:
    return atrial_stack(drawn(half_width_mm, length_mm), SPACING_MM)


def half_ellipsoid_ml(four_mm: float, two_mm: float, length_mm: float) -> float:
    return 2 / 3 * math.pi * four_mm * two_mm * length_mm / 1000


def test_two_views_of_half_an_ellipsoid_give_its_volume_by_discs() -> None:
    views = [KeyAtria(stack(w, 48.0), stack(w, 30.0)) for w in (24.0, 20.0)]
    volumes = biplane_atrial_volumes(*views)
    assert volumes.largest_ml == pytest.approx(half_ellipsoid_ml(24, 20, 48), rel=0.03)
    assert volumes.smallest_ml == pytest.approx(half_ellipsoid_ml(24, 20, 30), rel=0.03)
    assert volumes.emptying_percent == pytest.approx(100 * (1 - 30 / 48), abs=1.5)


def test_area_and_length_take_the_shorter_axis_of_two_views() -> None:
    views = [KeyAtria(stack(22.0, length), stack(22.0, 30.0)) for length in (40.0, 50.0)]
    areas_mm2 = [math.pi / 2 * 22 * length for length in (40, 50)]
    expected_ml = 8 * areas_mm2[0] * areas_mm2[1] / (3 * math.pi * 40) / 1000
    assert biplane_atrial_volumes(*views).largest_by_area_ml == pytest.approx(expected_ml, rel=0.03)


def test_one_view_takes_discs_as_circles() -> None:
    volumes = monoplane_atrial_volumes(KeyAtria(stack(24.0, 48.0), stack(24.0, 30.0)))
    assert volumes.largest_ml == pytest.approx(half_ellipsoid_ml(24, 24, 48), rel=0.03)


def test_the_chamber_is_closed_by_a_straight_line_at_the_annulus() -> None:
    flat = drawn(22.0, 45.0)
    bulging = flat.copy()
    y, x = np.indices(SHAPE) * np.array(SPACING_MM)[:, None, None]
    into_ventricle = np.hypot((x - 50) / 15, (y - MITRAL_MM) / 9) < 1
    bulging[into_ventricle & (flat == ECHO_LABELS[Structure.LV_CAVITY])] = ATRIUM
    a, b = (atrial_stack(labels, SPACING_MM) for labels in (flat, bulging))
    assert b.area_mm2 == pytest.approx(a.area_mm2, rel=0.02)


@pytest.mark.parametrize("length_mm", [0.0, 5.0], ids=["none", "a rim"])
def test_an_atrium_that_is_not_seen_is_refused(length_mm: float) -> None:
    labels = (
        drawn(22.0, length_mm) if length_mm else np.where(drawn(22.0, 9.0) == ATRIUM, 0, drawn(22.0, 9.0))
    )
    with pytest.raises(HeartRefused) as refused:
        atrial_stack(labels.astype(np.uint8), SPACING_MM)
    assert refused.value.code == "atrium_not_found"


@pytest.mark.parametrize(
    ("volume", "grade"),
    [
        (34, Enlargement.NONE),
        (35, Enlargement.MILD),
        (41.4, Enlargement.MILD),
        (42, Enlargement.MODERATE),
        (48.4, Enlargement.MODERATE),
        (48.6, Enlargement.SEVERE),
    ],
)
def test_grades_change_at_the_published_limits(volume: float, grade: Enlargement) -> None:
    assert enlargement(volume) is grade


@pytest.mark.parametrize(("volume", "codes"), [(30.0, []), (45.0, ["left_atrium_enlarged"])])
def test_a_grade_is_stated_for_whom_a_normal_range_holds(volume: float, codes: list[str]) -> None:
    index = Measurement("la_max_index", volume, "mL/m2")
    (adult,) = with_normal_ranges([index], Subject("F", 50), "US")
    findings = enlargement_findings(adult)
    assert [finding.code for finding in findings] == codes
    assert all("moderately enlarged" in finding.message for finding in findings)
    assert enlargement_findings(index) == enlargement_findings(None) == ()


def test_without_a_size_of_the_pixels_there_is_a_fraction_only() -> None:
    volumes = AtrialVolumes(50.0, 20.0, 53.0)
    assert [m.name for m in measure_atrium(volumes, calibrated=False)] == ["la_ef"]
    assert [m.name for m in measure_atrium(volumes, calibrated=True)] == [
        "la_max",
        "la_max_area_length",
        "la_min",
        "la_ef",
    ]


def test_beats_are_averaged_and_none_are_an_error() -> None:
    beats = [KeyAtria(stack(w, 48.0), stack(w, 30.0)) for w in (20.0, 24.0)]
    single = [monoplane_atrial_volumes(beat).largest_ml for beat in beats]
    assert mean_atrial_volumes(beats, ()).largest_ml == pytest.approx(np.mean(single))
    with pytest.raises(ValueError, match="no beats"):
        mean_atrial_volumes((), ())
