"""Slices of late enhancement with their contours, cut out and in true proportion, ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.dicom.read.values import AssembledCine
from cvai.domain.anatomy import Structure
from cvai.domain.segmentation import apex_comes_first
from cvai.domain.tissue.shares import CAVITY, NO_REFLOW, WALL, WHOLE_INFARCT

MARGIN_MM = 12.0
MOST_PICTURES = 12
Outline = NDArray[np.float64]

WITHIN: Mapping[Structure, tuple[int, ...]] = {
    Structure.LV_MYOCARDIUM: (*WALL, CAVITY),
    Structure.LV_CAVITY: (CAVITY,),
    Structure.INFARCT: WHOLE_INFARCT,
    Structure.NO_REFLOW: (NO_REFLOW,),
}
"""Labels within each line: that of the myocardium is the epicardium."""


@dataclass(frozen=True, slots=True, eq=False)
class SlicePicture:
    """One slice.

    Args:
        grey: (y, x) brightness, cut to the heart.
        outlines: lines of every structure, (n, 2) points (x, y) as shares of the picture's width and height.
        aspect: width over height in true proportion.
        z: 0-based slice.
    """

    grey: NDArray[np.uint8]
    outlines: Mapping[Structure, tuple[Outline, ...]]
    aspect: float
    z: int


def slice_pictures(analysis: EnhancementAnalysis) -> tuple[SlicePicture, ...]:
    """The slices that show the heart, from base to apex; at most MOST_PICTURES, evenly spread."""
    labels = analysis.labels
    rows, columns = heart_window(analysis.stack, labels)
    cut = analysis.stack.stack.phase(0, rows=rows, columns=columns)
    shown = np.flatnonzero(labels.any(axis=(1, 2)))
    if apex_comes_first(labels):
        shown = shown[::-1]
    if len(shown) > MOST_PICTURES:
        shown = shown[np.linspace(0, len(shown) - 1, MOST_PICTURES).round().astype(int)]
    low, high = intensity_window(analysis.stack, labels)
    grey = np.clip((cut - low) / (high - low), 0.0, 1.0) * 255
    geometry = analysis.stack.stack.geometry
    aspect = cut.shape[2] * geometry.spacing_x_mm / (cut.shape[1] * geometry.spacing_y_mm)
    return tuple(
        SlicePicture(grey[z].astype(np.uint8), _outlines(labels[z, rows, columns]), aspect, int(z))
        for z in shown
    )


def intensity_window(stack: AssembledCine, labels: NDArray[np.uint8]) -> tuple[float, float]:
    """Lowest and highest intensity to show: of the heart alone, where an infarct is brighter than blood."""
    rows, columns = heart_window(stack, labels)
    heart = stack.stack.phase(0, rows=rows, columns=columns)[labels.any(axis=(1, 2))]
    low, high = np.percentile(heart, (1.0, 99.5))
    return float(low), float(max(high, low + 1e-6))


def heart_window(stack: AssembledCine, labels: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns that hold the heart of all slices with a margin; (z, y, x) labels of some heart."""
    geometry = stack.stack.geometry
    sides = []
    for axes, spacing_mm in (((0, 2), geometry.spacing_y_mm), ((0, 1), geometry.spacing_x_mm)):
        there = np.flatnonzero(labels.any(axis=axes))
        margin = round(MARGIN_MM / spacing_mm)
        sides.append(slice(max(0, int(there[0]) - margin), int(there[-1]) + 1 + margin))
    return sides[0], sides[1]


def _outlines(labels: NDArray[np.uint8]) -> dict[Structure, tuple[Outline, ...]]:
    size = np.array(labels.shape[::-1])
    return {
        structure: tuple(
            (line[:, ::-1] - 0.5) / size
            for line in find_contours(np.pad(np.isin(labels, values), 1) * 1.0, 0.5)
        )
        for structure, values in WITHIN.items()
    }
