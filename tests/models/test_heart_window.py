from __future__ import annotations

import numpy as np
import pytest

from cvai.models.heart_window import HEART_SHARE, HIGHEST_LEVEL, LOWEST_LEVEL, HeartBox, levels

SIZE = 40


def ring(height: float, width: float, shape: tuple[int, int] = (90, 120)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (np.hypot((y - 50) / height, (x - 44) / width) < 0.5).astype(np.uint8)[None]


@pytest.mark.parametrize(("height", "width"), [(20, 60), (60, 20), (33, 41)])
def test_the_heart_fills_the_same_share_of_both_axes_whatever_its_proportions(
    height: int, width: int
) -> None:
    labels = ring(height, width)
    seen = HeartBox.around(labels).window((90, 120), SIZE).cut(labels.astype(np.float32))[0]
    box = HeartBox.around((seen > 0.5)[None].astype(np.uint8))
    assert box.extent == pytest.approx((HEART_SHARE * SIZE,) * 2, abs=1.5)
    assert box.centre == pytest.approx(((SIZE - 1) / 2,) * 2, abs=0.8)


def test_where_nothing_is_labelled_there_is_no_box() -> None:
    with pytest.raises(ValueError, match="no box"):
        HeartBox.around(np.zeros((1, 4, 4), np.uint8))


def test_levels_do_not_depend_on_scale_and_offset_and_missing_neighbours_stay_zero() -> None:
    image = np.random.default_rng(1).random((2, 3, 30, 30), dtype=np.float32) + 1
    image[0, 0] = 0
    shown = levels(image, 0.5)
    changed = levels(np.where(image == 0, 0, 40 * image + 7).astype(np.float32), 0.5)
    np.testing.assert_allclose(shown, changed, atol=1e-3)
    assert not shown[0, 0].any()
    assert shown.min() >= LOWEST_LEVEL
    assert shown.max() <= HIGHEST_LEVEL
