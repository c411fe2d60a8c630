"""What several looks at one phase show: how far they disagree, and what kind of images they were given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.geometry import StackGeometry
from cvai.domain.shown import PhaseShown
from cvai.languages import msgid
from cvai.models.classes import likeliest

NEAR_PIXELS = 6
"""What lies within so many pixels of the heart counts as near it: 9 mm on the pixels of 1.5 mm."""

BORDER_SHARE = 0.25
"""Weight of the pixels that the class maps leave open, beside that of the looks' disagreement: the former is
in proportion to the length of every border and says little about one heart against another."""

LEAST_CONTRAST = 0.02
"""Between blood and muscle, on the scale of 0 to 1; features relative to less contrast mean nothing."""

_IN_PLANE = np.ones((1, 3, 3), dtype=bool)

Maps = NDArray[np.float32]
Labels = NDArray[np.uint8]


def shown_by(images: Maps, labels: Labels, looks: Sequence[Maps], geometry: StackGeometry) -> PhaseShown:
    """Doubts and features of one phase.

    Args:
        images: (z, y, x) the window that the network was given, scaled to 0..1.
        labels: (z, y, x) what the looks make together, of one heart.
        looks: (z, k, y, x) logits of each look, turned back.
        geometry: of the images before they were resampled.
    """
    near = ndimage.binary_dilation(labels > 0, _IN_PLANE, iterations=NEAR_PIXELS)
    return PhaseShown(_doubts(labels, looks, near), _features(images, labels, near, geometry))


def _doubts(labels: Labels, looks: Sequence[Maps], near: NDArray[np.bool_]) -> dict[Structure, float]:
    """Standard deviation of each slice's area over the looks, in quadrature over the slices, and the pixels
    that the mean of the class maps leaves open; both as a share of the volume."""
    drawn = [np.where(near, likeliest(look), 0) for look in looks]
    share = _softmax(np.mean(looks, axis=0))
    doubts = {}
    for structure, value in SAX_LABELS.items():
        pixels = max(1, int(np.count_nonzero(labels == value)))
        areas = np.array([np.count_nonzero(each == value, axis=(1, 2)) for each in drawn])  # (looks, z)
        apart = float(np.sqrt((areas.var(axis=0, ddof=1)).sum()))
        left_open = float(np.minimum(share[:, value], 1.0 - share[:, value])[near].sum())
        doubts[structure] = (apart + BORDER_SHARE * left_open) / pixels
    return doubts


def _softmax(logits: Maps) -> Maps:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _features(
    images: Maps, labels: Labels, near: NDArray[np.bool_], geometry: StackGeometry
) -> dict[str, float]:
    """Grey values of the tissues, contrast, noise, sharpness and pixel sizes."""
    cavity, wall, right = (labels == value for value in SAX_LABELS.values())
    blood, muscle = _median(images[cavity]), _median(images[wall])
    contrast = max(blood - muscle, LEAST_CONTRAST)
    border = ndimage.binary_dilation(cavity, _IN_PLANE) & wall
    along_y, along_x = np.gradient(images, axis=(1, 2))
    dark, middle, bright = np.percentile(images, (25, 50, 75))
    in_plane_mm = np.sqrt(geometry.spacing_y_mm * geometry.spacing_x_mm)
    return {
        msgid("blood"): blood,
        msgid("muscle"): muscle,
        msgid("right ventricle against left"): _median(images[right]) - blood,
        msgid("contrast"): float(np.log(contrast)),
        msgid("evenness of blood"): float(np.log(_spread(images[cavity]) / contrast)),
        msgid("evenness of muscle"): float(np.log(_spread(images[wall]) / contrast)),
        msgid("sharpness"): float(np.log(_mean(np.hypot(along_y, along_x)[border]) / contrast)),
        msgid("noise"): float(np.log(_noise(images, near) / contrast)),
        msgid("darkest quarter"): float(dark),
        msgid("middle grey"): float(middle),
        msgid("brightest quarter"): float(bright),
        msgid("pixel size"): float(np.log(in_plane_mm)),
        msgid("slice distance"): float(np.log(geometry.slice_spacing_mm)),
    }


_LEAST = 1e-3
"""Where nothing was drawn, or nothing varies: on the scale of 0 to 1, less than any image's noise."""


def _median(values: Maps) -> float:
    return float(np.median(values)) if values.size else 0.0


def _mean(values: Maps) -> float:
    return max(_LEAST, float(values.mean())) if values.size else _LEAST


def _spread(values: Maps) -> float:
    return max(_LEAST, float(values.std())) if values.size else _LEAST


def _noise(images: Maps, near: NDArray[np.bool_]) -> float:
    """Median size of the difference of a pixel near the heart from the mean of its four neighbours."""
    inner = images[:, 1:-1, 1:-1]
    around = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    return max(_LEAST, _median(np.abs(inner - around / 4)[near[:, 1:-1, 1:-1]]))
