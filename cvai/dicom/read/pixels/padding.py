"""Pixels that fill an image up to its matrix and show nothing (PS3.3 C.7.5.1.1.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.header.attributes import whole_number

_SAMPLED = 8
"""Every eighth pixel tells whether an image has values all over its range, as nearly all images do."""


def padding_of(header: Dataset, values: NDArray[np.number[Any]]) -> NDArray[np.bool_] | None:
    """Which of the (y, x) stored values of an image are padding, None where none are.

    Those are the pixels of PixelPaddingValue (to PixelPaddingRangeLimit), or, where nothing is stated, those
    of a corner's value that is further from the values of the rest than these are from each other: the
    highest value, or one below 0, since 0 is air. What is stated is not believed of values within the range
    of the rest.
    """
    stated = _stated(header, values)
    is_padding = _far_from_the_rest(values) if stated is None else stated
    if is_padding is None or not is_padding.any() or is_padding.all():
        return None
    rest = values[~is_padding]
    return np.asarray(is_padding & ((values < rest.min()) | (values > rest.max())))


def _stated(header: Dataset, values: NDArray[np.number[Any]]) -> NDArray[np.bool_] | None:
    first = whole_number(header, "PixelPaddingValue")
    if first is None:
        return None
    limit = whole_number(header, "PixelPaddingRangeLimit")
    low, high = sorted(_as_stored(values, v) for v in (first, first if limit is None else limit))
    return np.asarray((values >= low) & (values <= high))


def _as_stored(values: NDArray[np.number[Any]], stated: int) -> int:
    """Encoded with the wrong sign, -32768 reads as 32768."""
    n_values = int(2 ** (8 * values.dtype.itemsize))
    lowest = -n_values // 2 if values.dtype.kind == "i" else 0
    return (stated - lowest) % n_values + lowest


def _far_from_the_rest(values: NDArray[np.number[Any]]) -> NDArray[np.bool_] | None:
    low, high = float(values.min()), float(values.max())
    middle, some = (low + high) / 2, values[::_SAMPLED, ::_SAMPLED]
    corners = values[:: max(values.shape[0] - 1, 1), :: max(values.shape[1] - 1, 1)]
    if low < 0 and (corners == low).any() and not ((some > low) & (some <= middle)).any():
        is_padding, between = values == low, (values > low) & (values <= middle)
    elif (corners == high).any() and not ((some >= middle) & (some < high)).any():
        is_padding, between = values == high, (values >= middle) & (values < high)
    else:
        return None
    return None if between.any() else is_padding
