"""Leave out specks: parts of a contour of a few pixels beside its main part in a slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import SAX_LABELS, Structure

SPECK_MM2 = 25.0
"""A part beside a larger one of the same slice is a speck below this area. No second part of the reference
contours of 100 ACDC patients exceeds 22 mm2, and those are slips of the pen."""

_IN_SLICE = np.zeros((3, 3, 3), dtype=bool)
_IN_SLICE[1] = ndimage.generate_binary_structure(2, 1)


def without_specks(labels: NDArray[np.uint8], pixel_mm2: float) -> NDArray[np.uint8]:
    """The labels without specks: of a ventricle they become background, of cavity and wall the other one.

    Args:
        labels: (z, y, x) values of SAX_LABELS; pixels of a part are neighbours across sides.
        pixel_mm2: area of a pixel.
    """
    cavity, wall, right = (
        SAX_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.RV_CAVITY)
    )
    kept = labels.copy()
    if (place := next(iter(ndimage.find_objects((labels > 0).astype(np.uint8))), None)) is None:
        return kept
    heart = kept[place]  # the rest of the image takes most of the time
    for values, instead in (((cavity, wall), 0), ((right,), 0), ((cavity,), wall), ((wall,), cavity)):
        heart[_specks(np.isin(heart, values), pixel_mm2)] = instead
    return kept


def _specks(mask: NDArray[np.bool_], pixel_mm2: float) -> NDArray[np.bool_]:
    """(z, y, x) parts that are small and not the largest of their slice."""
    parts, count = ndimage.label(mask, _IN_SLICE)
    if count == 0:
        return mask
    pixels = np.bincount(parts.ravel(), minlength=count + 1)
    slices = ndimage.find_objects(parts)
    of_slice = np.array([place[0].start for place in slices])
    largest = np.zeros(len(mask), dtype=pixels.dtype)
    np.maximum.at(largest, of_slice, pixels[1:])
    is_speck = (pixels[1:] * pixel_mm2 < SPECK_MM2) & (pixels[1:] < largest[of_slice])
    return np.concatenate([[False], is_speck])[parts]
