"""Whether contours are those of whole structures: neither frayed nor in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import Message, joined, say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first

OUTLINE_WORDS: Mapping[Structure, Message] = MappingProxyType(
    {
        Structure.LV_CAVITY: say("left ventricular cavity"),
        Structure.LV_MYOCARDIUM: say("outside of the left ventricle"),
        Structure.RV_CAVITY: say("right ventricle"),
    }
)
"""What each outline encloses; that of the wall encloses the cavity as well, see ``within``."""

SMALLEST_SOLIDITY: Mapping[Structure, float] = MappingProxyType(
    {Structure.LV_CAVITY: 0.85, Structure.LV_MYOCARDIUM: 0.85, Structure.RV_CAVITY: 0.80}
)
"""Area within an outline over that of its convex hull. Among the outlines over 2 cm2 of 100 ACDC patients the
least is 0.857 for the cavity and 0.876 for the outside of the left ventricle, which are all but convex. A
right ventricle is a crescent; together with the left one it is all but convex too, 0.801 at the least."""

CLOSING_MM, LARGEST_GAPS = 4.5, 0.05
"""Gaps and notches of a right ventricle that a disc of this radius closes, as a share of its area. In these
contours they are 0.040 at the most."""

SMALLEST_JUDGED_AREA_MM2 = 200.0
"""Smaller outlines are a few pixels, whose shape says nothing."""

LARGE_PART_MM2, LARGE_PART = 100.0, 0.2
"""A second part of one structure in a slice counts from this area, and from this share of the largest part.
In the reference contours of 100 ACDC patients no second part exceeds 22 mm2."""


def outline_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """Contours that are frayed, or in two parts."""
    found = (_ragged(segmentation, phases), _in_parts(segmentation, phases))
    return tuple(finding for finding in found if finding is not None)


def within(labels: NDArray[np.uint8], structure: Structure) -> NDArray[np.bool_]:
    """Pixels of labels of any shape within the outline of a structure: the wall's encloses the cavity."""
    values = [SAX_LABELS[structure]]
    if structure is Structure.LV_MYOCARDIUM:
        values.append(SAX_LABELS[Structure.LV_CAVITY])
    return np.isin(labels, values)


def worded(places: Iterable[Place], phases: KeyPhases) -> Message:
    """Slices of both phases, the phase once for each.

    >>> worded([Place(0, 2), Place(0, 3), Place(6, 8)], KeyPhases(0, 6))
    'slices 3, 4 at end-diastole, slice 9 at end-systole'
    """
    found = []
    for name, t in (
        (say("end-diastole"), phases.end_diastole),
        (say("end-systole"), phases.end_systole),
    ):
        slices = [place.slice + 1 for place in places if place.phase == t and place.slice is not None]
        if slices:
            some = say("slices {numbers}", numbers=joined(", ", slices))
            one = say("slice {number}", number=slices[0])
            found.append(say("{slices} at {phase}", slices=some if len(slices) > 1 else one, phase=name))
    return joined(", ", found)


