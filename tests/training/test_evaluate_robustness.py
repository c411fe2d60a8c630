from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.evaluation.conditions import BIAS_RATIO, CONDITIONS, Condition
from cvai.training.tasks.sax.evaluation.robustness import robustness
from tests.training.known import GREY, ReadsGrey, drawn_heart

BY_NAME = {condition.name: condition for condition in CONDITIONS}
MOVES_PIXELS = ("rotated_90", "mirrored", "transposed", "heart_in_corner", "half_field_of_view")
RESAMPLES = ("spacing_0.7_mm", "spacing_2.5_mm")
SHADES = ("gamma_0.6", "gamma_1.6", "bias_field")

hearts = st.builds(
    drawn_heart,
    shape=st.tuples(st.integers(3, 6), st.integers(80, 110), st.integers(85, 120)),
    spacing_mm=st.tuples(st.floats(5, 12), st.floats(0.8, 2.2), st.floats(0.8, 2.2)),
    centre=st.tuples(st.floats(30, 50), st.floats(45, 60)),
)


def volumes_ml(volume: LabelledVolume) -> list[float]:
    voxel_ml = np.prod(volume.spacing_mm) / 1000
    return [float(np.count_nonzero(volume.labels == value) * voxel_ml) for value in SAX_LABELS.values()]


def extent_mm(volume: LabelledVolume) -> list[float]:
    """Rows and columns that the heart takes, in mm."""
    where = np.argwhere(volume.labels > 0)[:, 1:]
    return list((where.max(axis=0) - where.min(axis=0) + 1) * np.array(volume.spacing_mm[1:]))


def test_every_condition_is_tested_here() -> None:
    assert {*MOVES_PIXELS, *RESAMPLES, *SHADES} == set(BY_NAME)


@pytest.mark.parametrize("name", MOVES_PIXELS)
@settings(max_examples=20, deadline=None)
@given(heart=hearts)
def test_pixels_and_their_labels_move_together(name: str, heart: LabelledVolume) -> None:
    changed = BY_NAME[name].change(heart)
    inside = changed.labels > 0
    np.testing.assert_array_equal(changed.image[inside], GREY[changed.labels][inside])
    assert volumes_ml(changed) == pytest.approx(volumes_ml(heart))
    assert sorted(extent_mm(changed)) == pytest.approx(sorted(extent_mm(heart)))


@pytest.mark.parametrize("name", ["rotated_90", "transposed"])
def test_exchanged_axes_exchange_their_spacing(name: str) -> None:
    heart = drawn_heart(spacing_mm=(9.0, 1.8, 1.3))
    changed = BY_NAME[name].change(heart)
    assert changed.spacing_mm == (9.0, 1.3, 1.8)
    assert extent_mm(changed) == pytest.approx(extent_mm(heart)[::-1])


def test_the_three_turns_differ_from_each_other() -> None:
    heart = drawn_heart(shape=(4, 90, 90), spacing_mm=(10.0, 1.5, 1.5))
    names = ("rotated_90", "mirrored", "transposed")
    turned = [heart.labels, *(BY_NAME[n].change(heart).labels for n in names)]
    assert len({labels.tobytes() for labels in turned}) == 4


@pytest.mark.parametrize("name", RESAMPLES)
@settings(max_examples=15, deadline=None)
@given(heart=hearts)
def test_resampling_keeps_size_and_place_of_the_heart(name: str, heart: LabelledVolume) -> None:
    changed = BY_NAME[name].change(heart)
    spacing_mm = changed.spacing_mm[1]
    assert changed.spacing_mm == (heart.spacing_mm[0], spacing_mm, spacing_mm)
    assert f"spacing_{spacing_mm}_mm" == name
    assert volumes_ml(changed) == pytest.approx(volumes_ml(heart), rel=0.12)
    assert extent_mm(changed) == pytest.approx(extent_mm(heart), abs=2 * max(2.5, *heart.spacing_mm[1:]))
    cavity = changed.labels == SAX_LABELS[Structure.LV_CAVITY]
    background = changed.labels == 0
    assert changed.image[cavity].mean() > changed.image[background].mean() + 100


