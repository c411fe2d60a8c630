"""What in a segmented cine makes its numbers doubtful, in words a reader can check on the images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.function import ejection_fraction_percent
from cvai.domain.message import joined, say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.base import base_findings
from cvai.domain.ventricles.coverage import coverage_findings
from cvai.domain.ventricles.not_drawn import not_drawn_findings
from cvai.domain.ventricles.outline import outline_findings
from cvai.domain.ventricles.short_axis import short_axis_findings
from cvai.domain.ventricles.size import size_findings
from cvai.domain.ventricles.slice_curves import out_of_step_findings
from cvai.domain.ventricles.slices import slice_findings
from cvai.domain.volumes import VolumeCurves, mass_g

STROKE_VOLUMES_DIFFER = 0.60
"""Share of the larger stroke volume. Both ventricles pump the same blood unless a valve leaks or a shunt
exists. Contours are less exact: in the reference contours of 80 ACDC patients the two differ by 20 % in the
median and by more than this in 5 %."""

HIGHEST_LV_EF_PERCENT, HIGHEST_RV_EF_PERCENT = 80.0, 80.0
"""In the same contours 1 % of either ventricle ejects more. It does happen, in hypertrophic hearts; a
ventricle that was lost in basal slices of end-systole looks the same."""

LEAST_MASS_AT_SYSTOLE, MOST_MASS_AT_SYSTOLE = 0.92, 1.40
"""Mass at end-systole over mass at end-diastole. Myocardium is all but incompressible, but trabeculae close
into the wall: in the same contours the ratio is 1.15 in the median, 0.93 and 1.39 at the 1st and 99th
percentile. Less than the lower limit is wall lost, mostly at the base."""

LARGE_SECOND_HEART = 0.25
"""Volume of a second left ventricle elsewhere in the image, as a share of the first one."""

PHASE_JUMP = 0.35
"""Share of the left stroke volume by which one phase of a structure may leave the line between its two
neighbours; of the right ventricle, share of its own."""

PHASE_OFF = 0.25
"""Share of the stroke volume by which the volume at end-diastole or end-systole may miss the largest or
smallest of the beat; the smoothing of ``key_phases`` misses it by less."""

SMALLEST_LV_EDV_ML = 20.0
"""Below this a left ventricle is taken for a failed segmentation."""


def quality_findings(
    segmentation: CineSegmentation, phases: KeyPhases, curves_ml: VolumeCurves
) -> tuple[Finding, ...]:
    """Every reason to doubt the numbers that can be seen in the labels themselves.

    Args:
        segmentation: the labels.
        phases: those that the numbers come from.
        curves_ml: the volumes of these labels, see ``volume_curves_ml``.
    """
    lv_ml, rv_ml = curves_ml[Structure.LV_CAVITY], curves_ml[Structure.RV_CAVITY]
    wall_ml = curves_ml[Structure.LV_MYOCARDIUM]
    found = (
        _small_ventricle(lv_ml, phases),
        _no_stroke_volume(lv_ml, rv_ml, phases),
        _stroke_volumes(lv_ml, rv_ml, phases),
        _high_ejection_fraction(lv_ml, rv_ml, phases),
        _masses(wall_ml, phases),
        _phases_off(lv_ml, phases),
        _phase_jump(curves_ml),
        _border(segmentation),
        _second_heart(segmentation, float((lv_ml + wall_ml)[phases.end_diastole])),
    )
    return (
        *not_drawn_findings(curves_ml, phases),
        *(finding for finding in found if finding is not None),
        *size_findings(segmentation, phases),
        *coverage_findings(segmentation, phases),
        *base_findings(segmentation, phases),
        *outline_findings(segmentation, phases),
        *slice_findings(segmentation, phases),
        *short_axis_findings(segmentation, phases),
        *out_of_step_findings(segmentation),
    )


def _small_ventricle(lv_ml: NDArray[np.float64], phases: KeyPhases) -> Finding | None:
    edv_ml = lv_ml[phases.end_diastole]
    if edv_ml == 0 or edv_ml >= SMALLEST_LV_EDV_ML:
        return None
    return Finding(
        "lv_implausibly_small",
        Severity.WARNING,
        say(
            "The left ventricle measures {edv_ml:.0f} mL at end-diastole, less than "
            "{smallest_ml:.0f} mL: check that the contours follow it.",
            edv_ml=edv_ml,
            smallest_ml=SMALLEST_LV_EDV_ML,
        ),
        (Place(phase=phases.end_diastole),),
    )


def _no_stroke_volume(
    lv_ml: NDArray[np.float64], rv_ml: NDArray[np.float64], phases: KeyPhases
) -> Finding | None:
    """Numbers that ``ventricle_measurements`` leaves out."""
    ed, es = phases.end_diastole, phases.end_systole
    left, right = (ml[es] > ml[ed] > 0 for ml in (lv_ml, rv_ml))
    if not (left or right):
        return None
    sides = say("left and the right") if left and right else say("left") if left else say("right")
    return Finding(
        "no_stroke_volume",
        Severity.WITHHELD,
        say(
            "The {sides} ventricle is larger at end-systole than at end-diastole: stroke volume, "
            "ejection fraction and output are not given. Check its contours.",
            sides=sides,
        ),
        (Place(phase=es), Place(phase=ed)),
    )


def _stroke_volumes(
    lv_ml: NDArray[np.float64], rv_ml: NDArray[np.float64], phases: KeyPhases
) -> Finding | None:
    if not all(_is_drawn(curve_ml, phases) for curve_ml in (lv_ml, rv_ml)):
        return None
    lv, rv = (curve[phases.end_diastole] - curve[phases.end_systole] for curve in (lv_ml, rv_ml))
    larger = max(lv, rv)
    if larger <= 0 or abs(lv - rv) <= STROKE_VOLUMES_DIFFER * larger:
        return None
    return Finding(
        "stroke_volumes_disagree",
        Severity.WARNING,
        say(
            "Stroke volumes differ: left {lv:.0f} mL, right {rv:.0f} mL. Without a shunt or a leaking "
            "valve they are alike; check the basal slices.",
            lv=lv,
            rv=rv,
        ),
        _key_places(phases),
    )


def _high_ejection_fraction(
    lv_ml: NDArray[np.float64], rv_ml: NDArray[np.float64], phases: KeyPhases
) -> Finding | None:
    left_percent, right_percent = (_ejected_percent(ml, phases) for ml in (lv_ml, rv_ml))
    high = []
    if left_percent > HIGHEST_LV_EF_PERCENT:
        high.append(say("left {ef_percent:.0f} %", ef_percent=left_percent))
    if right_percent > HIGHEST_RV_EF_PERCENT:
        high.append(say("right {ef_percent:.0f} %", ef_percent=right_percent))
    if not high:
        return None
    return Finding(
        "ejection_fraction_very_high",
        Severity.WARNING,
        say(
            "Ejection fractions are very high: {fractions}. Look whether ventricle was lost in slices of "
            "end-systole, mostly at the base.",
            fractions=joined(", ", high),
        ),
        (Place(phase=phases.end_systole),),
    )


def _ejected_percent(curve_ml: NDArray[np.float64], phases: KeyPhases) -> float:
    """Of a ventricle that is not drawn at both phases, which has no ejection fraction, zero."""
    ed_ml, es_ml = float(curve_ml[phases.end_diastole]), float(curve_ml[phases.end_systole])
    return ejection_fraction_percent(ed_ml, es_ml) if _is_drawn(curve_ml, phases) else 0.0


def _is_drawn(curve_ml: NDArray[np.float64], phases: KeyPhases) -> bool:
    """Whether a structure has a volume at end-diastole and end-systole."""
    return bool(curve_ml[phases.end_diastole] > 0 and curve_ml[phases.end_systole] > 0)


def _masses(wall_ml: NDArray[np.float64], phases: KeyPhases) -> Finding | None:
    if not _is_drawn(wall_ml, phases):
        return None
    ed, es = (mass_g(float(wall_ml[t])) for t in (phases.end_diastole, phases.end_systole))
    if LEAST_MASS_AT_SYSTOLE * ed <= es <= MOST_MASS_AT_SYSTOLE * ed:
        return None
    return Finding(
        "myocardial_mass_differs",
        Severity.WARNING,
        say(
            "Myocardial mass is {ed:.0f} g at end-diastole and {es:.0f} g at end-systole; it should be "
            "nearly the same. Check the contours of the wall and the basal slices.",
            ed=ed,
            es=es,
        ),
        _key_places(phases),
    )


def _phases_off(lv_ml: NDArray[np.float64], phases: KeyPhases) -> Finding | None:
    if not _is_drawn(lv_ml, phases):
        return None
    drawn = np.flatnonzero(lv_ml)
    stroke = float(np.ptp(lv_ml[drawn]))
    wrong = [
        (name, t, extreme)
        for name, t, extreme in (
            (say("End-diastole"), phases.end_diastole, int(drawn[lv_ml[drawn].argmax()])),
            (say("End-systole"), phases.end_systole, int(drawn[lv_ml[drawn].argmin()])),
        )
        if abs(lv_ml[t] - lv_ml[extreme]) > PHASE_OFF * stroke
    ]
    if not wrong:
        return None
    named = (
        say(
            "{key_phase} is phase {phase} with {volume_ml:.0f} mL, but phase {extreme_phase} has "
            "{extreme_ml:.0f} mL",
            key_phase=name,
            phase=t + 1,
            volume_ml=lv_ml[t],
            extreme_phase=extreme + 1,
            extreme_ml=lv_ml[extreme],
        )
        for name, t, extreme in wrong
    )
    return Finding(
        "key_phase_not_extreme",
        Severity.WARNING,
        say("{phases}. Check the choice of phases, and the contours of both.", phases=joined(". ", named)),
        tuple(Place(phase=phase) for _, t, extreme in wrong for phase in (t, extreme)),
    )


def _phase_jump(curves_ml: VolumeCurves) -> Finding | None:
    if curves_ml[Structure.LV_CAVITY].size < 5 or not curves_ml[Structure.LV_CAVITY].all():
        return None
    places = []
    named = []
    for structure, words, of in (
        (Structure.LV_CAVITY, say("left ventricle"), Structure.LV_CAVITY),
        (Structure.LV_MYOCARDIUM, say("its wall"), Structure.LV_CAVITY),
        (Structure.RV_CAVITY, say("right ventricle"), Structure.RV_CAVITY),
    ):
        curve_ml = curves_ml[structure]
        departure = np.abs(curve_ml - (np.roll(curve_ml, 1) + np.roll(curve_ml, -1)) / 2)
        worst, stroke = int(departure.argmax()), float(np.ptp(curves_ml[of]))
        if stroke > 0 and departure[worst] > PHASE_JUMP * stroke:
            places.append(Place(phase=worst))
            named.append(
                say(
                    "{structure} by {departure_ml:.0f} mL at phase {phase}",
                    structure=words,
                    departure_ml=departure[worst],
                    phase=worst + 1,
                )
            )
    if not named:
        return None
    return Finding(
        "volume_jumps_between_phases",
        Severity.WARNING,
        say(
            "Volumes jump against the neighbouring phases: {places}. Check the contours there.",
            places=joined("; ", named),
        ),
        tuple(places),
    )


def _key_places(phases: KeyPhases) -> tuple[Place, ...]:
    return Place(phase=phases.end_diastole), Place(phase=phases.end_systole)


def _border(segmentation: CineSegmentation) -> Finding | None:
    labels = segmentation.labels
    edges = (labels[..., 0, :], labels[..., -1, :], labels[..., 0], labels[..., -1])
    at_border = np.sum([np.count_nonzero(edge, axis=-1) for edge in edges], axis=0)  # (t, z) pixels
    if not at_border.any():
        return None
    return Finding(
        "heart_at_image_border",
        Severity.WARNING,
        say("The heart touches the border of the image: part of it may be cut off."),
        tuple(Place(int(at_border[:, z].argmax()), int(z)) for z in np.flatnonzero(at_border.any(axis=0))),
    )


def _second_heart(segmentation: CineSegmentation, heart_ml: float) -> Finding | None:
    second_ml = segmentation.second_heart_ml
    if second_ml == 0 or second_ml < LARGE_SECOND_HEART * heart_ml:
        return None
    return Finding(
        "second_heart",
        Severity.WARNING,
        say(
            "Elsewhere in the image {second_ml:.0f} mL look like a left ventricle as well: check that "
            "the contours follow the right one.",
            second_ml=second_ml,
        ),
    )
