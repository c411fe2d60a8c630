"""Whether contours are those of whole cavities: neither frayed nor in parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation

SMALLEST_SOLIDITY = 0.85
"""Area of an LV cavity's outline over that of its convex hull. Among 850 reference outlines of ACDC over
2 cm2 the least is 0.857, the next 0.915: a cavity is all but convex, unless its contour leaked or frayed."""

SMALLEST_JUDGED_AREA_MM2 = 200.0
"""Smaller outlines are a few pixels, whose shape says nothing."""

LARGE_PART_MM2, LARGE_PART = 100.0, 0.2
"""A second part of one structure in a slice counts from this area, and from this share of the largest part.
In the reference contours of 80 ACDC patients no second part exceeds 22 mm2."""


def outline_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """Contours that are frayed, or in two parts."""
    found = (_ragged(segmentation, phases), _in_parts(segmentation, phases))
    return tuple(finding for finding in found if finding is not None)


def _ragged(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    places = {
        words: place
        for words, place, cavity in _outlines(segmentation, phases, Structure.LV_CAVITY)
        if _is_judged(cavity, segmentation) and _solidity(cavity) < SMALLEST_SOLIDITY
    }
    if not places:
        return None
    return Finding(
        "ragged_contour",
        Severity.WARNING,
        f"The outline of the left ventricle is ragged in {', '.join(places)}: look whether the slice still "
        "shows the ventricle, or already atrium or outflow.",
        tuple(places.values()),
    )


def _solidity(cavity: NDArray[np.bool_]) -> float:
    (outline,) = regionprops(cavity.astype(np.uint8))
    return float(outline.solidity)


def _in_parts(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    places = {
        structure: {
            words: place
            for words, place, mask in _outlines(segmentation, phases, structure)
            if _has_second_part(mask, _pixel_mm2(segmentation))
        }
        for structure in (Structure.LV_CAVITY, Structure.RV_CAVITY)
    }
    named = [f"{s.display_name.lower()} in {', '.join(where)}" for s, where in places.items() if where]
    if not named:
        return None
    return Finding(
        "structure_in_parts",
        Severity.WARNING if places[Structure.LV_CAVITY] else Severity.INFO,
        f"Drawn in two separate parts: {'; '.join(named)}. Look which of them belongs to it.",
        tuple(place for where in places.values() for place in where.values()),
    )


def _has_second_part(mask: NDArray[np.bool_], pixel_mm2: float) -> bool:
    parts, count = ndimage.label(mask)
    if count < 2:
        return False
    second, largest = np.sort(np.bincount(parts.ravel())[1:])[-2:] * pixel_mm2
    return bool(second > LARGE_PART_MM2 and second > LARGE_PART * largest)


def _outlines(
    segmentation: CineSegmentation, phases: KeyPhases, structure: Structure
) -> Iterator[tuple[str, Place, NDArray[np.bool_]]]:
    """(y, x) masks of a structure in the slices of both key phases, with their place in words and values."""
    value = SAX_LABELS[structure]
    for name, t in (("end-diastole", phases.end_diastole), ("end-systole", phases.end_systole)):
        for z, outline in enumerate(segmentation.labels[t] == value):
            yield f"slice {z + 1} at {name}", Place(t, z), outline


def _pixel_mm2(segmentation: CineSegmentation) -> float:
    return segmentation.geometry.spacing_y_mm * segmentation.geometry.spacing_x_mm


def _is_judged(outline: NDArray[np.bool_], segmentation: CineSegmentation) -> bool:
    return bool(np.count_nonzero(outline) * _pixel_mm2(segmentation) >= SMALLEST_JUDGED_AREA_MM2)
