from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.models.intensity import normalised, with_neighbours
from cvai.models.resample import Window, full_window, linear_weights


def test_weights_sum_to_one_inside_and_to_zero_outside() -> None:
    weights = linear_weights(5, np.array([-3.0, -0.4, 0.0, 1.5, 4.4, 6.0]), step=1.0)
    np.testing.assert_allclose(weights.sum(axis=1), [0, 1, 1, 1, 1, 0], atol=1e-6)


def test_sampling_at_the_samples_changes_nothing() -> None:
    image = np.random.default_rng(0).random((7, 9)).astype(np.float32)
    same = Window((7, 9), (1.5, 1.5), (3.0, 4.0), (7, 9), 1.5)
    np.testing.assert_allclose(same.cut(image), image, atol=1e-6)


@given(
    st.tuples(st.floats(0.6, 2.5), st.floats(0.6, 2.5)),
    st.tuples(st.floats(20, 40), st.floats(20, 60)),
    st.floats(0.8, 2.0),
)
def test_a_ramp_keeps_its_values_in_millimetres_to_a_tenth_of_a_pixel(
    spacing_mm: tuple[float, float], centre: tuple[float, float], window_spacing_mm: float
) -> None:
    rows, columns = np.mgrid[0:64, 0:80]
    image = (3 * rows * spacing_mm[0] + 7 * columns * spacing_mm[1]).astype(np.float32)
    cut = Window((64, 80), spacing_mm, centre, (5, 5), window_spacing_mm).cut(image)
    middle = np.array([2.0, 2.0])
    for y, x in np.ndindex(5, 5):
        at_mm = np.array(centre) * spacing_mm + (np.array([y, x]) - middle) * window_spacing_mm
        a_tenth_of_a_pixel = 0.1 * window_spacing_mm * (3 + 7)
        assert cut[y, x] == pytest.approx(3 * at_mm[0] + 7 * at_mm[1], abs=a_tenth_of_a_pixel)


def test_what_was_cut_comes_back_where_it_was() -> None:
    image = np.zeros((90, 120), dtype=np.float32)
    image[30:50, 60:90] = 1.0
    window = Window((90, 120), (1.4, 1.1), (40.0, 75.0), (64, 64), 1.5)
    back = np.zeros(image.shape, dtype=bool)
    back[window.footprint] = window.back(window.cut(image)) > 0.5
    union = np.count_nonzero(back | (image > 0.5))
    assert np.count_nonzero(back & (image > 0.5)) / union > 0.93


def test_the_footprint_ends_with_the_window_and_with_the_image() -> None:
    window = Window((90, 120), (1.5, 1.5), (20.0, 100.0), (64, 64), 1.5)
    assert window.footprint == (slice(0, 53), slice(68, 120))


def test_the_whole_plane_fits_its_window() -> None:
    window = full_window((256, 192), (1.4, 1.6), 1.5)
    corner = window.to_plane((0.0, 0.0))
    assert corner[0] <= 0.5
    assert corner[1] <= 0.5
    assert window.size == (239, 205)


def test_intensities_do_not_depend_on_the_scanner_s_scale() -> None:
    pixels = np.random.default_rng(1).gamma(2.0, 50.0, (3, 4, 20, 20)).astype(np.float32)
    np.testing.assert_allclose(normalised(pixels), normalised(pixels * 7.5 + 300), atol=1e-4)
    assert normalised(pixels).min() == 0
    assert normalised(pixels).max() == 1


def test_an_image_without_contrast_does_not_divide_by_zero() -> None:
    assert np.all(normalised(np.full((2, 3, 4, 4), 9.0, dtype=np.float32)) == 0)


def test_neighbours_stand_around_each_slice_and_are_empty_at_the_ends() -> None:
    volume = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), dtype=np.float32) + 1
    channels = with_neighbours(volume)[:, :, 0, 0]
    np.testing.assert_array_equal(channels, [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 0]])
