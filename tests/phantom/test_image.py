"""The picture against what was measured in real cine MR, and against its own truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.cine_sax.tissue import (
    BRIGHTEST_TO_BLOOD,
    CAVITY_VARIATION,
    LUNG_TO_BLOOD,
    MYOCARDIUM_TO_BLOOD,
    NOISE_TO_BLOOD,
    RV_BLOOD_TO_BLOOD,
    STORED_BLOOD,
)
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

pytestmark = pytest.mark.slow

QUICK = PhantomAcquisition(n_phases=8, rows=160, columns=170, spacing_x_mm=1.5)


def inner(labels: NDArray[np.uint8], structure: Structure, margin: int = 3) -> NDArray[np.bool_]:
    """(z, y, x) voxels of ``structure`` away from its edge."""
    mask: NDArray[np.bool_] = ndimage.binary_erosion(
        labels == SAX_LABELS[structure], np.ones((1, margin, margin))
    )
    return mask


def ring_around_heart(labels: NDArray[np.uint8], pixel_mm: float) -> NDArray[np.bool_]:
    """(z, y, x) voxels 4 to 40 mm from the heart, as the real ones were measured."""
    ring = np.zeros(labels.shape, dtype=bool)
    for z, heart in enumerate(labels > 0):
        if heart.any():
            distance_mm = ndimage.distance_transform_edt(~heart) * pixel_mm
            ring[z] = (distance_mm > 4.0) & (distance_mm < 40.0)
    return ring


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_tissues_look_as_bright_as_in_real_patients(seed: int) -> None:
    phantom = make_phantom(PhantomHeart.drawn(seed), PhantomAcquisition(n_phases=8, seed=seed))
    image, labels = phantom.pixels[0].astype(np.float64), phantom.labels.labels[0]
    cavity, wall = inner(labels, Structure.LV_CAVITY), inner(labels, Structure.LV_MYOCARDIUM)
    blood = float(np.median(image[cavity]))
    high_pass = image - ndimage.gaussian_filter(image, (0, 1, 1))
    measured = {
        STORED_BLOOD: blood,
        MYOCARDIUM_TO_BLOOD: np.median(image[wall]) / blood,
        RV_BLOOD_TO_BLOOD: np.median(image[inner(labels, Structure.RV_CAVITY, 5)]) / blood,
        CAVITY_VARIATION: image[cavity].std() / blood,
        LUNG_TO_BLOOD: np.percentile(image[ring_around_heart(labels, 1.4)], 5) / blood,
        BRIGHTEST_TO_BLOOD: np.percentile(image, 99.5) / blood,
        NOISE_TO_BLOOD: 1.4826 * np.median(np.abs(high_pass[wall])) / blood / 0.9,
    }
    outside = {limits: value for limits, value in measured.items() if not limits[0] <= value <= limits[1]}
    assert not outside


def test_the_picture_shows_each_structure_where_its_label_is(anisotropic: Phantom) -> None:
    phases = anisotropic.truth.phases
    for t in (phases.end_diastole, phases.end_systole):
        image, labels = anisotropic.pixels[t].astype(np.float64), anisotropic.labels.labels[t]
        middle = labels.shape[0] // 2
        cavity, wall, right = (
            image[middle][inner(labels, structure)[middle]]
            for structure in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.RV_CAVITY)
        )
        assert min(cavity.size, wall.size, right.size) > 30
        assert np.percentile(cavity, 25) > 1.5 * np.percentile(wall, 75)
        assert np.percentile(right, 25) > 1.3 * np.percentile(wall, 75)


def test_papillary_muscles_are_dark_and_yet_cavity(phantom: Phantom) -> None:
    image, labels = phantom.pixels[0].astype(np.float64), phantom.labels.labels[0]
    middle = labels.shape[0] // 2
    deep_inside = inner(labels, Structure.LV_CAVITY, 7)[middle]
    blood = np.median(image[middle][deep_inside])
    dark = deep_inside & (image[middle] < 0.65 * blood)
    assert 0.01 < dark.sum() / deep_inside.sum() < 0.2


def test_the_first_slice_lies_above_the_base_and_the_last_beyond_the_cavity(phantom: Phantom) -> None:
    cavity = phantom.labels.mask(Structure.LV_CAVITY).any(axis=(2, 3))
    assert not cavity[:, 0].any()
    assert not cavity[:, -1].any()
    assert cavity[phantom.truth.phases.end_diastole, 1:-1].all()


def test_a_basal_slice_loses_the_ventricle_in_systole() -> None:
    phantom = make_phantom(PhantomHeart(ef_percent=60.0), QUICK)
    basal = phantom.labels.mask(Structure.LV_CAVITY)[:, 1].any(axis=(1, 2))
    assert basal[phantom.truth.phases.end_diastole]
    assert not basal[phantom.truth.phases.end_systole]


def test_no_axis_can_be_mirrored_or_swapped_without_notice(anisotropic: Phantom) -> None:
    labels = anisotropic.labels.labels[0]
    n_slices, rows, columns = labels.shape
    assert len({n_slices, rows, columns}) == 3
    for axis in range(3):
        overlap = np.mean(np.flip(labels, axis)[labels > 0] == labels[labels > 0])
        assert overlap < 0.6


def test_another_seed_is_another_patient() -> None:
    first, second = (
        make_phantom(PhantomHeart(), PhantomAcquisition(n_phases=8, n_slices=10, seed=seed))
        for seed in (1, 2)
    )
    assert first.truth.lv.ef_percent == pytest.approx(second.truth.lv.ef_percent, abs=0.5)
    assert np.mean(first.labels.labels != second.labels.labels) > 0.01
    assert not np.allclose(first.labels.geometry.normal, second.labels.geometry.normal)


def test_the_same_seed_is_the_same_patient() -> None:
    first, second = (make_phantom(PhantomHeart(), QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.truth == second.truth


def test_more_phases_leave_the_first_one_as_it_was() -> None:
    heart = PhantomHeart(ef_percent=50.0)
    base, finer = make_phantom(heart, QUICK), make_phantom(heart, replace(QUICK, n_phases=16))
    np.testing.assert_array_equal(base.labels.labels[0], finer.labels.labels[0])


def test_the_stack_is_what_the_engine_would_read(anisotropic: Phantom) -> None:
    stack = anisotropic.stack
    assert stack.pixels.shape == anisotropic.labels.labels.shape
    assert (stack.geometry.spacing_y_mm, stack.geometry.spacing_x_mm) == (1.3, 1.9)
    assert stack.geometry.slice_spacing_mm == pytest.approx(10.0)
    assert stack.trigger_times_ms is not None
    assert np.all(stack.trigger_times_ms[-1] < anisotropic.rr_intervals_ms)


def test_the_long_axis_points_to_the_left_forward_and_down(phantom: Phantom) -> None:
    positions_mm = phantom.labels.geometry.positions_mm
    towards_apex = positions_mm[-1] - positions_mm[0]
    assert towards_apex[0] > 0  # left
    assert towards_apex[1] < 0  # anterior
    assert towards_apex[2] < 0  # inferior
