"""Contours tell whether a heart is cut across its axis, and whether its slices beat together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cvai.domain.cine import CineStack
from cvai.domain.function import ventricle_measurements
from cvai.domain.geometry import StackGeometry
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.brightness import require_steady_brightness
from cvai.domain.ventricles.quality import quality_findings
from cvai.domain.ventricles.short_axis import cross_section, require_short_axis
from cvai.domain.ventricles.slice_curves import out_of_step_findings, slice_shifts
from cvai.domain.volumes import volume_curves_ml
from cvai.errors import HeartRefused

PHASES = KeyPhases(0, 5)
GEOMETRY = StackGeometry.unplaced(9, (10.0, 1.5, 1.5))


def ventricle(
    n_slices: int = 8, late_by: dict[int, int] | None = None, open_slices: int = 0
) -> CineSegmentation:
    """Rings of 12 phases; some slices run late, some are open on one side as along the long axis."""
    y, x = np.mgrid[:64, :64] - 32.0
    labels = np.zeros((12, n_slices, 64, 64), dtype=np.uint8)
    for t in range(12):
        for z in range(n_slices):
            moment = (t - (late_by or {}).get(z, 0)) % 12
            radius = 14 + 4 * np.cos(2 * np.pi * moment / 12)
            distance = np.hypot(y, x)
            labels[t, z][distance < radius + 6] = 2
            labels[t, z][distance < radius] = 1
            if z < open_slices:
                labels[t, z][(y > 0) & (labels[t, z] == 2)] = 0
    return CineSegmentation(labels, StackGeometry.unplaced(n_slices, (10.0, 1.5, 1.5)))


def test_rings_are_counted_and_round() -> None:
    seen = cross_section(ventricle(), 0)
    assert seen is not None
    assert (seen.n_rings, seen.n_slices) == (8, 8)
    assert seen.roundness == pytest.approx(1.0, abs=0.02)
    assert seen.score == pytest.approx(1.0, abs=0.02)
    require_short_axis(ventricle(), PHASES)


def test_a_ventricle_that_is_open_in_most_slices_is_refused() -> None:
    require_short_axis(ventricle(open_slices=4), PHASES)
    with pytest.raises(HeartRefused) as refusal:
        require_short_axis(ventricle(open_slices=5), PHASES)
    assert refusal.value.code == "no_short_axis"
    assert "3 of 8 slices" in refusal.value.message


def cine_of(brightness: NDArray[np.float64]) -> CineStack:
    """Images whose myocardium is so bright in each phase."""
    labels = ventricle().labels
    pixels = np.where(labels == 2, brightness[:, None, None, None], 300.0).astype(np.uint16)
    return CineStack(pixels, ventricle().geometry, None, None)


def test_images_whose_myocardium_becomes_brighter_are_no_cine() -> None:
    beating = 100.0 + 15.0 * np.cos(np.linspace(0.0, 2.0 * np.pi, 12))
    require_steady_brightness(cine_of(beating), ventricle())
    beating[0] = 250.0  # on the way to the steady state
    require_steady_brightness(cine_of(beating), ventricle())
    with pytest.raises(HeartRefused, match="times as bright") as refusal:
        require_steady_brightness(cine_of(np.linspace(100.0, 220.0, 12)), ventricle())
    assert refusal.value.code == "brightness_changes"


def test_slices_that_beat_together_have_no_shift() -> None:
    np.testing.assert_allclose(slice_shifts(ventricle()), 0.0, atol=1e-6)
    assert out_of_step_findings(ventricle()) == ()


@pytest.mark.parametrize("phases", [2, 4, -2])
def test_slices_that_run_late_are_named(phases: int) -> None:
    segmentation = ventricle(late_by={3: phases, 4: phases})
    assert slice_shifts(segmentation)[3] == pytest.approx(phases / 12, abs=0.02)
    (finding,) = out_of_step_findings(segmentation)
    assert finding.code == "slices_out_of_step"
    assert "slices 3 and 4, 5 and 6" in finding.message
    assert [place.slice for place in finding.where] == [2, 3, 4, 5]


def test_contraction_that_runs_along_the_ventricle_is_no_finding() -> None:
    labels: NDArray[np.uint8] = ventricle(late_by={z: z // 4 for z in range(8)}).labels
    assert (
        out_of_step_findings(CineSegmentation(labels.copy(), StackGeometry.unplaced(8, (8.0, 1.5, 1.5))))
        == ()
    )


def test_a_slice_that_the_valve_moves_through_is_not_out_of_step() -> None:
    """At the base of a real cine the cavity comes and goes in one slice, and shows by chance in the next."""
    labels = ventricle(n_slices=9, late_by={7: 5}).labels.copy()
    assert "slices 7 and 8" in out_of_step_findings(CineSegmentation(labels.copy(), GEOMETRY))[0].message
    labels[[0, 4], 7] = 0
    labels[:9, 8] = 0
    segmentation = CineSegmentation(labels, GEOMETRY)
    assert np.flatnonzero(np.isnan(slice_shifts(segmentation))).tolist() == [7, 8]
    assert out_of_step_findings(segmentation) == ()


def test_slices_that_run_late_are_named_beside_one_that_the_valve_moves_through() -> None:
    labels = ventricle(n_slices=9, late_by={3: 4, 4: 4}).labels.copy()
    labels[[0, 4], 7] = 0
    (finding,) = out_of_step_findings(CineSegmentation(labels, GEOMETRY))
    assert "slices 3 and 4, 5 and 6" in finding.message


def test_a_ventricle_that_grows_gives_volumes_and_no_negative_numbers() -> None:
    assert [m.name for m in ventricle_measurements("rv", 100.0, 161.0, 70.0)] == ["rv_edv", "rv_esv"]
    backwards = KeyPhases(end_diastole=6, end_systole=0)
    codes = [f.code for f in quality_findings(ventricle(), backwards, volume_curves_ml(ventricle()))]
    assert "no_stroke_volume" in codes