@settings(max_examples=20, deadline=None)
@given(heart=hearts)
def test_the_heart_comes_to_lie_in_the_corner_of_an_image_as_large_as_before(heart: LabelledVolume) -> None:
    changed = BY_NAME["heart_in_corner"].change(heart)
    assert changed.image.shape == heart.image.shape
    first_mm = np.argwhere(changed.labels > 0)[:, 1:].min(axis=0) * np.array(heart.spacing_mm[1:])
    assert np.all(first_mm < 8.0 + np.array(heart.spacing_mm[1:]))


def test_half_the_field_of_view_has_half_the_rows_and_columns() -> None:
    heart = drawn_heart(shape=(4, 160, 150), centre=(90.0, 60.0))
    assert BY_NAME["half_field_of_view"].change(heart).image.shape == (4, 80, 75)


@pytest.mark.parametrize("name", SHADES)
@settings(max_examples=10, deadline=None)
@given(heart=hearts)
def test_shading_leaves_labels_and_geometry_alone(name: str, heart: LabelledVolume) -> None:
    changed = BY_NAME[name].change(heart)
    assert changed.labels is heart.labels
    assert changed.spacing_mm == heart.spacing_mm
    assert not np.allclose(changed.image, heart.image)


def test_gamma_keeps_black_and_white_and_moves_what_lies_between() -> None:
    heart = drawn_heart()
    share = (GREY[3] - GREY[0]) / (GREY[1] - GREY[0])
    for name, exponent in (("gamma_0.6", 0.6), ("gamma_1.6", 1.6)):
        image = BY_NAME[name].change(heart).image
        assert (float(image.min()), float(image.max())) == pytest.approx((20.0, 200.0), rel=1e-5)
        right = float(image[heart.labels == 3][0])
        assert (right - 20.0) / 180.0 == pytest.approx(share**exponent, rel=1e-4)


def test_one_corner_becomes_eight_times_as_bright_as_the_opposite_one() -> None:
    heart = drawn_heart()
    factor = BY_NAME["bias_field"].change(heart).image[0] / heart.image[0]
    assert factor[-1, -1] / factor[0, 0] == pytest.approx(BIAS_RATIO, rel=1e-5)
    assert factor[0, -1] == pytest.approx(1.0, rel=1e-5)


def test_a_segmenter_that_reads_the_image_loses_nothing_where_pixels_only_move() -> None:
    hearts = [drawn_heart(phase=phase, centre=c) for phase, c in (("ED", (40, 55)), ("ES", (45, 50)))]
    moves = tuple(BY_NAME[name] for name in ("rotated_90", "mirrored", "transposed", "half_field_of_view"))
    result = robustness(hearts, ReadsGrey(), moves)
    assert result.volumes == 2
    assert list(result.conditions) == ["unchanged", *(c.name for c in moves)]
    for changed in result.conditions.values():
        assert set(changed.dice.values()) == {1.0}
        assert set(changed.loss.values()) == {0.0}
        assert changed.refused == 0


def test_what_is_lost_and_refused_is_told_by_condition() -> None:
    wide = drawn_heart(shape=(4, 80, 100))
    result = robustness([wide], ReadsGrey(refuses_tall=True), (BY_NAME["transposed"], BY_NAME["mirrored"]))
    assert result.conditions["transposed"].refused == 1
    assert set(result.conditions["transposed"].loss.values()) == {1.0}
    assert result.conditions["mirrored"].refused == 0


def test_a_condition_of_ones_own_can_be_tried() -> None:
    inverted = Condition("inverted", "inverted", BY_NAME["mirrored"].change)
    assert list(robustness([drawn_heart()], ReadsGrey(), (inverted,)).conditions) == ["unchanged", "inverted"]
