from __future__ import annotations

import numpy as np

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.models.sax import second_ventricle_voxels

CAVITY, WALL = SAX_LABELS[Structure.LV_CAVITY], SAX_LABELS[Structure.LV_MYOCARDIUM]


def heart_and(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """(z, y, x) labels of a ventricle, and the distance of every pixel from the middle of a second one."""
    y, x = np.mgrid[:80, :160]
    first, second = np.hypot(y - 40, x - 40), np.hypot(y - 40, x - 120)
    labels = np.zeros((3, 80, 160), np.uint8)
    labels[:, first < 20] = WALL
    labels[:, first < 14] = CAVITY
    labels[:, second < radius] = WALL
    return labels, second


def test_a_second_ring_is_a_second_heart() -> None:
    labels, second = heart_and(15)
    labels[:, second < 10] = CAVITY
    assert second_ventricle_voxels(labels) == 3 * np.count_nonzero(second < 15)


def test_what_is_labelled_without_a_wall_around_it_is_none() -> None:
    labels, second = heart_and(15)
    labels[:, second < 14] = CAVITY
    labels[:, :40][:, second[:40] < 15] = CAVITY
    assert second_ventricle_voxels(labels) == 0
    labels[0] = 0
    assert second_ventricle_voxels(labels[:1]) == 0, "nothing at all"
