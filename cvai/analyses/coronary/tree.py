"""The tree of one frame: maps of neighbouring frames joined, then measured and searched for lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from cvai.analyses.coronary.analysis import Lesion
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.vessels.centreline import vessel_paths
from cvai.domain.vessels.diameters import DiameterProfile, diameter_profile
from cvai.domain.vessels.gaps import bridged
from cvai.domain.vessels.maps import VesselMaps
from cvai.domain.vessels.narrowings import Narrowing, narrowings_of
from cvai.domain.vessels.run import AngiographyRun
from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment

MEASURED_PERCENT = 50.0
"""From here on a narrowing of the profile alone is a lesion."""
CONFIRMED_PERCENT = 25.0
"""From here on one is a lesion that the network has seen too."""
LIKELY = 0.5
"""Probability from which on the network counts as having seen a vessel or a stenosis."""

_SEEN_WITHIN_PX = 2
"""What a network draws is seldom exactly on the narrowing."""
_NEAR_PX, _SUPPORT = 5, 0.25
"""Side of the square, and mean probability of the neighbours within it that keeps a vessel."""
_REGISTERED = 4
"""Maps are aligned on every fourth pixel, to a quarter of their distance."""
_LARGEST_SHIFT_PX = 40
_SMALLEST_PIECE_PX = 150
_CHOSEN, _BESIDE = 2, 1
"""Weight of the labels of the chosen frame and of its neighbours."""


Pixel = TypeVar("Pixel", bound=np.generic)


class VesselModel(Protocol):
    """Names coronary segments in a frame, and says where vessels and stenoses are."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model, and on what it runs."""
        ...

    def maps(self, frame: NDArray[np.float32]) -> VesselMaps:
        """Of a frame (y, x) of grey values 0..1, vessels dark."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredTree:
    """What was found in a frame.

    Args:
        lesions: severest first.
        lesser_percent: the largest of narrowings that are no lesions; 0 where there is none.
        suspected: number of places that the network takes for a stenosis and no profile shows.
    """

    lesions: tuple[Lesion, ...]
    lesser_percent: float
    suspected: int


def neighbours(frame: int, n_frames: int) -> tuple[int, ...]:
    """The frame itself, then those before and after it.

    >>> neighbours(0, 5), neighbours(3, 5)
    ((0, 1), (3, 2, 4))
    """
    return (frame, *(t for t in (frame - 1, frame + 1) if 0 <= t < n_frames))


def joined_maps(maps: Sequence[VesselMaps], field: NDArray[np.bool_]) -> VesselMaps:
    """Maps of a frame made consistent with its neighbours'.

    Neighbours are shifted onto the frame. A vessel is kept where they have one within two pixels, as the
    heart bends it between frames: what one frame alone shows is dropped. A segment is what most frames call
    a pixel, the frame itself counting twice, and so is the probability of a stenosis averaged.

    Args:
        maps: of the frame, then of its neighbours.
        field: (y, x) outside of which nothing is a vessel.
    """
    first, others = maps[0], [_aligned(maps[0], other) for other in maps[1:]]
    vessel, stenosis = first.vessel * field, first.stenosis * field
    if others:
        near = [ndimage.maximum_filter(other.vessel, _NEAR_PX) for other in others]
        vessel = np.where(np.mean(near, axis=0) >= _SUPPORT, vessel, 0.0)
        beside = [ndimage.maximum_filter(other.stenosis, _NEAR_PX) for other in others]
        stenosis = (stenosis + np.mean(beside, axis=0)) / 2 * field
    mask = bridged(_without_specks(vessel >= LIKELY)) & field
    labels = _spread(_voted([first, *others], [_CHOSEN, *([_BESIDE] * len(others))]), mask)
    return VesselMaps(labels, vessel.astype(np.float32), stenosis.astype(np.float32))


def measured_tree(
    profiles: Sequence[DiameterProfile], labels: NDArray[np.uint8], stenosis: NDArray[np.float32]
) -> MeasuredTree:
    """The lesions of the tree of a frame.

    Args:
        profiles: diameters along its vessels.
        labels: (y, x) values of CORONARY_LABELS.
        stenosis: (y, x) the network's probability.
    """
    seen = np.where(stenosis >= 0, stenosis, 0.0)
    likely = ndimage.maximum_filter(seen, size=2 * _SEEN_WITHIN_PX + 1)
    lesions, lesser, explained = [], 0.0, np.zeros(labels.shape, dtype=np.bool_)
    for profile in profiles:
        for narrowing in narrowings_of(profile, least_percent=0.0):
            lesion = lesion_of(profile, narrowing, labels, seen)
            is_seen = lesion.probability >= LIKELY
            if narrowing.percent >= (CONFIRMED_PERCENT if is_seen else MEASURED_PERCENT):
                lesions.append(lesion)
                explained |= _around(profile, narrowing, labels.shape)
            else:
                lesser = max(lesser, narrowing.percent)
    pieces, count = ndimage.label((likely >= LIKELY) & (labels > 0))
    suspected = sum(1 for piece in range(1, count + 1) if not explained[pieces == piece].any())
    return MeasuredTree(
        tuple(sorted(lesions, key=lambda lesion: -lesion.narrowing.percent)), lesser, suspected
    )


def vessel_profiles(
    run: AngiographyRun, frame: int, labels: NDArray[np.uint8]
) -> tuple[DiameterProfile, ...]:
    """Diameters along every vessel of a frame."""
    mask = labels > 0
    absorption = run.absorption(frame)
    return tuple(diameter_profile(absorption, mask, path) for path in vessel_paths(mask))


def _aligned(first: VesselMaps, other: VesselMaps) -> VesselMaps:
    """Maps of a neighbour, shifted onto the frame; as they are where the shift is no shift of a heart."""
    coarse = (slice(None, None, _REGISTERED),) * 2
    soft = [ndimage.uniform_filter(m.vessel, _REGISTERED)[coarse] for m in (first, other)]
    if min(float(s.max()) for s in soft) <= 0:
        return other
    shift = (
        phase_cross_correlation(soft[0], soft[1], normalization=None, upsample_factor=_REGISTERED)[0]
        * _REGISTERED
    )
    dy, dx = (round(float(s)) for s in shift)
    if max(abs(dy), abs(dx)) > _LARGEST_SHIFT_PX:
        return other
    return VesselMaps(
        _shifted(other.labels, dy, dx), _shifted(other.vessel, dy, dx), _shifted(other.stenosis, dy, dx)
    )


def _shifted(values: NDArray[Pixel], dy: int, dx: int) -> NDArray[Pixel]:
    """Values moved by whole pixels; what comes in from outside is 0."""
    moved = np.zeros_like(values)
    rows, columns = values.shape
    to = slice(max(dy, 0), rows + min(dy, 0)), slice(max(dx, 0), columns + min(dx, 0))
    source = slice(max(-dy, 0), rows + min(-dy, 0)), slice(max(-dx, 0), columns + min(-dx, 0))
    moved[to] = values[source]
    return moved


def _voted(maps: Sequence[VesselMaps], weights: Sequence[int]) -> NDArray[np.uint8]:
    """(y, x) the label with most weight, that of the first on a tie; background does not vote."""
    best, labels = np.zeros(maps[0].labels.shape, dtype=np.int64), maps[0].labels.copy()
    for candidate in maps:
        votes = sum(
            w * ((m.labels == candidate.labels) & (candidate.labels > 0))
            for w, m in zip(weights, maps, strict=True)
        )
        wins = votes > best
        labels[wins], best[wins] = candidate.labels[wins], votes[wins]
    return labels


def _spread(labels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Labels on the mask alone; a pixel of the mask without one has that of the nearest."""
    if not (labels > 0).any():
        return np.zeros_like(labels)
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.where(mask, labels[tuple(nearest)], 0).astype(np.uint8)


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, _ = ndimage.label(mask, np.ones((3, 3)))
    return np.asarray((np.bincount(pieces.ravel()) >= _SMALLEST_PIECE_PX)[pieces] & mask)


