"""Specks of a contour in a slice are left out, and what is the only part of its slice stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS
from cvai.models.specks import without_specks

CAVITY, WALL, RIGHT = SAX_LABELS.values()
PIXEL_MM2 = 1.5 * 1.2


def heart() -> NDArray[np.uint8]:
    """(z, y, x) a ring of wall around a cavity beside a right ventricle, and an apex of few pixels."""
    labels = np.zeros((2, 40, 60), dtype=np.uint8)
    labels[0, 8:32, 20:44] = WALL
    labels[0, 13:27, 25:39] = CAVITY
    labels[0, 10:30, 6:20] = RIGHT
    labels[1, 18:21, 30:33] = WALL
    labels[1, 19, 31] = CAVITY
    labels[1, 18:21, 10:12] = RIGHT
    return labels


def test_specks_go_and_the_heart_stays() -> None:
    labels = heart()
    labels[0, 2:4, 2:6] = RIGHT
    labels[0, 36, 50:55] = WALL
    labels[0, 10, 22:25] = CAVITY
    labels[0, 20:22, 30:33] = WALL
    assert np.array_equal(without_specks(labels, PIXEL_MM2), heart())


def test_a_part_as_large_as_readers_draw_stays() -> None:
    labels = heart()
    labels[0, 2:6, 2:6] = RIGHT
    assert np.array_equal(without_specks(labels, PIXEL_MM2), labels)


def test_small_contours_alone_in_their_slice_stay() -> None:
    assert np.array_equal(without_specks(heart(), PIXEL_MM2), heart())
    assert not without_specks(np.zeros((2, 9, 9), dtype=np.uint8), PIXEL_MM2).any()
