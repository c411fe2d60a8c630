from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.tissue.rules import fwhm_percent, n_sd_percent, remote_myocardium
from cvai.domain.tissue.shares import (
    CAVITY,
    HEALTHY,
    INFARCT,
    NO_REFLOW,
    infarct_share_percent,
    share_percent,
    without_specks,
)
from cvai.domain.tissue.transmurality import transmural_percent, transmurality

SPACING_MM = (1.5, 1.0)


def ring(infarct_deg: float, depth: float, no_reflow: bool = False) -> np.ndarray:
    """(2, y, x) labels of a round ventricle of 40 and 60 mm; the infarct reaches through ``depth`` of
    the wall from inside, along an angle that begins on the right."""
    y, x = np.mgrid[:60, :90]
    up_mm, right_mm = -(y - 29.5) * SPACING_MM[0], (x - 44.5) * SPACING_MM[1]
    radius_mm, angle_deg = np.hypot(up_mm, right_mm), np.rad2deg(np.arctan2(up_mm, right_mm)) % 360
    labels = np.where(radius_mm < 30, HEALTHY, 0)
    along = angle_deg < infarct_deg
    labels[(labels == HEALTHY) & along & (radius_mm < 20 + 10 * depth)] = INFARCT
    if no_reflow:
        labels[(labels == INFARCT) & (np.abs(radius_mm - 23) < 1.2)] = NO_REFLOW
    labels[radius_mm < 20] = CAVITY
    return np.repeat(labels[None].astype(np.uint8), 2, axis=0)


def images_of(labels: np.ndarray, noise: float = 4.0) -> np.ndarray:
    greys = np.array([80, 160, 40, 200, 30], np.float32)
    return (greys[labels] + np.random.default_rng(3).normal(0, noise, labels.shape)).astype(np.float32)


@pytest.mark.parametrize("infarct_deg", [0.0, 60.0, 200.0])
def test_shares_are_those_of_the_area(infarct_deg: float) -> None:
    labels = ring(infarct_deg, depth=1.0, no_reflow=True)
    assert infarct_share_percent(labels) == pytest.approx(100 * infarct_deg / 360, abs=0.8)
    assert share_percent(labels, (NO_REFLOW,)) < infarct_share_percent(labels) or infarct_deg == 0


@pytest.mark.parametrize(("least_percent", "is_kept"), [(15.0, True), (18.0, False)])
def test_an_infarct_smaller_than_the_least_is_healthy_myocardium(least_percent: float, is_kept: bool) -> None:
    labels = ring(60.0, depth=1.0, no_reflow=True)  # 16.7 % of the myocardium
    kept = without_specks(labels, least_percent, 0.0)
    assert np.array_equal(kept, labels) == is_kept
    assert (infarct_share_percent(kept) > 0) == is_kept
    assert np.array_equal(kept > 1, labels > 1)


def test_no_reflow_smaller_than_the_least_is_infarct() -> None:
    labels = ring(60.0, depth=1.0, no_reflow=True)
    no_reflow_percent = 100 * np.mean(labels[labels >= INFARCT] == NO_REFLOW)
    assert np.array_equal(without_specks(labels, 2.0, no_reflow_percent - 1), labels)
    kept = without_specks(labels, 2.0, no_reflow_percent + 1)
    assert not (kept == NO_REFLOW).any()
    assert infarct_share_percent(kept) == infarct_share_percent(labels)


@pytest.mark.parametrize("infarct_deg", [0.0, 60.0, 200.0])
def test_both_rules_find_an_infarct_of_known_size(infarct_deg: float) -> None:
    labels = ring(infarct_deg, depth=1.0, no_reflow=True)
    images, share = images_of(labels), infarct_share_percent(labels)
    assert n_sd_percent(images, labels) == pytest.approx(share, abs=1.0)
    assert fwhm_percent(images, labels) == pytest.approx(share, abs=1.0)


def test_rules_do_not_depend_on_scale_and_offset_of_intensities() -> None:
    labels = ring(90.0, depth=0.7)
    images = images_of(labels)
    for rule in (n_sd_percent, fwhm_percent):
        assert rule(3 * images - 500, labels) == pytest.approx(rule(images, labels))


def test_without_remote_myocardium_no_rule_measures() -> None:
    labels = np.where(ring(0, 0) == HEALTHY, INFARCT, CAVITY).astype(np.uint8)
    assert n_sd_percent(images_of(labels), labels) is None
    assert fwhm_percent(images_of(labels), labels) is None


def test_remote_myocardium_keeps_away_from_borders_and_infarct() -> None:
    labels = ring(90.0, depth=1.0)
    remote = remote_myocardium(labels)
    assert remote.any()
    assert (labels[remote] == HEALTHY).all()
    assert not remote[:, 29, 65:].any(), "where the infarct begins"


@pytest.mark.parametrize("depth", [0.3, 0.8])
def test_transmurality_is_the_depth_of_the_infarct(depth: float) -> None:
    shares = transmurality(ring(120.0, depth)[0], SPACING_MM)
    assert shares is not None
    assert shares[10:30] == pytest.approx(depth, abs=0.09)
    assert shares[50:110] == pytest.approx(0.0, abs=0.02)
    expected = 100 / 3 if depth > 0.5 else 0.0
    assert transmural_percent(ring(120.0, depth), SPACING_MM) == pytest.approx(expected, abs=2.0)


def test_without_a_heart_there_is_no_transmurality() -> None:
    nothing = np.zeros((2, 20, 20), np.uint8)
    assert transmurality(nothing[0], SPACING_MM) is None
    assert transmural_percent(nothing, SPACING_MM) is None
    assert infarct_share_percent(nothing) == 0