def _around(profile: DiameterProfile, narrowing: Narrowing, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(y, x) within five pixels of the narrowed stretch."""
    points = profile.path.points[narrowing.first : narrowing.last + 1].round().astype(int)
    near = np.zeros(shape, dtype=np.bool_)
    near[tuple(np.clip(points, 0, np.array(shape) - 1).T)] = True
    return np.asarray(ndimage.binary_dilation(near, iterations=5))


def lesion_of(
    profile: DiameterProfile, narrowing: Narrowing, labels: NDArray[np.uint8], seen: NDArray[np.float32]
) -> Lesion:
    """A narrowing with its segment, and with what the network sees of it.

    Args:
        profile: of the vessel that it is in.
        narrowing: as it was measured.
        labels: (y, x) values of CORONARY_LABELS.
        seen: (y, x) the network's probability of a stenosis.
    """
    points = profile.path.points[narrowing.first : narrowing.last + 1].round().astype(int)
    at = tuple(np.clip(points, 0, np.array(labels.shape) - 1).T)
    middle = profile.path.points[narrowing.narrowest].round().astype(int)
    own = labels[tuple(np.clip(middle, 0, np.array(labels.shape) - 1))]
    if own == 0:
        counts = np.bincount(labels[at], minlength=2)[1:]
        own = np.argmax(counts) + 1 if counts.any() else 1
    seen_at = _most_seen(at, seen)
    by_label: dict[int, CoronarySegment] = {label: segment for segment, label in CORONARY_LABELS.items()}
    return Lesion(
        narrowing=narrowing,
        profile=profile,
        segment=by_label[int(own)],
        probability=float(seen[seen_at]),
        seen_at=seen_at,
        found=narrowing,
    )


def _most_seen(at: tuple[NDArray[np.intp], ...], seen: NDArray[np.float32]) -> tuple[int, int]:
    """The pixel near the points ``at`` with the highest probability."""
    near = np.zeros(seen.shape, dtype=np.bool_)
    near[at] = True
    near = ndimage.maximum_filter(near, size=2 * _SEEN_WITHIN_PX + 1)
    y, x = np.unravel_index(np.argmax(np.where(near, seen, -1.0)), seen.shape)
    return int(y), int(x)
