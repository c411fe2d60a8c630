"""The part of a frame that X-rays reached: within shutters, collimator and the edge of an intensifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from scipy import ndimage
from skimage.draw import polygon2mask

from cvai.dicom.read.angiography.attributes import of_frame
from cvai.dicom.read.header.attributes import numbers, texts, whole_number

_DARK = 0.04
"""Share of the brightest value below which a pixel that never changes lies behind a collimator."""
_LEAST_FRAMES, _TEXT_PX = 8, 4
"""Frames without which stillness says nothing, and half the width of a stroke at most."""
_BLOCK_PX = 16
"""Side of the squares whose means are compared: noise and vessels average out."""
_SECOND_DIFFERENCE = np.outer((1, -2, 1), (1, -2, 1))
_RIM_PX = 4
"""Taken off the field: the edge of a collimator is a dark line like a vessel."""


def field_of(header: Dataset, frames: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.bool_]:
    """(y, x) within shutters and collimator, as stated and as the frames show it."""
    shape = (frames.shape[1], frames.shape[2])
    brightest = frames[:: max(1, len(frames) // 16)].max(axis=0)
    lit = brightest > _DARK * float(brightest.max())
    lit = ndimage.binary_opening(lit, iterations=3)
    pieces, count = ndimage.label(lit)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        lit = pieces == sizes.argmax()
    lit = ndimage.binary_fill_holes(lit) & _shutter(header, shape) & _collimator(header, shape)
    rim = ndimage.binary_erosion(np.pad(lit, 1), iterations=_RIM_PX)[1:-1, 1:-1]
    return np.asarray(rim, dtype=np.bool_)


def burnt_in_px(frames: NDArray[np.unsignedinteger[Any]], field: NDArray[np.bool_]) -> int:
    """Pixels of the field that lines of text or graphics were drawn over, of a run of eight frames or more.

    Text has one value, the darkest or brightest of all, in every frame. X-rays have noise, except where
    they saturate the detector, which wide areas are.
    """
    if len(frames) < _LEAST_FRAMES:
        return 0
    some = frames[:: max(1, len(frames) // 16)]
    still = (some.max(axis=0) == some.min(axis=0)) & field
    extreme = still & ((some[0] == some.max()) | (some[0] == some.min()))
    wide = ndimage.binary_dilation(
        ndimage.binary_opening(extreme, iterations=_TEXT_PX), iterations=2 * _TEXT_PX
    )
    return int(np.count_nonzero(ndimage.binary_opening(extreme & ~wide, np.ones((1, 2), dtype=np.bool_))))


def background_spread(frames: NDArray[np.unsignedinteger[Any]], field: NDArray[np.bool_]) -> float:
    """How far a chest is from one grey: the 5th to the 95th percentile of the first frame, coarsely, over its
    median; 0 where the field holds no square of pixels.

    In an X-ray lung, heart and spine differ by a quarter and more. What is left of them after subtraction of
    a mask is noise, and edges where they have moved.
    """
    rows, columns = (n // _BLOCK_PX * _BLOCK_PX for n in field.shape)
    squares = rows // _BLOCK_PX, _BLOCK_PX, columns // _BLOCK_PX, _BLOCK_PX
    inside = field[:rows, :columns].reshape(squares).all(axis=(1, 3))
    means = frames[0, :rows, :columns].reshape(squares).mean(axis=(1, 3))[inside]
    if means.size == 0:
        return 0.0
    low, middle, high = np.percentile(means, (5, 50, 95))
    return float((high - low) / max(middle, 1.0))


def noise_share(frames: NDArray[np.unsignedinteger[Any]], field: NDArray[np.bool_]) -> float:
    """Standard deviation of the noise of the middle frame, over its median brightness.

    It is what second differences along both axes leave: neither a chest nor the edges of vessels, which fill
    few of the pixels.
    """
    frame = frames[len(frames) // 2].astype(np.float32)
    rough = np.abs(ndimage.convolve(frame, _SECOND_DIFFERENCE))[field]
    spread = 1.4826 * float(np.median(rough)) / float(np.linalg.norm(_SECOND_DIFFERENCE))
    return spread / max(float(np.median(frame[field])), 1.0)


def _shutter(header: Dataset, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Within every display shutter (PS3.3 C.7.6.11)."""
    source = of_frame(header, "FrameDisplayShutterSequence")
    inside = np.ones(shape, dtype=np.bool_)
    kinds = texts(source, "ShutterShape")
    if "RECTANGULAR" in kinds:
        inside &= _rectangle(source, "Shutter", shape)
    if "CIRCULAR" in kinds:
        centre, radius = (
            numbers(source, "CenterOfCircularShutter"),
            numbers(source, "RadiusOfCircularShutter"),
        )
        if centre is not None and len(centre) == 2 and radius is not None:
            y, x = np.indices(shape)
            inside &= (y + 1 - centre[0]) ** 2 + (x + 1 - centre[1]) ** 2 <= radius[0] ** 2
    if "POLYGONAL" in kinds:
        corners = numbers(source, "VerticesOfThePolygonalShutter") or ()
        if len(corners) >= 6 and len(corners) % 2 == 0:
            inside &= polygon2mask(shape, np.reshape(corners, (-1, 2)) - 1)
    return inside if inside.any() else np.ones(shape, dtype=np.bool_)


def _collimator(header: Dataset, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Within the collimator, where its edges are stated in pixels (PS3.3 C.8.7.3)."""
    source = of_frame(header, "CollimatorShapeSequence")
    inside = np.ones(shape, dtype=np.bool_)
    if "RECTANGULAR" in texts(source, "CollimatorShape"):
        inside &= _rectangle(source, "Collimator", shape)
    return inside if inside.any() else np.ones(shape, dtype=np.bool_)


def _rectangle(source: Dataset, what: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    left, right, top, bottom = (
        whole_number(source, f"{what}{edge}")
        for edge in ("LeftVerticalEdge", "RightVerticalEdge", "UpperHorizontalEdge", "LowerHorizontalEdge")
    )
    inside = np.zeros(shape, dtype=np.bool_)
    inside[max(top or 1, 1) - 1 : bottom or shape[0], max(left or 1, 1) - 1 : right or shape[1]] = True
    return inside
