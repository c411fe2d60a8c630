"""Pictures of the heart with its contours, cut out and in true proportion, ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.directions import edge_directions
from cvai.domain.geometry import StackGeometry
from cvai.domain.segmentation import apex_comes_first

MARGIN_MM = 12.0
"""Kept around the heart on every side, so that a reader sees what the contours leave out."""

LEVELS: Mapping[str, float] = {"base": 1 / 6, "mid": 1 / 2, "apex": 5 / 6}
"""Middle of each third of the left ventricle, as a share of its slices from base to apex."""

WINDOW_PERCENTILES = (1.0, 99.5)
Outline = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of the pixel grid, end exclusive, shared by every picture of a report."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, slots=True, eq=False)
class HeartPicture:
    """One slice at one phase.

    Args:
        grey: (y, x) brightness for display, cut to the window.
        outlines: closed lines of every structure, (n, 2) points (x, y) in mm from the top left corner.
        width_mm: true width of the picture.
        height_mm: true height of the picture.
        level: ``base``, ``mid`` or ``apex``.
        z: 0-based slice.
        edges: patient directions of the left, right, top and bottom edge, such as ``("R", "L", "A", "P")``.
    """

    grey: NDArray[np.uint8]
    outlines: Mapping[Structure, tuple[Outline, ...]]
    width_mm: float
    height_mm: float
    level: str
    z: int
    edges: tuple[str, str, str, str]


def heart_pictures(analysis: CineAnalysis, t: int, aspect: float) -> tuple[HeartPicture, ...]:
    """Base, mid and apex at phase ``t``.

    Args:
        analysis: what was found.
        t: 0-based phase.
        aspect: width over height of the place each picture will fill.
    """
    key_phases = [analysis.phases.end_diastole, analysis.phases.end_systole]
    window = heart_window(analysis, key_phases, aspect)
    limits = _grey_limits(analysis, key_phases, window)
    return tuple(
        _picture(analysis, (t, z), level, window, limits) for level, z in level_slices(analysis).items()
    )


def level_slices(analysis: CineAnalysis) -> dict[str, int]:
    """Slice of the base, the middle and the apex of the left ventricle at end-diastole."""
    labels = analysis.segmentation.labels[analysis.phases.end_diastole]
    lv = np.isin(labels, [SAX_LABELS[Structure.LV_CAVITY], SAX_LABELS[Structure.LV_MYOCARDIUM]])
    slices = np.flatnonzero(lv.any(axis=(1, 2)))
    if slices.size == 0:
        slices = np.arange(len(labels))
    if apex_comes_first(labels):
        slices = slices[::-1]
    return {level: int(slices[int(share * len(slices))]) for level, share in LEVELS.items()}


def heart_window(analysis: CineAnalysis, phases: Sequence[int], aspect: float) -> Window:
    """Smallest window of the wanted aspect that holds both ventricles and a margin in all these phases.

    At the edge of the image the window stops, whatever its aspect.
    """
    geometry, labels = analysis.segmentation.geometry, analysis.segmentation.labels
    marked = labels[list(phases)].max(axis=(0, 1)) > 0
    spans_mm = [
        _span_mm(np.flatnonzero(marked.any(axis=1)), labels.shape[2], geometry.spacing_y_mm),
        _span_mm(np.flatnonzero(marked.any(axis=0)), labels.shape[3], geometry.spacing_x_mm),
    ]
    height_mm = max(spans_mm[0][1], spans_mm[1][1] / aspect)
    top, bottom = _bounds(spans_mm[0][0], height_mm, geometry.spacing_y_mm, labels.shape[2])
    left, right = _bounds(spans_mm[1][0], height_mm * aspect, geometry.spacing_x_mm, labels.shape[3])
    return Window(top, bottom, left, right)


def _span_mm(indices: NDArray[np.intp], size: int, spacing_mm: float) -> tuple[float, float]:
    """Centre and length, margins included, of the marked part of an axis; all of it where nothing is."""
    first, last = (indices[0], indices[-1]) if indices.size else (0, size - 1)
    centre_mm = (first + last + 1) / 2 * spacing_mm
    return float(centre_mm), float((last + 1 - first) * spacing_mm + 2 * MARGIN_MM)


def _bounds(centre_mm: float, length_mm: float, spacing_mm: float, size: int) -> tuple[int, int]:
    start = round((centre_mm - length_mm / 2) / spacing_mm)
    stop = round((centre_mm + length_mm / 2) / spacing_mm)
    return max(start, 0), min(stop, size)


def _grey_limits(analysis: CineAnalysis, phases: Sequence[int], window: Window) -> tuple[float, float]:
    """Intensities shown as black and as white, the same in every picture."""
    rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
    cut = [analysis.cine.stack.phase(t, rows=rows, columns=columns) for t in phases]
    low, high = np.percentile(np.stack(cut), WINDOW_PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def _picture(
    analysis: CineAnalysis, frame: tuple[int, int], level: str, window: Window, limits: tuple[float, float]
) -> HeartPicture:
    (t, z), geometry = frame, analysis.segmentation.geometry
    rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
    cut = analysis.cine.stack.frame(t, z, rows, columns)
    scaled = np.clip((cut - limits[0]) / (limits[1] - limits[0]), 0.0, 1.0)
    return HeartPicture(
        grey=(scaled * 255).astype(np.uint8),
        outlines=outlines_mm(analysis.segmentation.labels[t, z, rows, columns], geometry),
        width_mm=cut.shape[1] * geometry.spacing_x_mm,
        height_mm=cut.shape[0] * geometry.spacing_y_mm,
        level=level,
        z=z,
        edges=edge_directions(geometry),
    )


def outlines_mm(labels: NDArray[np.uint8], geometry: StackGeometry) -> dict[Structure, tuple[Outline, ...]]:
    """Outer border of every structure of a (y, x) slice; that of the LV myocardium is the epicardium."""
    cavity = labels == SAX_LABELS[Structure.LV_CAVITY]
    masks = {
        Structure.LV_MYOCARDIUM: cavity | (labels == SAX_LABELS[Structure.LV_MYOCARDIUM]),
        Structure.LV_CAVITY: cavity,
        Structure.RV_CAVITY: labels == SAX_LABELS[Structure.RV_CAVITY],
    }
    return {structure: _outline(mask, geometry) for structure, mask in masks.items()}


def _outline(mask: NDArray[np.bool_], geometry: StackGeometry) -> tuple[Outline, ...]:
    """Closed lines halfway between pixel centres inside and outside; the image border closes them too."""
    lines = find_contours(np.pad(mask, 1).astype(float), 0.5)
    # Padding shifts indices by one, and a pixel's centre lies half a pixel from the picture's corner.
    to_mm = np.array([geometry.spacing_x_mm, geometry.spacing_y_mm])
    return tuple((line[:, ::-1] - 0.5) * to_mm for line in lines)
