"""Where the heart lies in a slice, by trying windows over the image and scoring what is found in each.

A network that is trained on windows around hearts labels a ring where a window holds one, and fragments
elsewhere. No pixel size has to be known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.tissue.shares import CAVITY, WALL
from cvai.models.heart_window import HEART_SHARE, LEVELS_SHARE, HeartBox, levels
from cvai.models.resample import Window

SIZES = (0.18, 0.34)
"""Extents of a heart, as shares of an axis of the image, for which windows are tried: in training, hearts of
two thirds to one and a half of a window's have been met, so these cover 0.12 to 0.5."""

REFINED = 6
"""Windows, those with the best scores, which are placed again around what was found in them."""

_ROUNDS = 2
_STRIDE = 0.5
"""Of a window, between neighbouring ones."""

_SMALLEST = 0.02
"""Share of a window below which labels are specks."""

_NEAR_WINDOW, _NEAR_IMAGE = 0.3, 0.6
"""Distances from the middle of the window and of the image, as shares of their sides, at which a score has
fallen to 0.37: a heart off the middle of its window is cut, and hearts are imaged near the middle."""

Labels = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""(n, 3, size, size) windows to (n, size, size) labels."""


@dataclass(frozen=True, slots=True)
class FoundHeart:
    """A heart in one slice.

    Args:
        box: where it lies.
        score: from 0 to 1, how much it looks like a ring around a cavity in the middle of its window.
    """

    box: HeartBox
    score: float


def search_heart(seen: NDArray[np.float32], labels_of: Labels, size: int) -> FoundHeart | None:
    """The heart of a slice; None where nothing looks like one.

    Args:
        seen: (3, y, x) the slice between its neighbours.
        labels_of: the network.
        size: pixels on a side of a window.
    """
    shape = (seen.shape[1], seen.shape[2])
    found = _looked_at(seen, list(_boxes(shape)), labels_of, size)
    for _ in range(_ROUNDS):
        best = sorted(found, key=lambda heart: heart.score, reverse=True)[:REFINED]
        found = _looked_at(seen, [heart.box for heart in best], labels_of, size) or best
    return max(found, key=lambda heart: heart.score, default=None)


def _boxes(shape: tuple[int, int]) -> Iterator[HeartBox]:
    """Boxes whose windows cover the image at every combination of SIZES."""
    for rows, columns in product(SIZES, SIZES):
        extent = (rows * shape[0], columns * shape[1])
        centres = [_centres(n, side) for n, side in zip(shape, extent, strict=True)]
        yield from (HeartBox((y, x), extent) for y, x in product(*centres))


def _centres(n: int, extent: float) -> NDArray[np.float64]:
    """Places along an axis of ``n`` pixels, one of them in its middle; hearts do not lie at the border."""
    step = _STRIDE * extent / HEART_SHARE
    reach = int((n / 2 - extent / 2) // step)
    return np.asarray((n - 1) / 2 + step * np.arange(-reach, reach + 1), dtype=np.float64)


def _looked_at(
    seen: NDArray[np.float32], boxes: list[HeartBox], labels_of: Labels, size: int
) -> list[FoundHeart]:
    """What is found in the windows of boxes, each with a box of its own."""
    if not boxes:
        return []
    windows = [box.window((seen.shape[1], seen.shape[2]), size) for box in boxes]
    shown = np.stack([window.cut(seen) for window in windows])
    drawn = labels_of(levels(shown, LEVELS_SHARE))
    hearts = (_heart_in(window, labels) for window, labels in zip(windows, drawn, strict=True))
    return [heart for heart in hearts if heart is not None]


def _heart_in(window: Window, labels: NDArray[np.uint8]) -> FoundHeart | None:
    pieces, count = ndimage.label(labels > 0)
    if count == 0:
        return None
    sizes = np.bincount(pieces.ravel())[1:]
    piece = pieces == 1 + sizes.argmax()
    cavity = piece & (labels == CAVITY)
    if sizes.max() < _SMALLEST * labels.size or not cavity.any():
        return None
    inside = HeartBox.around(piece[None].astype(np.uint8))
    centre = window.to_plane(inside.centre)
    from_window = _from_middle(inside.centre, (labels.shape[0], labels.shape[1]))
    from_image = _from_middle(centre, window.shape)
    near = math.exp(-((from_window / _NEAR_WINDOW) ** 2) - (from_image / _NEAR_IMAGE) ** 2)
    score = _enclosure(cavity, labels) * _uncut(piece) * sizes.max() / sizes.sum() * near
    extent = (inside.extent[0] * window.step(0), inside.extent[1] * window.step(1))
    return FoundHeart(HeartBox(centre, extent), float(score))


def _from_middle(point: tuple[float, float], shape: tuple[int, int]) -> float:
    """Distance of a (y, x) point from the middle of an image, as a share of its sides."""
    return math.hypot(*(place / (n - 1) - 0.5 for place, n in zip(point, shape, strict=True)))


def _uncut(piece: NDArray[np.bool_]) -> float:
    """1 where a piece keeps clear of the window's border, 0 where it fills a quarter of it."""
    border = np.concatenate([piece[0], piece[-1], piece[:, 0], piece[:, -1]])
    return max(0.0, 1.0 - 4.0 * float(border.mean()))


def _enclosure(cavity: NDArray[np.bool_], labels: NDArray[np.uint8]) -> float:
    """Share of the cavity's border that lies on wall."""
    border = ndimage.binary_dilation(cavity) & ~cavity
    return float(np.mean(np.isin(labels[border], WALL))) if border.any() else 0.0