def _ragged(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    area_mm2 = _pixel_mm2(segmentation)

    def is_ragged(labels: NDArray[np.uint8], structure: Structure) -> bool:
        outline = within(labels, structure)
        if np.count_nonzero(outline) * area_mm2 < SMALLEST_JUDGED_AREA_MM2:
            return False
        if structure is Structure.RV_CAVITY:
            return _is_torn(labels, outline, segmentation.geometry)
        return _solidity(outline) < SMALLEST_SOLIDITY[structure]

    places = _places(segmentation, phases, is_ragged)
    named = [
        say("{structure} in {slices}", structure=OUTLINE_WORDS[s], slices=worded(where, phases))
        for s, where in places.items()
        if where
    ]
    if not named:
        return None
    where = tuple(place for of_structure in places.values() for place in of_structure)
    atrium = say(", or already atrium or outflow") if _any_at_the_base(segmentation, phases, where) else ""
    return Finding(
        "ragged_contour",
        _severity(places),
        say(
            "The outline is ragged: {places}. Look whether the slice still shows the ventricle{atrium}.",
            places=joined("; ", named),
            atrium=atrium,
        ),
        where,
    )


def _severity(places: Mapping[Structure, list[Place]]) -> Severity:
    """No warning of the right ventricle alone: it is drawn so in 3 of 20 patients with right left ones."""
    is_left = places[Structure.LV_CAVITY] or places[Structure.LV_MYOCARDIUM]
    return Severity.WARNING if is_left else Severity.INFO


def _is_torn(labels: NDArray[np.uint8], right: NDArray[np.bool_], geometry: StackGeometry) -> bool:
    """Whether a right ventricle has narrow gaps, or is far from convex together with the left one."""
    heart = labels > 0
    gaps = np.count_nonzero(_closed(right, geometry) & ~heart)
    if gaps > LARGEST_GAPS * np.count_nonzero(right):
        return True
    is_joined = ndimage.label(heart)[1] == 1  # the hull of two parts says nothing about their shape
    return is_joined and _solidity(heart) < SMALLEST_SOLIDITY[Structure.RV_CAVITY]


def _closed(mask: NDArray[np.bool_], geometry: StackGeometry) -> NDArray[np.bool_]:
    """A (y, x) mask with what is narrower than a disc of CLOSING_MM."""
    margin = int(np.ceil(CLOSING_MM / min(geometry.spacing_y_mm, geometry.spacing_x_mm)))
    y, x = np.mgrid[-margin : margin + 1, -margin : margin + 1]
    disc = np.hypot(y * geometry.spacing_y_mm, x * geometry.spacing_x_mm) <= CLOSING_MM
    closed = ndimage.binary_closing(np.pad(mask, margin), disc)
    return np.asarray(closed[margin:-margin, margin:-margin])


def _any_at_the_base(segmentation: CineSegmentation, phases: KeyPhases, places: Iterable[Place]) -> bool:
    """Whether a place lies in the basal half of the slices that hold the heart at end-diastole."""
    labels = segmentation.labels[phases.end_diastole]
    drawn = np.flatnonzero(labels.any(axis=(1, 2)))
    middle = (drawn[0] + drawn[-1]) / 2
    slices = np.array([place.slice for place in places])
    return bool((slices > middle if apex_comes_first(labels) else slices < middle).any())


def _solidity(outline: NDArray[np.bool_]) -> float:
    (shape,) = regionprops(outline.astype(np.uint8))
    return float(shape.solidity)


def _in_parts(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    area_mm2 = _pixel_mm2(segmentation)
    places = _places(segmentation, phases, lambda labels, s: _has_second_part(within(labels, s), area_mm2))
    named = [
        say("{structure} in {slices}", structure=OUTLINE_WORDS[s], slices=worded(where, phases))
        for s, where in places.items()
        if where
    ]
    if not named:
        return None
    return Finding(
        "structure_in_parts",
        _severity(places),
        say(
            "Drawn in two separate parts: {places}. Look which of them belongs to it.",
            places=joined("; ", named),
        ),
        tuple(place for where in places.values() for place in where),
    )


def _has_second_part(mask: NDArray[np.bool_], pixel_mm2: float) -> bool:
    parts, count = ndimage.label(mask)
    if count < 2:
        return False
    second, largest = np.sort(np.bincount(parts.ravel())[1:])[-2:] * pixel_mm2
    return bool(second > LARGE_PART_MM2 and second > LARGE_PART * largest)


def _places(
    segmentation: CineSegmentation,
    phases: KeyPhases,
    judge: Callable[[NDArray[np.uint8], Structure], bool],
) -> dict[Structure, list[Place]]:
    """Slices of both key phases of whose (y, x) labels ``judge`` says yes, by structure."""
    return {
        structure: [
            Place(t, z)
            for t in (phases.end_diastole, phases.end_systole)
            for z, labels in enumerate(segmentation.labels[t])
            if judge(labels, structure)
        ]
        for structure in OUTLINE_WORDS
    }


def _pixel_mm2(segmentation: CineSegmentation) -> float:
    return segmentation.geometry.spacing_y_mm * segmentation.geometry.spacing_x_mm
