"""Longitudinal strain of borders whose lengths are known in closed form."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import BeatSpan, area_curve, span_of
from cvai.domain.echo.quality import strain_findings
from cvai.domain.echo.strain import (
    NOT_MEASURED,
    BeatStrain,
    Layer,
    LoopStrain,
    beat_strain,
    border_lengths_mm,
    loop_strain,
    measure_strain,
)
from cvai.domain.findings import Place
from cvai.domain.phases import KeyPhases
from cvai.phantom.beat import ejected_share
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import LAYERS, VIEWS
from cvai.phantom.echo_apical.plane import ApicalPlane, Placement
from cvai.phantom.echo_apical.scanner import pixels_mm
from cvai.phantom.echo_apical.ventricle import beating_ventricle
from cvai.phantom.parameters import PhantomHeart

ACQUISITION = LoopAcquisition(
    n_frames=30, frame_time_ms=40.0, rows=240, columns=280, spacing_y_mm=0.7, spacing_x_mm=0.9, seed=4
)
SPACING_MM = (ACQUISITION.spacing_y_mm, ACQUISITION.spacing_x_mm)
CAVITY = ECHO_LABELS[Structure.LV_CAVITY]


@cache
def true_loop(ef_percent: float, plane: int) -> tuple[NDArray[np.uint8], dict[Layer, NDArray[np.float64]]]:
    """(t, y, x) true outlines of one view, and the (t,) true length of every layer."""
    heart = PhantomHeart.drawn(ACQUISITION.seed, ef_percent)
    times_ms = np.arange(ACQUISITION.n_frames) * ACQUISITION.frame_time_ms
    share = ejected_share(times_ms / heart.rr_interval_ms % 1.0, heart.heart_rate_bpm)
    ventricles = beating_ventricle(heart, share)
    view = ApicalPlane(VIEWS[plane], Placement.drawn(ACQUISITION.seed, VIEWS[plane]))
    depth_mm, right_mm = pixels_mm(ACQUISITION)
    labels = np.stack([view.labels(ventricle, depth_mm, right_mm) for ventricle in ventricles])
    lengths = {
        Layer(name): np.array([ventricle.border_mm(plane, depth) for ventricle in ventricles])
        for name, depth in LAYERS.items()
    }
    return labels, lengths


def measured(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float] = SPACING_MM
) -> dict[Layer, BeatStrain]:
    """Strain of the first beat."""
    curve = area_curve(np.count_nonzero(labels == CAVITY, axis=(1, 2)).astype(float))
    span = span_of(curve, curve.beats[0])
    assert span is not None
    found = {layer: beat_strain(of, span) for layer, of in border_lengths_mm(labels, spacing_mm).items()}
    return {layer: strain for layer, strain in found.items() if strain is not None}


@pytest.mark.parametrize("ef_percent", [30.0, 62.0])
@pytest.mark.parametrize("plane", [0, 1])
@pytest.mark.parametrize("layer", Layer)
def test_strain_of_true_outlines_is_within_a_point_and_a_frame(
    ef_percent: float, plane: int, layer: Layer
) -> None:
    labels, lengths = true_loop(ef_percent, plane)
    strain = measured(labels)[layer]
    true = 100 * (lengths[layer] / lengths[layer][strain.start] - 1)
    of_beat = true[strain.start : strain.start + len(strain.curve_percent)]
    assert strain.peak_percent == pytest.approx(of_beat.min(), abs=1.0)
    assert abs(strain.peak_frame - strain.start - int(of_beat.argmin())) <= 1
    assert abs(strain.rest_percent) < 1.0


def test_mirror_scale_and_noise_of_the_outline_change_strain_by_less_than_a_point() -> None:
    labels, _ = true_loop(62.0, 0)
    rng = np.random.default_rng(7)
    wider_mm = (SPACING_MM[0] * 1.07, SPACING_MM[1] * 1.07)
    seen = [measured(labels), measured(labels[:, :, ::-1]), measured(labels, wider_mm)]
    seen += [measured(moved_edges(labels, rng)) for _ in range(3)]
    for layer in Layer:
        assert np.std([strain[layer].peak_percent for strain in seen]) <= 1.0


def moved_edges(labels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Every frame shifted by a pixel or not, a tenth of the pixels at its edges taken from beside them."""
    moved = np.empty_like(labels)
    for t, frame in enumerate(labels):
        shifted = np.roll(frame, rng.integers(-1, 2, 2), axis=(0, 1))
        beside = np.roll(shifted, rng.integers(-1, 2, 2), axis=(0, 1))
        moved[t] = np.where(rng.random(frame.shape) < 0.1, beside, shifted)
    return moved


