"""What contradicts the size of a pixel that an ultrasound image states: its sector, or other attributes.

Frames that an export resized keep regions that are plausible by themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.header.attributes import number, numbers
from cvai.domain.message import Message, say

_ASPECTS_DIFFER = 1.15
"""Ratio of stated to seen proportions above which frames were resized: from 4:3 to 16:9 it is 1.33, to 16:10
1.2. What is seen of 100 whole frames of CAMUS is right within 1.03."""

_SIZES_DIFFER = 1.05
"""Ratio of the sizes in PhysicalDelta and PixelSpacing above which they are two."""

_DEPTHS = (0.6, 1.25)
"""Depth of the sector over DepthOfScanField: its far end may be black, or left out by a zoom."""


def contradiction(
    header: Dataset, sector: NDArray[np.bool_], spacing_mm: tuple[float, float], aspect: float | None
) -> tuple[str, Message] | None:
    """Code and reason why a pixel is not of the stated size; None where nothing contradicts it.

    Args:
        header: of the image.
        sector: (y, x) where there is ultrasound.
        spacing_mm: (between rows, between columns) as stated, both positive.
        aspect: width of a pixel over its height as the sector shows it, None where it does not.
    """
    return (
        _by_shape(spacing_mm, aspect)
        or _by_spacing(header, spacing_mm)
        or _by_depth(header, sector, spacing_mm)
    )


def contradicts_aspect(seen: float, stated: float) -> bool:
    """Whether two proportions of a pixel, width over height, cannot be of one image."""
    return _ratio(seen, stated) > _ASPECTS_DIFFER


def depth_mm(sector: NDArray[np.bool_], row_mm: float) -> float:
    """From the first to the last row of the sector."""
    return float(np.count_nonzero(sector.any(axis=1))) * row_mm


def _by_shape(spacing_mm: tuple[float, float], aspect: float | None) -> tuple[str, Message] | None:
    stated = spacing_mm[1] / spacing_mm[0]
    if aspect is None or not contradicts_aspect(aspect, stated):
        return None
    return "calibration_contradicted", say(
        "a pixel is stated to be {stated:.2f} times as wide as high, and by the shape of the sector it is "
        "{seen:.2f} times as wide",
        stated=stated,
        seen=aspect,
    )


def _by_spacing(header: Dataset, spacing_mm: tuple[float, float]) -> tuple[str, Message] | None:
    other_mm = numbers(header, "PixelSpacing") or ()
    if len(other_mm) != 2 or min(other_mm) <= 0:
        return None
    if max(_ratio(*pair) for pair in zip(spacing_mm, other_mm, strict=True)) <= _SIZES_DIFFER:
        return None
    return "calibration_ambiguous", say(
        "its region states rows {row_mm:.3g} mm apart, and PixelSpacing {other_mm:.3g} mm",
        row_mm=spacing_mm[0],
        other_mm=other_mm[0],
    )


def _by_depth(
    header: Dataset, sector: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> tuple[str, Message] | None:
    seen_mm, stated_mm = depth_mm(sector, spacing_mm[0]), number(header, "DepthOfScanField") or 0.0
    if stated_mm <= 0 or _DEPTHS[0] <= seen_mm / stated_mm <= _DEPTHS[1]:
        return None
    return "calibration_contradicted", say(
        "by its stated pixels the sector is {seen_mm:.0f} mm deep, and DepthOfScanField states "
        "{stated_mm:.0f} mm",
        seen_mm=seen_mm,
        stated_mm=stated_mm,
    )


def _ratio(one: float, other: float) -> float:
    return max(one, other) / min(one, other)
