from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ellipe

from cvai.domain.strain import closed_length_mm, open_length_mm, strain_peak, strain_percent

ANGLES = np.arange(180) * np.pi / 90


def ellipse_mm(a_mm: float, b_mm: float, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([a_mm * np.cos(angles), b_mm * np.sin(angles)], axis=-1)


def perimeter_mm(a_mm: float, b_mm: float) -> float:
    return float(4 * a_mm * ellipe(1 - (b_mm / a_mm) ** 2))


def test_the_length_of_an_ellipse_is_that_of_its_closed_form() -> None:
    assert closed_length_mm(ellipse_mm(30.0, 22.0, ANGLES), 8) == pytest.approx(
        perimeter_mm(30, 22), rel=1e-9
    )


def test_steps_of_pixels_do_not_lengthen_a_closed_curve() -> None:
    pixel_mm = 1.6
    steps_mm = np.rint(ellipse_mm(30.0, 22.0, ANGLES) / pixel_mm) * pixel_mm
    assert closed_length_mm(steps_mm, 6) == pytest.approx(perimeter_mm(30, 22), rel=0.004)


def test_lengths_of_several_curves_are_those_of_each() -> None:
    curves_mm = np.stack([ellipse_mm(30.0, 22.0, ANGLES), ellipse_mm(20.0, 18.0, ANGLES)])
    each_mm = [float(closed_length_mm(curve_mm, 6)) for curve_mm in curves_mm]
    assert closed_length_mm(curves_mm, 6) == pytest.approx(each_mm)


def test_more_harmonics_than_points_determine_are_an_error() -> None:
    with pytest.raises(ValueError, match="7 harmonics"):
        closed_length_mm(ellipse_mm(3.0, 2.0, ANGLES[::15]), 7)


def test_an_open_curve_has_the_length_of_its_closed_form_where_it_begins_and_ends() -> None:
    angles = np.sort(np.random.default_rng(1).uniform(0.0, np.pi, 400))
    half_mm = ellipse_mm(80.0, 25.0, np.concatenate([[0.0], angles, [np.pi]]))
    assert open_length_mm(half_mm, 24) == pytest.approx(perimeter_mm(80, 25) / 2, rel=0.003)


def test_steps_of_pixels_hardly_lengthen_an_open_curve() -> None:
    half_mm = ellipse_mm(25.0, 80.0, np.linspace(0.0, np.pi, 400))
    steps_mm = np.rint(half_mm / 0.6) * 0.6
    smooth_mm, stepped_mm = open_length_mm(half_mm, 12), open_length_mm(steps_mm, 12)
    assert stepped_mm == pytest.approx(smooth_mm, rel=0.003)


def test_points_in_one_place_make_no_line() -> None:
    with pytest.raises(ValueError, match="make no line"):
        open_length_mm(np.zeros((3, 2)), 4)


def test_a_ring_that_shrinks_evenly_is_strained_by_its_shrinking() -> None:
    radii_mm = np.array([25.0, 22.0, 20.0, 23.0])
    lengths_mm = closed_length_mm(radii_mm[:, None, None] * ellipse_mm(1.0, 0.8, ANGLES), 6)
    strain = strain_percent(lengths_mm, end_diastole=0)
    assert strain == pytest.approx([0.0, -12.0, -20.0, -8.0])
    assert strain_peak(strain).phase == 2


def test_a_line_without_length_has_no_strain() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        strain_percent(np.array([0.0, 1.0]), end_diastole=0)
