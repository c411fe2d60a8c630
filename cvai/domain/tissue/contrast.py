"""Whether images show blood, healthy myocardium and infarct apart, as late enhancement does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.message import listed, say
from cvai.domain.tissue.rules import remote_myocardium
from cvai.domain.tissue.shares import CAVITY, HEALTHY

MOST_NOISE = 0.1
"""Standard deviation of the noise over the range of grey levels around the heart. In EMIDEC it is 0.013 in
the median and 0.038 at the most in any slice, in phantoms 0.03; at 0.12 the model finds two thirds of a
phantom's infarct, and at 0.3 less than half, or none."""

LEAST_CONTRAST = 0.1
"""Blood less healthy myocardium, over the same range. In EMIDEC it is 0.41 in the median and 0.18 at the
least."""

T1_MS = {CAVITY: (1300.0, 2200.0), HEALTHY: (850.0, 1400.0)}
"""Medians without contrast at 1.5 and 3 T, where blood has some 1500 to 1900 ms and healthy myocardium 950 to
1200 ms, with a margin: sites have ranges of their own (Messroghli et al., J Cardiovasc Magn Reson 2017;19:75,
doi:10.1186/s12968-017-0389-8)."""

_RANGE_PERCENTILES = (5.0, 95.0)
_AROUND_PX = 4
_KERNEL = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]], dtype=np.float32)
_SD_PER_MEDIAN = 1.4826 / 6.0
"""The kernel removes planes and makes noise six times as strong (Immerkaer, Comput Vis Image Underst
1996;64:300); the median leaves edges out."""


def contrast_findings(images: NDArray[np.float32], labels: NDArray[np.uint8]) -> tuple[Finding, ...]:
    """That an infarct may be lost in noise, or that its background is not dark.

    Args:
        images: (z, y, x) intensities.
        labels: (z, y, x) values of LGE_LABELS, with a heart.
    """
    around = _around(labels)
    low, high = np.percentile(images[around], _RANGE_PERCENTILES)
    scale = max(float(high - low), 1e-6)
    found = (
        _noise(images, around, scale),
        _background(images, labels, scale),
        _milliseconds(images, labels),
    )
    return tuple(finding for finding in found if finding is not None)


def _around(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    in_plane = ndimage.generate_binary_structure(2, 2)[np.newaxis]
    return np.asarray(ndimage.binary_dilation(labels > 0, in_plane, iterations=_AROUND_PX))


def _noise(images: NDArray[np.float32], around: NDArray[np.bool_], scale: float) -> Finding | None:
    """In slices from the first to the last with a heart; noise alone may hide the heart of one of them."""
    residue = np.abs(ndimage.convolve(images, _KERNEL[np.newaxis])[:, around.any(axis=0)])
    shares = _SD_PER_MEDIAN * np.median(residue, axis=1) / scale  # (z,)
    hearts = np.flatnonzero(around.any(axis=(1, 2)))
    noisy = [int(z) for z in range(hearts[0], hearts[-1] + 1) if shares[z] > MOST_NOISE]
    if not noisy:
        return None
    message = say(
        "Noise is {percent:.0f} % of the range of grey levels around the heart in slice {slices}: an "
        "infarct may not be seen, or seem smaller than it is.",
        percent=100 * max(shares[z] for z in noisy),
        slices=listed([z + 1 for z in noisy]),
    )
    return Finding("enhancement_noisy", Severity.WARNING, message, whole_slices(noisy))


def _background(images: NDArray[np.float32], labels: NDArray[np.uint8], scale: float) -> Finding | None:
    if not ((labels == CAVITY).any() and (labels == HEALTHY).any()):
        return None
    healthy, blood = (
        float(np.median(images[where])) for where in (remote_myocardium(labels), labels == CAVITY)
    )
    if blood - healthy >= LEAST_CONTRAST * scale:
        return None
    message = say(
        "Myocardium that is drawn as healthy is not darker than blood: diffuse enhancement, a wrong "
        "inversion time, blackened blood, inverted grey levels or another kind of image look so, and the "
        "share of infarct may be wrong."
    )
    return Finding("myocardium_not_nulled", Severity.WARNING, message)


def _milliseconds(images: NDArray[np.float32], labels: NDArray[np.uint8]) -> Finding | None:
    """That grey levels are those of a map of T1 which no header calls one."""
    if not all((labels == tissue).any() for tissue in T1_MS):
        return None
    medians = {tissue: float(np.median(images[labels == tissue])) for tissue in T1_MS}
    if not all(low <= medians[tissue] <= high for tissue, (low, high) in T1_MS.items()):
        return None
    message = say(
        "Blood has a grey level of {blood:.0f} and healthy myocardium of {myocardium:.0f}, as in a map of T1 "
        "in milliseconds without contrast: check that the series is late enhancement.",
        blood=medians[CAVITY],
        myocardium=medians[HEALTHY],
    )
    return Finding("looks_like_t1_map", Severity.WARNING, message)
