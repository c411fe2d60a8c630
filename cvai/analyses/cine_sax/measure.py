"""What labels on a short-axis cine measure, whoever drew them: the model alone, or a reader after it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import headers_of, subject_findings, subject_of
from cvai.dicom.read.values import AssembledCine, Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.domain.anatomy import Structure
from cvai.domain.body import with_body_size
from cvai.domain.findings import Finding
from cvai.domain.function import measure_sax
from cvai.domain.measurement import Measurement
from cvai.domain.normals import with_normal_ranges
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.subject import Subject
from cvai.domain.uncertainty import Uncertainty
from cvai.domain.ventricles.beat_times import beat_times
from cvai.domain.ventricles.circumferential import CircumferentialStrain, measure_strain
from cvai.domain.ventricles.doubt import doubt_findings, of_patient
from cvai.domain.ventricles.quality import quality_findings
from cvai.domain.ventricles.rings import beat_rings
from cvai.domain.ventricles.thickening import measure_thickening
from cvai.domain.ventricles.timing import measure_timing, trusted_times
from cvai.domain.ventricles.wall_motion import BeatMotion, measure_wall_motion, segment_motion
from cvai.domain.ventricles.wall_thickness import measure_wall
from cvai.domain.volumes import VolumeCurves, volume_curves_ml


class CineMeasures(TypedDict):
    """Fields of ``CineAnalysis`` that follow from the labels."""

    lv_curve_ml: NDArray[np.float64]
    rv_curve_ml: NDArray[np.float64]
    strain: CircumferentialStrain | None
    motion: BeatMotion
    chosen: Mapping[str, float]
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    subject: Subject


def measured(
    study: Study,
    cine: AssembledCine,
    segmentation: CineSegmentation,
    phases: KeyPhases,
    *,
    curves_ml: VolumeCurves | None = None,
    known: Uncertainty | None = None,
    chosen: Mapping[str, float] = MappingProxyType({}),
    first_findings: tuple[Finding, ...] = (),
) -> CineMeasures:
    """Measure and judge.

    Args:
        study: which the cine is of.
        cine: with its sources.
        segmentation: labels on its grid.
        phases: end-diastole and end-systole.
        curves_ml: (t,) volumes of the segmentation, where they are known already.
        known: how far the model's measurements may be off; None for a reader's, which have no intervals.
        chosen: what a reader has given instead of measurements, by name.
        first_findings: come before those that are made here.
    """
    curves_ml = curves_ml or volume_curves_ml(segmentation)
    subject = subject_of(cine, reports_of(study))
    quality = quality_findings(segmentation, phases, curves_ml)
    rings = beat_rings(segmentation)
    times = beat_times(cine.stack.phase_times_ms, cine.stack.heart_rate_bpm)
    timing = measure_timing(segmentation, phases, trusted_times(times, quality))
    strain = measure_strain(segmentation, rings, phases, times)
    wall = measure_wall(segmentation, phases, rings)
    motion = segment_motion(segmentation, rings, phases.end_diastole)
    found = (
        *measure_sax(curves_ml, phases, cine.stack.heart_rate_bpm or subject.heart_rate_bpm),
        *timing.measurements,
        *strain.measurements,
        *wall.measurements,
        *measure_thickening(segmentation, rings, phases, trusted_times(times, quality)),
        *measure_wall_motion(motion, phases, of_model=known is not None, chosen=chosen),
    )
    patient = of_patient(known, segmentation, phases, found)
    if patient is not None:
        found = tuple(map(patient.around, found))
    return CineMeasures(
        lv_curve_ml=curves_ml[Structure.LV_CAVITY],
        rv_curve_ml=curves_ml[Structure.RV_CAVITY],
        strain=strain.strain,
        motion=motion,
        chosen=chosen,
        measurements=with_normal_ranges(with_body_size(found, subject), subject),
        findings=(
            *first_findings,
            *cine.findings,
            *subject_findings(headers_of(cine), subject),
            *unreadable_findings(study),
            *quality,
            *timing.findings,
            *strain.findings,
            *wall.findings,
            *doubt_findings(known, patient, segmentation, phases),
        ),
        subject=subject,
    )
