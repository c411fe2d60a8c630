"""What in a segmented cine makes its numbers doubtful, in words a reader can check on the images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops

from cvai.heart.anatomy import Structure
from cvai.heart.findings import Finding, Severity
from cvai.heart.phases import KeyPhases
from cvai.heart.segmentation import CineSegmentation
from cvai.heart.volumes import mass_g, volume_curve_ml

STROKE_VOLUMES_DIFFER = 0.30
"""Share of the larger stroke volume. Both ventricles pump the same blood unless a valve leaks or a shunt
exists; readers repeat RV volumes within about 10-15 % (Luijnenburg et al., Int J Cardiovasc Imaging
2010;26:57), so less than this is within what reading alone explains."""

MASSES_DIFFER = 0.25
"""Share of the mean: myocardium is all but incompressible, its mass is the same in both phases."""

LARGE_END_SLICE = 0.6
"""An outermost slice whose LV area exceeds this share of the largest slice's has more ventricle beyond it."""

PHASE_JUMP = 0.35
"""Share of the stroke volume by which one phase may leave the line between its two neighbours."""

SMALLEST_SOLIDITY = 0.85
"""Area of an LV cavity's outline over that of its convex hull. Among 850 reference outlines of ACDC over
2 cm2 the least is 0.857, the next 0.915: a cavity is all but convex, unless its contour leaked or frayed."""

SMALLEST_JUDGED_AREA_MM2 = 200.0
"""Smaller outlines are a few pixels, whose shape says nothing."""

SMALLEST_LV_EDV_ML = 20.0
"""Below this a left ventricle is taken for a failed segmentation."""


def quality_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """Every reason to doubt the numbers that can be seen in the labels themselves."""
    lv_ml = volume_curve_ml(segmentation, Structure.LV_CAVITY)
    rv_ml = volume_curve_ml(segmentation, Structure.RV_CAVITY)
    wall_ml = volume_curve_ml(segmentation, Structure.LV_MYOCARDIUM)
    found = (
        _small_ventricle(lv_ml, phases),
        _stroke_volumes(lv_ml, rv_ml, phases),
        _masses(wall_ml, phases),
        _phase_jump(lv_ml),
        _coverage(segmentation, phases),
        _border(segmentation),
        _ragged(segmentation, phases),
    )
    return tuple(finding for finding in found if finding is not None)


def _small_ventricle(lv_ml: NDArray[np.float64], phases: KeyPhases) -> Finding | None:
    edv_ml = lv_ml[phases.end_diastole]
    if edv_ml >= SMALLEST_LV_EDV_ML:
        return None
    return Finding(
        "lv_implausibly_small",
        Severity.WARNING,
        f"The left ventricle measures {edv_ml:.0f} mL at end-diastole, less than "
        f"{SMALLEST_LV_EDV_ML:.0f} mL: check that the contours follow it.",
    )


def _stroke_volumes(
    lv_ml: NDArray[np.float64], rv_ml: NDArray[np.float64], phases: KeyPhases
) -> Finding | None:
    lv, rv = (curve[phases.end_diastole] - curve[phases.end_systole] for curve in (lv_ml, rv_ml))
    larger = max(lv, rv)
    if larger <= 0 or abs(lv - rv) <= STROKE_VOLUMES_DIFFER * larger:
        return None
    return Finding(
        "stroke_volumes_disagree",
        Severity.WARNING,
        f"Stroke volumes differ: left {lv:.0f} mL, right {rv:.0f} mL. Without a shunt or a leaking valve "
        "they are alike; check the basal slices.",
    )


def _masses(wall_ml: NDArray[np.float64], phases: KeyPhases) -> Finding | None:
    ed, es = (mass_g(float(wall_ml[t])) for t in (phases.end_diastole, phases.end_systole))
    if abs(ed - es) <= MASSES_DIFFER * (ed + es) / 2:
        return None
    return Finding(
        "myocardial_mass_differs",
        Severity.WARNING,
        f"Myocardial mass is {ed:.0f} g at end-diastole and {es:.0f} g at end-systole; it should be "
        "the same. Check the contours of the wall and the basal slices.",
    )


def _phase_jump(lv_ml: NDArray[np.float64]) -> Finding | None:
    if lv_ml.size < 5:
        return None
    between = (np.roll(lv_ml, 1) + np.roll(lv_ml, -1)) / 2
    departure = np.abs(lv_ml - between)
    worst, stroke = int(departure.argmax()), float(np.ptp(lv_ml))
    if stroke == 0 or departure[worst] <= PHASE_JUMP * stroke:
        return None
    return Finding(
        "volume_jumps_between_phases",
        Severity.WARNING,
        f"The left ventricle jumps by {departure[worst]:.0f} mL at phase {worst + 1} against its neighbours.",
    )


def _coverage(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    areas = np.count_nonzero(segmentation.mask(Structure.LV_CAVITY)[phases.end_diastole], axis=(1, 2))
    ends = [z for z in (0, len(areas) - 1) if areas[z] > LARGE_END_SLICE * areas.max()]
    if not ends:
        return None
    where = " and ".join("first" if z == 0 else "last" for z in ends)
    return Finding(
        "ventricle_not_covered",
        Severity.WARNING,
        f"The left ventricle is still large in the {where} slice of the stack: volumes may be too small.",
    )


def _border(segmentation: CineSegmentation) -> Finding | None:
    heart = segmentation.labels > 0
    edges = (heart[..., 0, :], heart[..., -1, :], heart[..., 0], heart[..., -1])
    if not any(edge.any() for edge in edges):
        return None
    return Finding(
        "heart_at_image_border",
        Severity.WARNING,
        "The heart touches the border of the image: part of it may be cut off.",
    )


def _ragged(segmentation: CineSegmentation, phases: KeyPhases) -> Finding | None:
    cavity = segmentation.mask(Structure.LV_CAVITY)
    places = [
        f"slice {z + 1} at {name}"
        for name, t in (("end-diastole", phases.end_diastole), ("end-systole", phases.end_systole))
        for z in range(cavity.shape[1])
        if _is_ragged(cavity[t, z], segmentation.geometry.spacing_y_mm * segmentation.geometry.spacing_x_mm)
    ]
    if not places:
        return None
    return Finding(
        "ragged_contour",
        Severity.WARNING,
        f"The outline of the left ventricle is ragged in {', '.join(places)}: look whether the slice still "
        "shows the ventricle, or already atrium or outflow.",
    )


def _is_ragged(cavity: NDArray[np.bool_], pixel_area_mm2: float) -> bool:
    if np.count_nonzero(cavity) * pixel_area_mm2 < SMALLEST_JUDGED_AREA_MM2:
        return False
    (outline,) = regionprops(cavity.astype(np.uint8))
    return float(outline.solidity) < SMALLEST_SOLIDITY