def test_a_size_of_the_pixels_is_not_needed() -> None:
    labels, _ = true_loop(62.0, 0)
    twice_mm = (2 * SPACING_MM[0], 2 * SPACING_MM[1])
    for layer in Layer:
        assert measured(labels, twice_mm)[layer].peak_percent == pytest.approx(
            measured(labels)[layer].peak_percent, abs=0.05
        )


def test_a_frame_without_a_mitral_plane_takes_no_part() -> None:
    labels, _ = true_loop(62.0, 0)
    lost = labels.copy()
    lost[14] = 0
    assert np.isnan(border_lengths_mm(lost, SPACING_MM)[Layer.ENDOCARDIUM][14])
    whole, with_gap = measured(labels), measured(lost)
    assert with_gap[Layer.ENDOCARDIUM].peak_percent == pytest.approx(
        whole[Layer.ENDOCARDIUM].peak_percent, abs=0.5
    )


def test_a_wall_around_one_corner_of_the_ventricle_has_no_length() -> None:
    labels = np.zeros((1, 80, 80), np.uint8)
    labels[0, 14:34, 14:34] = ECHO_LABELS[Structure.LV_MYOCARDIUM]
    labels[0, 20:60, 20:60] = ECHO_LABELS[Structure.LV_CAVITY]
    assert all(np.isnan(length).all() for length in border_lengths_mm(labels, (1.0, 1.0)).values())


def test_a_beat_with_many_lost_frames_has_no_strain() -> None:
    lengths_mm = np.full(20, 200.0)
    lengths_mm[5:10] = np.nan
    assert beat_strain(lengths_mm, BeatSpan(0, 8, 19)) is None


def test_a_loop_that_ends_at_end_systole_has_no_whole_beat() -> None:
    curve = area_curve(100 - 60 * np.sin(np.linspace(0, np.pi / 2, 20)))
    assert span_of(curve, KeyPhases(0, 19)) is None


def test_a_peak_after_end_systole_is_told_from_the_strain_at_end_systole() -> None:
    strain = BeatStrain(start=3, end_systole=6, curve_percent=np.array([0.0, -8, -14, -16, -18, -6, 0]))
    assert (strain.peak_frame, strain.peak_percent) == (7, -18.0)
    assert strain.end_systolic_percent == -16.0


def test_a_beat_runs_forward() -> None:
    with pytest.raises(ValueError, match="no heartbeat"):
        BeatSpan(5, 3, 9)


def strain_of(labels: NDArray[np.uint8]) -> LoopStrain:
    curve = area_curve(np.count_nonzero(labels == CAVITY, axis=(1, 2)).astype(float))
    return loop_strain(labels, SPACING_MM, curve, curve.beats or (curve.extremes,))


def test_few_frames_a_beat_and_half_a_beat_have_no_strain() -> None:
    labels, _ = true_loop(62.0, 0)
    assert "frames a heartbeat" in str(strain_of(labels[::2]).withheld)
    assert "no heartbeat" in str(strain_of(labels[:9]).withheld)
    assert strain_of(labels).withheld is None


def test_two_views_have_a_mean_and_one_alone_has_none() -> None:
    four, two = (strain_of(true_loop(62.0, plane)[0]) for plane in (0, 1))
    times_ms = np.arange(ACQUISITION.n_frames) * ACQUISITION.frame_time_ms
    both = measure_strain({VIEWS[0]: four, VIEWS[1]: two}, {VIEWS[0]: times_ms, VIEWS[1]: None})
    values = {measurement.name: measurement.value for measurement in both}
    mean = (values["lv_gls_endo_a4c"] + values["lv_gls_endo_a2c"]) / 2
    assert values["lv_gls_endo"] == pytest.approx(mean)
    assert "lv_gls_time_a4c" in values
    assert "lv_gls_time_a2c" not in values, "its frames have no times"
    alone = measure_strain({VIEWS[0]: four, VIEWS[1]: NOT_MEASURED}, {VIEWS[0]: None, VIEWS[1]: None})
    assert {measurement.name for measurement in alone} == {"lv_gls_endo_a4c", "lv_gls_mid_a4c"}


def test_shortening_after_end_systole_is_a_finding_that_leads_to_the_peak() -> None:
    late = BeatStrain(start=0, end_systole=3, curve_percent=np.array([0.0, -8, -14, -16, -17, -18, -6, 0]))
    (finding,) = strain_findings("apical four-chamber", LoopStrain(beats={Layer.ENDOCARDIUM: (late,)}))
    assert finding.code == "post_systolic_shortening"
    assert finding.where == (Place(5),)
    early = BeatStrain(start=0, end_systole=4, curve_percent=late.curve_percent)
    assert strain_findings("apical four-chamber", LoopStrain(beats={Layer.ENDOCARDIUM: (early,)})) == ()
