"""Whether a stack of slices holds the whole left ventricle, from base to apex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first

MISSED_APEX, LEAST_FALL = 0.02, 0.1
"""Cavity beyond the outermost apical slice as a share of what the stack holds, if its area goes on falling as
between the last two slices; and the least fall a slice, as a share of the largest area. In the reference
contours of 100 ACDC patients it is more in 3 %; with one or two apical slices taken away in 64 and 96 %, and
in each of the 87 that lost more than 5 % of the volume by that."""

LARGE_BASE, SHORT_VENTRICLE = 0.8, 1.1
"""Cavity area in the outermost basal slice as a share of the largest slice's, and length of the cavity over
its largest diameter. A basal slice is large in most whole stacks as well, so that its area alone says
nothing; a ventricle that is large at the end *and* short for its width is rare. In the same contours both
hold in 3 %; with one, two or three basal slices taken away in 16, 38 and 70 %."""

WIDE_BASE, WIDE_RIGHT_BASE, SLENDER_VENTRICLE = 0.9, 0.8, 1.5
"""Areas in the outermost basal slice as shares of the largest slice's, of the left cavity at end-diastole and
of the right one at end-systole; and length of the left cavity over its largest diameter. The rings of both
valves come down by one to two centimetres, so that in systole the outermost slice of a whole stack holds
atrium. With what SHORT_VENTRICLE tells, 8 % of the same stacks are told, of which at least six end below the
base by their images; with one, two or three basal slices taken away 49, 85 and 93 %."""

LARGEST_RETREAT_MM = 25.0
"""How much shorter the cavity may be at end-systole, counted in slices that hold it. The base comes down by
one to two centimetres; in the same contours it is more in 4 %, and never more than 30 mm."""


WIDE_END, SLICES_BEYOND = 0.5, 2
"""Area of the right ventricle in its last slice towards the apex, as a share of its largest slice's, where
the left one goes on for so many slices. In the same contours, at end-diastole, the share is 0.32 at the
most; in the model's none of the 100 hearts meets both."""


def coverage_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """Whether the ventricle goes on beyond the first or the last slice, or was lost in slices that hold
    it."""
    base, apex = 0, segmentation.labels.shape[1] - 1
    geometry = segmentation.geometry
    pixels = segmentation.voxel_counts(Structure.LV_CAVITY)
    right_px = segmentation.voxel_counts(Structure.RV_CAVITY)[phases.end_systole]
    if apex_comes_first(segmentation.labels[phases.end_diastole]):
        pixels, right_px, base, apex = pixels[:, ::-1], right_px[::-1], apex, base
    ed_mm2, es_mm2 = (
        pixels[t] * geometry.spacing_y_mm * geometry.spacing_x_mm
        for t in (phases.end_diastole, phases.end_systole)
    )
    if not ed_mm2.any():
        return ()
    step_mm = geometry.slice_spacing_mm
    outermost = (Place(phases.end_diastole, base), Place(phases.end_systole, base))
    found = (
        _base(ed_mm2, step_mm, outermost[0]) or _base_at_end_systole(ed_mm2, right_px, step_mm, outermost),
        _apex(ed_mm2, Place(phases.end_diastole, apex)),
        _retreat(ed_mm2, es_mm2, step_mm, phases),
        _right_end(segmentation, ed_mm2, phases.end_diastole, is_reversed=base > apex),
    )
    return tuple(finding for finding in found if finding is not None)


def _base(areas_mm2: NDArray[np.float64], step_mm: float, outermost: Place) -> Finding | None:
    """``areas_mm2`` (z,) from base to apex."""
    length_mm, diameter_mm = _length_and_diameter_mm(areas_mm2, step_mm)
    if areas_mm2[0] <= LARGE_BASE * areas_mm2.max() or length_mm >= SHORT_VENTRICLE * diameter_mm:
        return None
    return Finding(
        "base_not_covered",
        Severity.WARNING,
        say(
            "The left ventricle measures {length_mm:.0f} mm along its axis and {diameter_mm:.0f} mm "
            "across, and is still wide in the outermost basal slice: the base may lie beyond the stack, "
            "and volumes be too small.",
            length_mm=length_mm,
            diameter_mm=diameter_mm,
        ),
        (outermost,),
    )


