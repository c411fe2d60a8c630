"""Infarct by thresholds within given contours, as it was measured before networks.

Both take the remote myocardium from the labels, and count no-reflow as infarct although it is dark.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.tissue.shares import HEALTHY, NO_REFLOW, WALL, WHOLE_INFARCT

REMOTE_SD = 5.0
"""Standard deviations above remote myocardium (Bondarenko et al., J Cardiovasc Magn Reson 2005;7:481,
doi:10.1081/JCMR-200053623)."""

BRIGHTEST_PERCENTILE = 99.0
"""Of the infarct's pixels; a maximum would be one pixel's noise."""

_SD_PER_MEDIAN_DISTANCE = 1.4826
"""Of a normal distribution."""

_FROM_INFARCT_PX = 2
_FEWEST_REMOTE_PX = 30


def remote_myocardium(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(z, y, x) healthy myocardium that touches neither its borders nor the infarct.

    Pixels at a border hold blood, fat or infarct in part. Where too little is left, all healthy myocardium is
    remote.
    """
    in_plane = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    wall, infarct = np.isin(labels, WALL), np.isin(labels, WHOLE_INFARCT)
    inside = ndimage.binary_erosion(wall, in_plane)
    near = ndimage.binary_dilation(infarct, in_plane, iterations=_FROM_INFARCT_PX)
    healthy = labels == HEALTHY
    remote = healthy & inside & ~near
    return remote if np.count_nonzero(remote) >= _FEWEST_REMOTE_PX else np.asarray(healthy)


def n_sd_percent(
    images: NDArray[np.float32], labels: NDArray[np.uint8], n_sd: float = REMOTE_SD
) -> float | None:
    """Share of the myocardium that is ``n_sd`` standard deviations brighter than remote one, in percent.

    Args:
        images: (z, y, x) intensities.
        labels: (z, y, x) values of LGE_LABELS.
        n_sd: standard deviations above the mean.

    Returns:
        None where there is no remote myocardium to compare with.
    """
    remote = images[remote_myocardium(labels)]
    if remote.size < _FEWEST_REMOTE_PX:
        return None
    return _above_percent(images, labels, float(np.median(remote)) + n_sd * _spread(remote))


def fwhm_percent(images: NDArray[np.float32], labels: NDArray[np.uint8]) -> float | None:
    """Share of the myocardium brighter than halfway from remote one to the brightest infarct, in percent.

    Full width at half maximum, counted from remote myocardium: phase-sensitive images have no absolute zero.

    Returns:
        None where there is no remote myocardium; 0 where there is no infarct.
    """
    remote = images[remote_myocardium(labels)]
    if remote.size < _FEWEST_REMOTE_PX:
        return None
    infarct = images[np.isin(labels, WHOLE_INFARCT)]
    if infarct.size == 0:
        return 0.0
    half = (float(np.median(remote)) + float(np.percentile(infarct, BRIGHTEST_PERCENTILE))) / 2
    return _above_percent(images, labels, half)


def _spread(values: NDArray[np.float32]) -> float:
    """Standard deviation of most of the values, from the median of their distances from the median.

    An infarct that the contours have missed lies among the remote myocardium, and would widen a plain one.
    """
    return _SD_PER_MEDIAN_DISTANCE * float(np.median(np.abs(values - np.median(values))))


def _above_percent(images: NDArray[np.float32], labels: NDArray[np.uint8], threshold: float) -> float:
    wall = np.isin(labels, WALL)
    infarct = wall & ((images > threshold) | (labels == NO_REFLOW))
    return 100.0 * int(np.count_nonzero(infarct)) / int(np.count_nonzero(wall))
