"""Whether contours have the shape of a ventricle cut across its long axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

from cvai.heart.anatomy import Structure
from cvai.heart.findings import Finding, Severity
from cvai.heart.phases import KeyPhases
from cvai.heart.segmentation import CineSegmentation

SMALLEST_SOLIDITY = 0.85
"""Area of an LV cavity's outline over that of its convex hull. Among 850 reference outlines of ACDC over
2 cm2 the least is 0.857, the next 0.915: a cavity is all but convex, unless its contour leaked or frayed."""

SMALLEST_JUDGED_AREA_MM2 = 200.0
"""Smaller outlines are a few pixels, whose shape says nothing."""

LARGE_PART_MM2, LARGE_PART = 100.0, 0.2
"""A second part of one structure in a slice counts from this area, and from this share of the largest part.
In the reference contours of 80 ACDC patients no second part exceeds 22 mm2."""

SMALLEST_ROUNDNESS = 0.65
"""Short over long axis of the cavity's outline, median over the slices of the ventricle. In the same
contours it is less than 0.69 in 1 % (0.60 in one heart pressed flat by its right ventricle)."""

SMALLEST_ENCLOSURE = 0.9
"""Share of the cavity's border that lies on the wall, median over slices. Across its long axis a ventricle
is a ring: 1.0 in every reference. Along it the cavity opens into the atrium."""


def outline_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """Contours that are frayed, in two parts, or of no ventricle cut across."""
    found = (
        _ragged(segmentation, phases),
        _in_parts(segmentation, phases),
        _not_short_axis(segmentation, phases),
    )
    return tuple(finding for finding in found if finding is not None)


def _ragged(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    places = [
        where
        for where, cavity in _outlines(segmentation, phases, Structure.LV_CAVITY)
        if _is_judged(cavity, segmentation) and _solidity(cavity) < SMALLEST_SOLIDITY
    ]
    if not places:
        return None
    return Finding(
        "ragged_contour",
        Severity.WARNING,
        f"The outline of the left ventricle is ragged in {', '.join(places)}: look whether the slice still "
        "shows the ventricle, or already atrium or outflow.",
    )


def _solidity(cavity: NDArray[np.bool_]) -> float:
    (outline,) = regionprops(cavity.astype(np.uint8))
    return float(outline.solidity)


def _in_parts(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    places = {
        structure: [
            where
            for where, mask in _outlines(segmentation, phases, structure)
            if _has_second_part(mask, _pixel_mm2(segmentation))
        ]
        for structure in (Structure.LV_CAVITY, Structure.RV_CAVITY)
    }
    named = [f"{s.display_name.lower()} in {', '.join(where)}" for s, where in places.items() if where]
    if not named:
        return None
    return Finding(
        "structure_in_parts",
        Severity.WARNING if places[Structure.LV_CAVITY] else Severity.INFO,
        f"Drawn in two separate parts: {'; '.join(named)}. Look which of them belongs to it.",
    )


def _has_second_part(mask: NDArray[np.bool_], pixel_mm2: float) -> bool:
    parts, count = ndimage.label(mask)
    if count < 2:
        return False
    second, largest = np.sort(np.bincount(parts.ravel())[1:])[-2:] * pixel_mm2
    return bool(second > LARGE_PART_MM2 and second > LARGE_PART * largest)


def _not_short_axis(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    t = phases.end_diastole
    cavities = segmentation.mask(Structure.LV_CAVITY)[t]
    walls = segmentation.mask(Structure.LV_MYOCARDIUM)[t]
    judged = [z for z in range(len(cavities)) if _is_judged(cavities[z], segmentation)]
    if not judged:
        return None
    spacing_mm = (segmentation.geometry.spacing_y_mm, segmentation.geometry.spacing_x_mm)
    roundness = float(np.median([_roundness(cavities[z], spacing_mm) for z in judged]))
    enclosure = float(np.median([_enclosure(cavities[z], walls[z]) for z in judged]))
    if roundness >= SMALLEST_ROUNDNESS and enclosure >= SMALLEST_ENCLOSURE:
        return None
    return Finding(
        "not_short_axis",
        Severity.WARNING,
        f"The cavity is {roundness:.2f} times as wide as long, and {100 * enclosure:.0f} % of its border "
        "lies on wall: cut across its axis it is round and within a ring. Check that this is a short-axis "
        "stack.",
    )


def _roundness(cavity: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> float:
    """Short over long axis of the ellipse with the same second moments."""
    (shape,) = regionprops(cavity.astype(np.uint8), spacing=spacing_mm)
    return float(shape.axis_minor_length / shape.axis_major_length)


def _enclosure(cavity: NDArray[np.bool_], wall: NDArray[np.bool_]) -> float:
    """Share of the pixels around the cavity that are wall; beyond the image there is none."""
    around = ndimage.binary_dilation(np.pad(cavity, 1)) & ~np.pad(cavity, 1)
    return float(np.count_nonzero(np.pad(wall, 1) & around) / np.count_nonzero(around))


def _outlines(
    segmentation: CineSegmentation, phases: KeyPhases, structure: Structure
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """(y, x) masks of a structure in the slices of both key phases, with their place in words."""
    mask = segmentation.mask(structure)
    for name, t in (("end-diastole", phases.end_diastole), ("end-systole", phases.end_systole)):
        for z, outline in enumerate(mask[t]):
            yield f"slice {z + 1} at {name}", outline


def _pixel_mm2(segmentation: CineSegmentation) -> float:
    return segmentation.geometry.spacing_y_mm * segmentation.geometry.spacing_x_mm


def _is_judged(outline: NDArray[np.bool_], segmentation: CineSegmentation) -> bool:
    return bool(np.count_nonzero(outline) * _pixel_mm2(segmentation) >= SMALLEST_JUDGED_AREA_MM2)