def _base_at_end_systole(
    ed_mm2: NDArray[np.float64],
    right_px: NDArray[np.int64],
    step_mm: float,
    outermost: tuple[Place, Place],
) -> Finding | None:
    """``ed_mm2`` (z,) of the left cavity, ``right_px`` (z,) of the right one at end-systole, from base to
    apex."""
    length_mm, diameter_mm = _length_and_diameter_mm(ed_mm2, step_mm)
    is_wide = ed_mm2[0] > WIDE_BASE * ed_mm2.max() and right_px[0] > WIDE_RIGHT_BASE * right_px.max()
    if not is_wide or length_mm >= SLENDER_VENTRICLE * diameter_mm:
        return None
    return Finding(
        "base_not_covered",
        Severity.WARNING,
        say(
            "The outermost basal slice shows the left ventricle nearly at its widest at end-diastole, and "
            "the right one at end-systole, when the base has come down: the base may lie beyond the stack, "
            "and volumes be too small."
        ),
        outermost,
    )


def _length_and_diameter_mm(areas_mm2: NDArray[np.float64], step_mm: float) -> tuple[float, float]:
    """Of a cavity: length in slices that hold it, and largest diameter."""
    return np.count_nonzero(areas_mm2) * step_mm, 2.0 * float(np.sqrt(areas_mm2.max() / np.pi))


def _retreat(
    ed_mm2: NDArray[np.float64], es_mm2: NDArray[np.float64], step_mm: float, phases: KeyPhases
) -> Finding | None:
    """Both (z,) from base to apex."""
    ed_mm, es_mm = (np.count_nonzero(areas_mm2) * step_mm for areas_mm2 in (ed_mm2, es_mm2))
    if es_mm == 0 or ed_mm - es_mm <= LARGEST_RETREAT_MM:
        return None
    return Finding(
        "ventricle_shortens_much",
        Severity.WARNING,
        say(
            "The left ventricle measures {ed_mm:.0f} mm along its axis at end-diastole and {es_mm:.0f} "
            "mm at end-systole: look whether it was lost in slices at the base or the apex.",
            ed_mm=ed_mm,
            es_mm=es_mm,
        ),
        (Place(phase=phases.end_diastole), Place(phase=phases.end_systole)),
    )


def _right_end(
    segmentation: CineSegmentation, left_mm2: NDArray[np.float64], t: int, *, is_reversed: bool
) -> Finding | None:
    """That the right ventricle ends before it narrows; ``left_mm2`` (z,) from base to apex.

    Contours beyond a slice that is turned, mirrored or shifted hang together with nothing, and are dropped.
    """
    right = segmentation.voxel_counts(Structure.RV_CAVITY)[t]
    if is_reversed:
        right = right[::-1]
    if not right.any():
        return None
    last = int(np.flatnonzero(right)[-1])
    share = float(right[last] / right.max())
    if share <= WIDE_END or np.flatnonzero(left_mm2)[-1] - last < SLICES_BEYOND:
        return None
    ends = [right.size - 1 - z if is_reversed else z for z in (last, last + 1)]
    return Finding(
        "right_ventricle_ends_abruptly",
        Severity.WARNING,
        say(
            "The right ventricle ends in slice {slice}, where it still has {percent:.0f} % of its largest "
            "area, and the left one goes on: look whether the next slice is turned, mirrored or shifted "
            "against the others, and draw it there.",
            slice=ends[0] + 1,
            percent=100 * share,
        ),
        tuple(Place(t, z) for z in ends),
    )


def _apex(areas_mm2: NDArray[np.float64], outermost: Place) -> Finding | None:
    """``areas_mm2`` (z,) from base to apex."""
    share = float(areas_mm2[-1] / areas_mm2.max())
    if _beyond_mm2(areas_mm2) <= MISSED_APEX * areas_mm2.sum():
        return None
    return Finding(
        "apex_not_covered",
        Severity.WARNING,
        say(
            "In the outermost apical slice the left ventricle still has {percent:.0f} % of its largest "
            "area: the apex may lie beyond the stack, and volumes be too small.",
            percent=100 * share,
        ),
        (outermost,),
    )


def _beyond_mm2(areas_mm2: NDArray[np.float64]) -> float:
    """Areas of the slices missing beyond the outermost one, which itself reaches half a step towards them."""
    before_mm2, last_mm2 = areas_mm2[-2:]
    fall_mm2 = max(before_mm2 - last_mm2, LEAST_FALL * areas_mm2.max())
    steps = max(last_mm2 / fall_mm2 - 0.5, 0.0)
    return float(steps**2 * fall_mm2 / 2)
