from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvai.domain.vessels.centreline import vessel_paths
from cvai.domain.vessels.diameters import DiameterProfile, diameter_profile, frame_blur_px
from cvai.domain.vessels.gaps import bridged
from cvai.domain.vessels.narrowings import (
    Caliper,
    DrawnLesion,
    Grade,
    Narrowing,
    drawn_narrowing,
    narrowings_of,
    reference_diameter_px,
)
from cvai.phantom.coronary.vessels import PhantomLesion, PhantomVessel, segment_labels, thickness_mm

SHAPE = (200, 260)
SPACING_MM = 0.2
POINTS = ((0.2, 0.08), (0.35, 0.3), (0.42, 0.6), (0.75, 0.93))


def profiles_of(
    vessels: tuple[PhantomVessel, ...], noise: float = 0.0, blur_px: float = 1.0, grow: int = 0, seed: int = 0
) -> tuple[DiameterProfile, ...]:
    absorption = thickness_mm(vessels, SHAPE, SPACING_MM, blur_px) * 0.1
    rows = np.linspace(0, 0.2, SHAPE[0])[:, None]
    absorption = absorption + rows + np.random.default_rng(seed).normal(0, noise, SHAPE)
    mask = segment_labels(vessels, SHAPE, SPACING_MM) > 0
    if grow:
        from scipy.ndimage import binary_dilation

        mask = binary_dilation(mask, iterations=grow)
    return tuple(diameter_profile(absorption, mask, path) for path in vessel_paths(mask))


def middle(profile: DiameterProfile) -> np.ndarray:
    """Diameters without the ends, which are round."""
    diameters = profile.diameter_px[15:-15]
    return diameters[np.isfinite(diameters)]


@pytest.mark.parametrize("diameter_mm", [1.2, 2.0, 3.0, 4.5])
@pytest.mark.parametrize("grow", [0, 1])
def test_diameters_are_true_within_a_tenth_of_a_millimetre(diameter_mm: float, grow: int) -> None:
    vessel = PhantomVessel(6, POINTS, (diameter_mm, diameter_mm))
    (profile,) = profiles_of((vessel,), noise=0.006, grow=grow)
    measured_mm = middle(profile) * SPACING_MM
    assert len(measured_mm) > 200
    assert abs(measured_mm.mean() - diameter_mm) <= 0.05
    assert measured_mm.std() <= 0.1


@pytest.mark.parametrize("blur_px", [0.6, 1.6])
def test_another_blur_than_assumed_costs_less_than_a_tenth_of_a_millimetre(blur_px: float) -> None:
    (profile,) = profiles_of((PhantomVessel(6, POINTS, (2.5, 2.5)),), noise=0.006, blur_px=blur_px)
    assert abs(middle(profile).mean() * SPACING_MM - 2.5) <= 0.1


@pytest.mark.parametrize("blur_px", [1.0, 1.6, 2.2, 3.0])
def test_the_blur_of_a_frame_is_seen_in_profiles_across_its_vessels(blur_px: float) -> None:
    vessels = (PhantomVessel(6, POINTS, (2.8, 2.0)),)
    seen_px = frame_blur_px(profiles_of(vessels, noise=0.004, blur_px=blur_px))
    assert seen_px is not None
    assert abs(seen_px - blur_px) <= 0.3


def test_too_few_vessels_show_no_blur() -> None:
    assert frame_blur_px(()) is None
    assert frame_blur_px(profiles_of((PhantomVessel(6, POINTS, (0.6, 0.6)),))) is None


