"""A correction of one frame moved to frames beside it, phases of a slice or slices of a phase.

What a reader changed is, for each contour, by how many pixels every part of it moved: the difference between
the signed distances to the corrected and to the drawn contour. It is added to the signed distances of the
contour drawn in another frame, at the place that corresponds by position and size of both contours. Between
two corrected frames it passes from one to the other; beyond the last one it fades out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]

_ROOM_PX = 8
"""Around everything labelled, so that contours may grow a little without the whole image being looked at."""

_FEWEST_PX = 4
"""Of a contour whose extent is compared with that of another frame; of smaller ones the middle alone is."""


class Outlined(Protocol):
    """A contour: which labels lie within it, and what pixels become that it takes or leaves."""

    @property
    def labels(self) -> tuple[int, ...]:
        """Of the pixels within it; pixels that it takes get the first."""
        ...

    @property
    def spares(self) -> tuple[int, ...]:
        """Labels of pixels that it does not take."""
        ...

    @property
    def leaves(self) -> int | None:
        """Label of pixels that it leaves; None for that of the nearest pixel outside."""
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a correction is carried.

    Args:
        source: index of the corrected frame.
        fading: how many frames on a side without another corrected frame, until nothing is left of it.
        between: how many frames on a side with one, at most up to that one.
        cyclic: whether the first frame follows the last, as phases of a heartbeat do.

    Raises:
        ValueError: no frame would be reached.
    """

    source: int
    fading: int
    between: int
    cyclic: bool

    def __post_init__(self) -> None:
        if min(self.fading, self.between) < 1:
            raise ValueError(f"a correction reaches one frame or more, not {self.fading} or {self.between}")


@dataclass(frozen=True, slots=True)
class _Target:
    """A frame that is reached, and the share of each correction that it gets; the larger share first."""

    index: int
    shares: tuple[tuple[int, float], ...]


def carried(
    drawn: NDArray[np.uint8], corrected: Mapping[int, Frame], reach: Reach, layers: Sequence[Outlined]
) -> dict[int, Frame]:
    """Frames on both sides of a corrected one, with its correction.

    A contour that was removed or put in is removed or put in everywhere up to the middle between two
    corrected frames, without fading.

    Args:
        drawn: (n, y, x) labels before any correction.
        corrected: (y, x) labels by index, of the frame whose correction is carried and of all others that
            were corrected too; these stay as they are.
        reach: from where and how far.
        layers: contours, in the order in which they are drawn.

    Returns:
        (y, x) labels by index, of every frame that is reached.
    """
    box = _box_around(np.concatenate([drawn, *(frame[np.newaxis] for frame in corrected.values())]))
    shown = drawn[:, *box]
    known = {index: frame[box] for index, frame in corrected.items()}
    found = {}
    for target in _targets(len(drawn), known, reach):
        found[target.index] = drawn[target.index].copy()
        found[target.index][box] = _with_corrections(shown, known, target, layers)
    return found


