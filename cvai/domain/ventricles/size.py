"""Whether a segmented heart is as large as hearts are, and as round: sizes follow headers that may be wrong.

Images that were resized while PixelSpacing stayed, or positions in another unit, leave shapes as they are
and make the heart too large, too small or too long.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.short_axis import cross_section

EXTENTS_MM = (65.0, 160.0)
"""Longer side of both ventricles together, over all slices at end-diastole. In the reference contours of 100
ACDC patients it is 81 to 150 mm, 111 in the median: twice or half of it lies beyond in nearly all."""

LENGTHS = (0.8, 2.6)
"""Length of the cavity over its largest diameter. In the same contours it is 0.93 to 2.3, 1.42 in the
median."""

_SQUARE = 1.05
"""Ratio of the sides of a pixel that is taken for square."""

_ROUNDER = 0.05
"""By how much the cavity has to be rounder if pixels were square."""


def size_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """What speaks against pixel size and distance of slices."""
    found = (_size(segmentation, phases.end_diastole), _pixel_shape(segmentation, phases.end_diastole))
    return tuple(finding for finding in found if finding is not None)


def _size(segmentation: CineSegmentation, phase: int) -> Finding | None:
    labels, geometry = segmentation.labels[phase], segmentation.geometry
    cavity = np.count_nonzero(labels == SAX_LABELS[Structure.LV_CAVITY], axis=(1, 2))
    if not cavity.any() or not (labels == SAX_LABELS[Structure.RV_CAVITY]).any():
        return None
    extent_mm = _extent_mm(labels, geometry)
    length_mm = np.count_nonzero(cavity) * geometry.slice_spacing_mm
    pixel_mm2 = geometry.spacing_y_mm * geometry.spacing_x_mm
    diameter_mm = 2.0 * float(np.sqrt(cavity.max() * pixel_mm2 / np.pi))
    if EXTENTS_MM[0] <= extent_mm <= EXTENTS_MM[1] and LENGTHS[0] <= length_mm / diameter_mm <= LENGTHS[1]:
        return None
    message = say(
        "Both ventricles measure {extent_mm:.0f} mm across, the left cavity {length_mm:.0f} mm along its "
        "axis and {diameter_mm:.0f} mm across: hearts of adults hardly do. Compare pixel size and distance "
        "of slices with the scanner's, and look whether contours follow the heart.",
        extent_mm=extent_mm,
        length_mm=length_mm,
        diameter_mm=diameter_mm,
    )
    return Finding("heart_size_implausible", Severity.WARNING, message, (Place(phase=phase),))


def _extent_mm(labels: NDArray[np.uint8], geometry: StackGeometry) -> float:
    """The longer side of the box around what is drawn in (z, y, x) labels."""
    _, y, x = np.nonzero(labels)
    return float(max((np.ptp(y) + 1) * geometry.spacing_y_mm, (np.ptp(x) + 1) * geometry.spacing_x_mm))


def _pixel_shape(segmentation: CineSegmentation, phase: int) -> Finding | None:
    """That the cavity is rounder with square pixels than with those of the header."""
    geometry = segmentation.geometry
    sides_mm = (geometry.spacing_y_mm, geometry.spacing_x_mm)
    if max(sides_mm) <= _SQUARE * min(sides_mm):
        return None
    side_mm = max(sides_mm)
    equal = StackGeometry.unplaced(geometry.n_slices, (geometry.slice_spacing_mm, side_mm, side_mm))
    stated, square = (cross_section(s, phase) for s in (segmentation, replace(segmentation, geometry=equal)))
    if stated is None or square is None or square.roundness - stated.roundness <= _ROUNDER:
        return None
    message = say(
        "By PixelSpacing of {high:g} x {wide:g} mm the cavity is {roundness:.2f} times as wide as long, with "
        "square pixels {rounder:.2f} times: images may have been resized, and volumes be wrong.",
        high=sides_mm[0],
        wide=sides_mm[1],
        roundness=stated.roundness,
        rounder=square.roundness,
    )
    return Finding("pixel_size_contradicted", Severity.WARNING, message, (Place(phase=phase),))
