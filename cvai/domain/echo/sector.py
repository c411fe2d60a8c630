"""Where in ultrasound frames the image is, and where there is only writing, scales and black."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

_DARKEST = 3
"""Grey levels up to this are black with the ripples of lossy compression."""

_LEAST_CHANGE = 2.0
"""Standard deviation over time, in grey levels, above which a pixel lives; writing stands still."""

_DARKEST_WRITING = 60
"""Grey level above which a pixel that stands still is written over the image."""

_LOOKED_AT = 16
"""About this many frames, spread over the loop, show what moves."""

_OPENED_PX = 2


def sector_of_loop(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(y, x) hull of the largest piece of the frames that changes over time, without writing that reaches in.

    Tissue moves and speckles; letters, scales and logos do not, and a moving ECG is a smaller piece.

    Args:
        frames: (t, y, x) brightness, t >= 2.
    """
    some = frames[:: max(1, len(frames) // _LOOKED_AT)].astype(np.float32)
    changing = some.std(axis=0) > _LEAST_CHANGE
    writing = ~changing & (some.mean(axis=0) > _DARKEST_WRITING)
    return _hull_of_largest(changing) & ~ndimage.binary_dilation(writing, iterations=_OPENED_PX)


def sector_of_frame(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(y, x) hull of the largest bright piece of one frame."""
    return _hull_of_largest(frame > _DARKEST)


def _hull_of_largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without thin bridges such as an ECG that runs into the sector; empty where nothing is left."""
    opened = ndimage.binary_opening(
        ndimage.binary_closing(mask, iterations=_OPENED_PX), iterations=_OPENED_PX
    )
    pieces, count = ndimage.label(opened)
    if count == 0:
        return np.zeros(mask.shape, dtype=bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(convex_hull_image(pieces == sizes.argmax()), dtype=np.bool_)
