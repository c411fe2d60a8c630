"""The geometry against closed forms and against its own voxels; nothing is painted here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvai.domain.anatomy import Structure
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.volumes import MYOCARDIAL_DENSITY_G_PER_ML, volume_curve_ml
from cvai.errors import ConfigurationInvalid
from cvai.phantom.beat import ejected_share, systole_fraction
from cvai.phantom.cine_sax.individual import ANGLES_RAD, Individual
from cvai.phantom.cine_sax.labels import true_labels
from cvai.phantom.cine_sax.profiles import Profiles, truncated_ellipsoid_ml
from cvai.phantom.cine_sax.stack import first_middle_mm, lay_slices
from cvai.phantom.cine_sax.ventricles import Discs, Ventricles, beating_ventricles, clear_descent_mm
from cvai.phantom.cine_sax.view import heart_view
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

ED_TO_ES = np.array([0.0, 0.5, 1.0])
HEARTS = st.builds(
    PhantomHeart.drawn,
    seed=st.integers(0, 10_000),
    ef_percent=st.floats(15.0, 75.0),
    edv_ml=st.floats(90.0, 240.0),
)


def ventricles_of(heart: PhantomHeart, discs: Discs, seed: int = 0) -> Ventricles:
    return beating_ventricles(heart, Individual.drawn(seed), ED_TO_ES, discs)


def labels_of(heart: PhantomHeart, acquisition: PhantomAcquisition) -> CineSegmentation:
    stack = lay_slices(heart, acquisition)
    ventricles = ventricles_of(heart, stack.discs, acquisition.seed)
    views = tuple(heart_view(stack, z, 110.0, acquisition.seed) for z in range(stack.geometry.n_slices))
    return true_labels(ventricles, stack, views)


def test_an_ellipsoid_cut_at_its_equator_is_half_an_ellipsoid() -> None:
    half = truncated_ellipsoid_ml(np.array(20.0), np.array(60.0), np.array(0.0))
    assert half == pytest.approx(2 / 3 * np.pi * 20.0**2 * 60.0 / 1000.0)


def test_closed_form_volume_is_the_integral_of_the_cross_sections() -> None:
    profiles, step_mm = Profiles(apex_mm=80.0, apical_wall_mm=6.0), 0.02
    depths_mm, mitral_mm = np.arange(step_mm / 2, 90.0, step_mm), np.array([0.0, 9.0])
    for profile, volume_ml in ((profiles.cavity, profiles.cavity_ml), (profiles.wall, profiles.wall_ml)):
        integral_ml = (np.pi * (25.0 * profile(depths_mm, mitral_mm)) ** 2).sum(axis=1) * step_mm / 1000.0
        np.testing.assert_allclose(volume_ml(np.full(2, 25.0), mitral_mm), integral_ml, rtol=1e-3)


@settings(max_examples=25, deadline=None)
@given(heart=HEARTS, spacing_mm=st.floats(6.0, 11.0))
def test_disc_sums_are_the_requested_volumes(heart: PhantomHeart, spacing_mm: float) -> None:
    first_mm = first_middle_mm(clear_descent_mm(heart.mitral_descent_mm, spacing_mm), spacing_mm)
    discs = Discs(np.arange(first_mm, heart.long_axis_mm + 20.0, spacing_mm), spacing_mm)
    edges = ventricles_of(heart, discs).boundaries(discs.depths_mm)
    inner, outer, right = (
        (np.clip(boundary, 0.0, None) ** 2).mean(axis=2) * np.pi
        for boundary in (edges.endocardium, edges.epicardium, edges.rv_free_wall)
    )
    crescent = np.where(right > 0, right - outer, 0.0)
    ends = [0, 2]
    np.testing.assert_allclose(discs.volume_ml(inner)[ends], [heart.edv_ml, heart.esv_ml], rtol=1e-6)
    np.testing.assert_allclose(discs.volume_ml(crescent)[ends], [heart.rv_edv_ml, heart.rv_esv_ml], rtol=1e-6)
    wall_g = discs.volume_ml(outer - inner)[ends] * MYOCARDIAL_DENSITY_G_PER_ML
    np.testing.assert_allclose(wall_g, heart.lv_mass_g, rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(heart=HEARTS, seed=st.integers(0, 10_000), spacing_x_mm=st.floats(1.2, 2.0))
def test_voxels_count_what_was_requested(heart: PhantomHeart, seed: int, spacing_x_mm: float) -> None:
    labels = labels_of(heart, PhantomAcquisition(seed=seed, spacing_x_mm=spacing_x_mm))
    lv, rv = (volume_curve_ml(labels, s) for s in (Structure.LV_CAVITY, Structure.RV_CAVITY))
    assert lv[0] == pytest.approx(heart.edv_ml, rel=0.01)
    assert 100 * (lv[0] - lv[2]) / lv[0] == pytest.approx(heart.ef_percent, abs=0.5)
    assert rv[0] == pytest.approx(heart.rv_edv_ml, rel=0.02)
    assert rv[2] == pytest.approx(heart.rv_esv_ml, rel=0.04)


@settings(max_examples=50, deadline=None)
@given(usual_mm=st.floats(0.0, 20.0), spacing_mm=st.floats(4.0, 12.0))
def test_the_mitral_ring_never_comes_near_the_middle_of_a_slice(usual_mm: float, spacing_mm: float) -> None:
    descent_mm = clear_descent_mm(usual_mm, spacing_mm)
    assert descent_mm == pytest.approx(usual_mm, abs=spacing_mm / 5 + 1e-9)
    middles_mm = first_middle_mm(descent_mm, spacing_mm) + spacing_mm * np.arange(-3, 9)
    for ring_mm in (0.0, descent_mm):
        assert np.abs(middles_mm - ring_mm).min() >= 0.35 * spacing_mm - 1e-9


def test_the_apex_stays_and_the_base_comes_down() -> None:
    heart = PhantomHeart(ef_percent=60.0)
    depths_mm = np.arange(0.25, 95.0, 0.5)
    endocardium = (
        ventricles_of(heart, Discs(np.arange(5.0, 95.0, 10.0), 10.0)).boundaries(depths_mm).endocardium
    )
    inside_mm = [depths_mm[(endocardium[t] > 0).any(axis=1)] for t in (0, 2)]
    assert inside_mm[0].max() == inside_mm[1].max() == pytest.approx(heart.long_axis_mm, abs=0.5)
    assert inside_mm[1].min() - inside_mm[0].min() == pytest.approx(12.0, abs=0.5)


def test_the_wall_thickens_as_the_cavity_shrinks() -> None:
    discs = Discs(np.arange(5.0, 95.0, 10.0), 10.0)
    ventricles = ventricles_of(PhantomHeart(ef_percent=60.0), discs)
    thickness_mm = ventricles.wall_mm - ventricles.cavity_mm
    assert np.all(np.diff(thickness_mm) > 0)
    assert 6.0 < thickness_mm[0] < 10.0
    assert 10.0 < thickness_mm[2] < 15.0


def test_the_right_ventricle_lies_on_the_septal_side_only() -> None:
    discs = Discs(np.arange(5.0, 95.0, 10.0), 10.0)
    edges = ventricles_of(PhantomHeart(), discs).boundaries(discs.depths_mm)
    width_mm = np.where(edges.rv_free_wall > 0, edges.rv_free_wall - edges.epicardium, 0.0)[0, 0]
    assert width_mm[np.abs(ANGLES_RAD - np.pi) < 0.3].min() > 20.0
    assert width_mm[np.cos(ANGLES_RAD) > 0.3].max() == 0.0


def test_systole_takes_a_larger_share_of_a_faster_beat() -> None:
    assert systole_fraction(60.0) < systole_fraction(90.0) < 0.5


@pytest.mark.parametrize("heart_rate_bpm", [40.0, 65.0, 95.0, 140.0])
@pytest.mark.parametrize("n_phases", [8, 20, 25, 50])
def test_a_beat_ejects_once_and_fills_again(heart_rate_bpm: float, n_phases: int) -> None:
    share = ejected_share(np.arange(n_phases) / n_phases, heart_rate_bpm)
    es = int(share.argmax())
    assert share[0] == 0.0
    assert share[es] == 1.0
    assert np.all(np.diff(share[: es + 1]) >= 0)
    assert share[-1] < 0.35
    assert es / n_phases == pytest.approx(systole_fraction(heart_rate_bpm), abs=0.06 + 1 / n_phases)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ef_percent", 95.0),
        ("ef_percent", float("nan")),
        ("edv_ml", 5.0),
        ("lv_mass_g", 1000.0),
        ("rv_edv_ml", 70.0),
        ("heart_rate_bpm", 0.0),
    ],
)
def test_a_heart_that_cannot_be_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        PhantomHeart(**{name: value})
    assert refused.value.code == "phantom_parameter_out_of_range"
    assert name in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_slices", 2), ("n_phases", 1), ("rows", 4000), ("spacing_x_mm", 0.0), ("slice_spacing_mm", 5.0)],
)
def test_an_acquisition_that_cannot_be_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigurationInvalid, match=name):
        PhantomAcquisition(**{name: value})


def test_a_field_of_view_too_small_for_a_chest_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match="field of view along x"):
        PhantomAcquisition(columns=100, spacing_x_mm=1.4)


def test_slices_that_do_not_reach_the_apex_are_refused_with_the_number_that_would() -> None:
    heart = PhantomHeart(edv_ml=140.0)
    with pytest.raises(ConfigurationInvalid, match="do not reach the apex") as refused:
        lay_slices(heart, PhantomAcquisition(n_slices=5))
    enough = int("".join(filter(str.isdigit, refused.value.hint)))
    lay_slices(heart, PhantomAcquisition(n_slices=enough))
    with pytest.raises(ConfigurationInvalid):
        lay_slices(heart, PhantomAcquisition(n_slices=enough - 1))