@pytest.mark.parametrize("percent", [30.0, 50.0, 65.0, 80.0])
@pytest.mark.parametrize("length_mm", [6.0, 12.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_percent_stenosis_is_true_within_five_points(percent: float, length_mm: float, seed: int) -> None:
    lesion = PhantomLesion(0.5, length_mm, percent)
    (profile,) = profiles_of((PhantomVessel(6, POINTS, (3.6, 2.6), (lesion,)),), noise=0.006, seed=seed)
    (found,) = narrowings_of(profile)
    assert abs(found.percent - percent) <= 5.0
    assert abs(found.minimal_px * SPACING_MM - 3.1 * (1 - percent / 100)) <= 0.16
    assert abs(found.narrowest / profile.path.length_px - 0.5) <= 0.05
    assert 0.4 * length_mm <= found.length_px * SPACING_MM <= 1.2 * length_mm


@pytest.mark.parametrize("seed", range(4))
def test_a_healthy_vessel_has_no_narrowing(seed: int) -> None:
    (profile,) = profiles_of((PhantomVessel(6, POINTS, (3.6, 2.0)),), noise=0.01, seed=seed)
    assert narrowings_of(profile) == ()


def test_two_lesions_of_one_vessel_are_two() -> None:
    lesions = (PhantomLesion(0.3, 7.0, 55.0), PhantomLesion(0.7, 7.0, 75.0))
    (profile,) = profiles_of((PhantomVessel(6, POINTS, (3.4, 2.8), lesions),), noise=0.005)
    found = narrowings_of(profile)
    assert [n.grade for n in found] == [Grade.MODERATE, Grade.SEVERE]


def test_paths_run_through_bifurcations_and_branches_start_on_them() -> None:
    trunk = PhantomVessel(6, POINTS, (3.6, 2.6))
    branch = PhantomVessel(9, ((0.36, 0.33), (0.65, 0.42), (0.9, 0.45)), (2.0, 1.6))
    long, short = profiles_of((trunk, branch), noise=0.005)
    assert long.path.length_px > 200
    assert 70 < short.path.length_px < 160
    assert long.path.at_branch.any()
    assert not long.path.at_branch[150:].any()
    assert_allclose(np.nanmedian(short.diameter_px[20:-15]) * SPACING_MM, 1.8, atol=0.1)
    assert narrowings_of(long) == ()
    assert narrowings_of(short) == ()


def test_a_lesion_is_measured_beside_a_branch() -> None:
    trunk = PhantomVessel(6, POINTS, (3.6, 2.6), (PhantomLesion(0.55, 8.0, 60.0),))
    branch = PhantomVessel(9, ((0.36, 0.33), (0.65, 0.42), (0.9, 0.45)), (2.0, 1.6))
    long, _ = profiles_of((trunk, branch), noise=0.005)
    (found,) = narrowings_of(long)
    assert abs(found.percent - 60.0) <= 5.0


def test_a_gap_at_a_severe_lesion_is_bridged_and_measured() -> None:
    vessel = PhantomVessel(6, POINTS, (3.6, 2.6), (PhantomLesion(0.5, 8.0, 80.0),))
    absorption = thickness_mm((vessel,), SHAPE, SPACING_MM) * 0.1
    mask = segment_labels((vessel,), SHAPE, SPACING_MM) > 0
    (whole,) = vessel_paths(mask)
    y, x = whole.points[len(whole.points) // 2].round().astype(int)
    mask[y - 8 : y + 9, x - 8 : x + 9] = False
    assert len(vessel_paths(mask)) == 2
    (path,) = vessel_paths(bridged(mask))
    (found,) = narrowings_of(diameter_profile(absorption, bridged(mask), path))
    assert abs(found.percent - 80.0) <= 5.0


def test_ends_that_do_not_face_each_other_stay_apart() -> None:
    mask = np.zeros((120, 120), dtype=bool)
    mask[20:26, 10:50] = True
    mask[38:44, 55:110] = True
    mask[60:110, 10:16] = True
    assert (bridged(mask) == mask).all()


def test_an_empty_mask_and_a_spot_have_no_path() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    assert vessel_paths(mask) == ()
    mask[20:24, 20:24] = True
    assert vessel_paths(mask) == ()


def test_a_vessel_that_ends_has_no_lesion_at_its_end() -> None:
    vessel = PhantomVessel(6, POINTS, (3.6, 0.8))
    (profile,) = profiles_of((vessel,), noise=0.005)
    assert narrowings_of(profile) == ()


def test_a_reference_is_not_known_without_diameters() -> None:
    (profile,) = profiles_of((PhantomVessel(6, POINTS, (3.0, 3.0)),))
    unknown = replace(profile, diameter_px=np.full_like(profile.diameter_px, np.nan))
    assert np.isnan(reference_diameter_px(unknown)).all()
    assert narrowings_of(unknown) == ()


def test_a_narrowing_out_of_order_is_no_narrowing() -> None:
    with pytest.raises(ValueError, match="narrowing"):
        Narrowing(5, 4, 6, 1.0, 2.0)


def narrowed(percent: float = 65.0, at: float = 0.5, seed: int = 1) -> DiameterProfile:
    vessel = PhantomVessel(6, POINTS, (3.6, 2.6), (PhantomLesion(at, 9.0, percent),))
    (profile,) = profiles_of((vessel,), noise=0.006, seed=seed)
    return profile


@pytest.mark.parametrize("percent", [30.0, 50.0, 80.0])
@pytest.mark.parametrize("wider_px", [0, 6])
def test_a_lesion_drawn_around_a_narrowing_measures_what_is_found(percent: float, wider_px: int) -> None:
    profile = narrowed(percent)
    (found,) = narrowings_of(profile)
    drawn = drawn_narrowing(profile, DrawnLesion(found.first - wider_px, found.last + wider_px))
    assert drawn is not None
    assert (drawn.narrowest, drawn.minimal_px) == (found.narrowest, found.minimal_px)
    assert drawn.percent == pytest.approx(found.percent, abs=1.0)
    assert drawn.length_px == found.length_px + 2 * wider_px
    assert not drawn.is_one_sided


def test_edges_that_a_reader_draws_are_the_diameters() -> None:
    profile = narrowed()
    n = len(profile.diameter_px)
    minimum, reference = Caliper(n // 2 + 3, -2.0, 3.0), Caliper(30, -9.0, 11.0)
    drawn = drawn_narrowing(profile, DrawnLesion(n // 2 - 20, n // 2 + 20, minimum, reference))
    assert drawn == Narrowing(n // 2 - 20, n // 2 + 3, n // 2 + 20, 5.0, 20.0)
    assert drawn.percent == 75.0
    left, right = profile.offsets_px[30]
    assert right - left == pytest.approx(profile.diameter_px[30])


def test_at_an_ostium_the_reference_rests_on_the_vessel_behind_it() -> None:
    profile = narrowed(60.0, at=0.06)
    assert narrowings_of(profile) == ()
    n = len(profile.diameter_px)  # the path begins at the wider end
    drawn = drawn_narrowing(profile, DrawnLesion(n - 40, n - 1))
    assert drawn is not None
    assert drawn.is_one_sided
    assert drawn.percent == pytest.approx(60.0, abs=5.0)


def test_what_cannot_be_measured_is_none() -> None:
    profile = narrowed()
    n = len(profile.diameter_px)
    assert drawn_narrowing(profile, DrawnLesion(0, n - 1)) is None, "nothing healthy is left"
    assert drawn_narrowing(profile, DrawnLesion(n - 10, n)) is None, "not on the path"
    with pytest.raises(ValueError, match="narrowest at 4"):
        DrawnLesion(5, 9, Caliper(4, -1.0, 1.0))
    with pytest.raises(ValueError, match="edges"):
        Caliper(4, 1.0, -1.0)
    with pytest.raises(ValueError, match="without a width"):
        DrawnLesion(5, 9, reference=Caliper(20, 1.0, 1.0))