def _targets(n: int, corrected: Mapping[int, Frame], reach: Reach) -> Iterator[_Target]:
    """Frames that are reached on both sides."""
    for step in (1, -1):
        places = (reach.source + step * k for k in range(1, n))
        beside = [place % n for place in places if reach.cyclic or 0 <= place < n]
        ahead = next((k for k, index in enumerate(beside, start=1) if index in corrected), None)
        if ahead is None:
            # Each phase of a heartbeat is reached on its nearer side alone.
            fading = min(reach.fading, (n - 1) // 2) if reach.cyclic else reach.fading
            for k, index in enumerate(beside[:fading], start=1):
                yield _Target(index, ((reach.source, 1.0 - k / (fading + 1)),))
            continue
        for k, index in enumerate(beside[: min(reach.between, ahead - 1)], start=1):
            shares = ((reach.source, 1.0 - k / ahead), (beside[ahead - 1], k / ahead))
            yield _Target(index, tuple(sorted(shares, key=lambda share: -share[1])))


def _with_corrections(
    drawn: NDArray[np.uint8], corrected: Mapping[int, Frame], target: _Target, layers: Sequence[Outlined]
) -> Frame:
    labels: Frame = drawn[target.index].copy()
    for layer in layers:
        own = within(drawn[target.index], layer)
        wanted = _wanted(own, drawn, corrected, target, layer)
        if not np.array_equal(wanted, own):
            labels = with_layer(labels, layer, wanted)
    return labels


def _wanted(
    own: Mask,
    drawn: NDArray[np.uint8],
    corrected: Mapping[int, Frame],
    target: _Target,
    layer: Outlined,
) -> Mask:
    """Where a contour shall lie in the target; ``own`` is where it was drawn."""
    moved = np.zeros(own.shape)
    nearest = target.shares[0][0]
    for index, share in target.shares:
        before, after = within(drawn[index], layer), within(corrected[index], layer)
        if before.any() and after.any():
            if own.any():
                shift = signed_distances(after) - signed_distances(before)
                moved += share * _placed(shift, before, own)
        elif index == nearest and before.any():
            return np.zeros_like(own)
        elif index == nearest and after.any() and not own.any():
            hearts = drawn[index] > 0, drawn[target.index] > 0
            return np.asarray(_placed(signed_distances(after), *hearts) > 0)
    return np.asarray(signed_distances(own) + moved > 0) if moved.any() else own


def within(labels: Frame, layer: Outlined) -> Mask:
    """Pixels that lie in a contour."""
    return np.isin(labels, layer.labels)


def signed_distances(mask: Mask) -> Distances:
    """Pixels to the border of a mask, positive within.

    >>> signed_distances(np.array([[False, True, True]])).tolist()
    [[-0.5, 0.5, 1.5]]
    """
    if mask.all() or not mask.any():
        return np.where(mask, np.inf, -np.inf)
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside))


def _placed(values: Distances, source: Mask, target: Mask) -> Distances:
    """Values around one contour at the corresponding places around another one."""
    if not (source.any() and target.any()):
        return values
    middle, extent = _extent(source)
    other_middle, other_extent = _extent(target)
    towards = extent @ np.linalg.inv(other_extent)
    places = np.indices(target.shape).reshape(2, -1) - other_middle[:, np.newaxis]
    at = towards @ places + middle[:, np.newaxis]
    return np.asarray(map_coordinates(values, at, order=1, mode="nearest").reshape(target.shape))


def _extent(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2,) middle of a mask, and the symmetric (2, 2) matrix that gives a round blob its size and shape."""
    places = np.stack(np.nonzero(mask)).astype(np.float64)
    middle = places.mean(axis=1)
    if places.shape[1] < _FEWEST_PX:
        return middle, np.eye(2)
    of_a_pixel = np.eye(2) / 12.0
    squares, directions = np.linalg.eigh(np.cov(places, bias=True) + of_a_pixel)
    return middle, (directions * np.sqrt(squares)) @ directions.T


def with_layer(labels: Frame, layer: Outlined, wanted: Mask) -> Frame:
    """Labels of a frame with a contour where it is wanted, and the others as far as it leaves them.

    >>> from types import SimpleNamespace
    >>> inside = SimpleNamespace(labels=(1,), spares=(3,), leaves=2)
    >>> labels = np.array([[0, 1, 1, 3]], dtype=np.uint8)
    >>> with_layer(labels, inside, np.array([[True, True, False, True]])).tolist()
    [[1, 1, 2, 3]]
    """
    is_in = within(labels, layer)
    changed = labels.copy()
    changed[wanted & ~is_in & ~np.isin(labels, layer.spares)] = layer.labels[0]
    left = is_in & ~wanted
    if layer.leaves is not None:
        changed[left] = layer.leaves
    elif left.any():
        outside = within(changed, layer)
        nearest = distance_transform_edt(outside, return_distances=False, return_indices=True)
        changed[left] = changed[tuple(nearest)][left] if not outside.all() else 0
    return changed


def _box_around(frames: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns around everything labelled in (n, y, x) frames."""
    ends = []
    for axes in ((0, 2), (0, 1)):
        found = np.flatnonzero(frames.any(axis=axes))
        low, high = (int(found[0]), int(found[-1])) if found.size else (0, 0)
        ends.append(slice(max(0, low - _ROOM_PX), high + 1 + _ROOM_PX))
    return ends[0], ends[1]
