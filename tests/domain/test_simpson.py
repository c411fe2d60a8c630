from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.function import KeyDiscs, area_length_volumes, biplane_volumes, monoplane_volumes
from cvai.domain.echo.simpson import (
    N_DISCS,
    DiscStack,
    biplane_volume_ml,
    disc_stack,
    long_axis,
    monoplane_volume_ml,
    shared_disc_height_mm,
)
from cvai.errors import HeartRefused

SPACING_MM = (0.7, 0.45)
SHAPE = (230, 320)
WALL_MM = 8.0


def drawn(radius_mm: float, length_mm: float, turned: float = 0.0) -> np.ndarray:
    """Half an ellipse of blood in a wall, apex up, open at the mitral plane, turned by ``turned`` radians."""
    y, x = (np.indices(SHAPE) + 0.0) * np.array(SPACING_MM)[:, None, None]
    y, x = y - 90.0, x - 72.0  # the middle of the mitral plane lies at (90, 72) mm
    along, across = y * math.cos(turned) - x * math.sin(turned), x * math.cos(turned) + y * math.sin(turned)
    labels = np.zeros(SHAPE, np.uint8)
    for structure, grown in ((Structure.LV_MYOCARDIUM, WALL_MM), (Structure.LV_CAVITY, 0.0)):
        r = np.hypot(across / (radius_mm + grown), along / (length_mm + grown))
        labels[(r < 1) & (along < 0)] = ECHO_LABELS[structure]
    labels[(np.hypot(across, along - 12) < 12) & (along >= 0)] = ECHO_LABELS[Structure.LEFT_ATRIUM]
    return labels


@settings(max_examples=25, deadline=None)
@given(st.floats(16, 30), st.floats(55, 80), st.floats(-0.4, 0.4))
def test_half_an_ellipsoid_has_the_volume_of_half_an_ellipsoid(
    radius_mm: float, length_mm: float, turned: float
) -> None:
    stack = disc_stack(drawn(radius_mm, length_mm, turned), SPACING_MM)
    true_ml = 2 / 3 * math.pi * radius_mm**2 * length_mm / 1000
    measured_ml = monoplane_volume_ml(stack, shared_disc_height_mm([stack]))
    assert measured_ml == pytest.approx(true_ml, rel=0.03)
    assert stack.axis.length_mm == pytest.approx(length_mm, abs=1.5)
    assert np.linalg.norm(np.diff(stack.axis.annulus_mm, axis=0)) == pytest.approx(2 * radius_mm, abs=4.0)


def test_two_views_of_a_flattened_ventricle_give_its_volume_and_one_view_does_not() -> None:
    four, two = (disc_stack(drawn(radius, 70.0), SPACING_MM) for radius in (26.0, 18.0))
    height_mm = shared_disc_height_mm([four, two])
    true_ml = 2 / 3 * math.pi * 26 * 18 * 70 / 1000
    assert biplane_volume_ml(four, two, height_mm) == pytest.approx(true_ml, rel=0.02)
    assert monoplane_volume_ml(four, height_mm) > 1.3 * true_ml


def test_the_longest_axis_of_both_views_and_phases_gives_every_disc_its_height() -> None:
    stacks = [disc_stack(drawn(20.0, length), SPACING_MM) for length in (78.0, 66.0)]
    assert shared_disc_height_mm(stacks) * N_DISCS == pytest.approx(78.0, abs=1.5)


def test_a_ventricle_that_narrows_by_half_ejects_three_quarters() -> None:
    key = KeyDiscs(*(disc_stack(drawn(radius, 70.0), SPACING_MM) for radius in (28.0, 14.0)))
    for volumes in (biplane_volumes(key, key), monoplane_volumes(key), area_length_volumes(key)):
        assert volumes.ef_percent == pytest.approx(75.0, abs=1.5)


def test_a_ventricle_that_shortens_ejects_more_by_each_phase_s_own_length() -> None:
    long, short = (disc_stack(drawn(*size), SPACING_MM) for size in ((28.0, 80.0), (20.0, 60.0)))
    key = KeyDiscs(long, short)
    of_one_height, of_own_lengths = (biplane_volumes(key, key, own_length=own) for own in (False, True))
    assert of_one_height.ef_percent == pytest.approx(100 * (1 - (20 / 28) ** 2), abs=1.5)
    assert of_own_lengths.ef_percent == pytest.approx(100 * (1 - (20 / 28) ** 2 * 60 / 80), abs=1.5)
    assert of_own_lengths.edv_ml == pytest.approx(of_one_height.edv_ml)
    assert monoplane_volumes(key, own_length=True).ef_percent == pytest.approx(of_own_lengths.ef_percent)


def test_the_ejection_fraction_does_not_depend_on_the_size_of_a_pixel() -> None:
    frames = [drawn(radius, 70.0) for radius in (26.0, 18.0)]
    efs = []
    for factor in (1.0, 3.0):
        spacing_mm = (SPACING_MM[0] * factor, SPACING_MM[1] * factor)
        efs.append(monoplane_volumes(KeyDiscs(*(disc_stack(f, spacing_mm) for f in frames))).ef_percent)
    assert efs[0] == pytest.approx(efs[1])


def test_swapped_spacing_would_show() -> None:
    labels = drawn(24.0, 70.0)
    right, swapped = disc_stack(labels, SPACING_MM), disc_stack(labels, SPACING_MM[::-1])
    assert abs(right.axis.length_mm - swapped.axis.length_mm) > 10


def test_leaflets_that_bulge_into_the_ventricle_do_not_move_the_mitral_plane() -> None:
    flat = drawn(24.0, 70.0)
    bulging = flat.copy()
    y, x = np.indices(SHAPE) * np.array(SPACING_MM)[:, None, None]
    leaflets = (np.hypot((x - 72) / 14, (y - 90) / 9) < 1) & (flat == ECHO_LABELS[Structure.LV_CAVITY])
    bulging[leaflets] = ECHO_LABELS[Structure.LEFT_ATRIUM]
    a, b = long_axis(flat, SPACING_MM), long_axis(bulging, SPACING_MM)
    np.testing.assert_allclose(a.mitral_mm, b.mitral_mm, atol=1.0)


@pytest.mark.parametrize("wall", [0, 2], ids=["no wall at all", "wall all around"])
def test_a_ventricle_without_a_mitral_plane_is_refused(wall: int) -> None:
    labels = np.full((80, 80), wall, np.uint8)
    y, x = np.indices(labels.shape)
    labels[np.hypot(y - 40, x - 40) < 20] = 1
    with pytest.raises(HeartRefused) as refused:
        disc_stack(labels, (1.0, 1.0))
    assert refused.value.code == "mitral_plane_not_found"


def test_a_wall_that_touches_the_ventricle_in_one_point_opens_no_mitral_plane() -> None:
    labels = np.zeros((80, 80), np.uint8)
    labels[20:60, 20:60] = ECHO_LABELS[Structure.LV_CAVITY]
    labels[17, 39] = ECHO_LABELS[Structure.LV_MYOCARDIUM]
    with pytest.raises(HeartRefused) as refused:
        disc_stack(labels, (1.0, 1.0))
    assert refused.value.code == "mitral_plane_not_found"


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(HeartRefused):
        disc_stack(np.zeros((40, 40), np.uint8), (1.0, 1.0))


def test_discs_are_twenty() -> None:
    axis = long_axis(drawn(24.0, 70.0), SPACING_MM)
    with pytest.raises(ValueError, match="19"):
        DiscStack(axis, np.ones(19), 1.0)
