"""A model by rules for phantoms: thin dark structures, named by the nearest segment of the true tree."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.segmentation import ModelIdentity
from cvai.domain.vessels.maps import VesselMaps


class ThresholdVessels:
    """Vessels by a bottom hat; segments from the labels of a phantom, which it takes for known."""

    identity = ModelIdentity("threshold", "1.0.0", "ab" * 32, "rules")

    def __init__(
        self, labels: NDArray[np.uint8], stenoses: Sequence[tuple[int, int]] = (), depth: float = 0.09
    ) -> None:
        self._stenoses, self._depth = stenoses, depth
        self._nearest = _nearest(labels.tobytes(), labels.shape)

    def maps(self, frame: NDArray[np.float32]) -> VesselMaps:
        smooth = ndimage.gaussian_filter(frame, 1.0)
        hat = ndimage.grey_closing(smooth, size=(31, 31)) - smooth
        nearest = self._nearest
        if frame.shape != nearest.shape:
            nearest = ndimage.zoom(nearest, np.divide(frame.shape, nearest.shape), order=0)
        mask = ndimage.binary_opening(hat > self._depth) & (nearest > 0)
        stenosis = np.zeros(frame.shape, dtype=np.float32)
        for y, x in self._stenoses:
            stenosis[y - 6 : y + 7, x - 6 : x + 7] = 0.9
        return VesselMaps(np.where(mask, nearest, 0), mask.astype(np.float32), stenosis)


@cache
def _nearest(labels: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The nearest segment of every place that is close to one; most tests ask for the same tree."""
    drawn = np.frombuffer(labels, dtype=np.uint8).reshape(shape)
    distance, nearest = ndimage.distance_transform_edt(drawn == 0, return_indices=True)
    return np.where(distance < 14, drawn[tuple(nearest)], 0).astype(np.uint8)
