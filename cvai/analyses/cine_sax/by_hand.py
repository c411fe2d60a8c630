"""A cine that the software refused, opened for a reader to draw on: nothing of it is measured before."""

from __future__ import annotations

import numpy as np

from cvai import __version__
from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.cine.content import check_content
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import subject_of
from cvai.dicom.read.values import Study
from cvai.dicom.read.whole import require_readable, unreadable_findings
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, ModelIdentity

REFUSALS = frozenset({"heart_not_found", "heart_lost", "no_short_axis", "image_far_from_training"})
"""Codes of what is refused for the model's contours; images that are no sound cine are drawn on by nobody."""

_SYSTOLE = 1 / 3
"""Share of the recorded heartbeat after which end-systole stands until a reader sets it."""


def opened_cine(study: Study, watch: Stopwatch) -> CineAnalysis:
    """The cine that would have been measured, without contours and numbers.

    Raises:
        Refused: the images do not form a cine.
    """
    with watch.stage("select"):
        patient = study.patient()
        selection = select_sax_cine(study)
        require_readable(study, selection.planes)
    with watch.stage("assemble"):
        cine = assemble_cine(selection)
        check_content(cine.stack.stored)
    n_phases = cine.stack.n_phases
    phases, no_volume_ml = KeyPhases(0, round(_SYSTOLE * n_phases)), np.zeros(n_phases)
    return CineAnalysis(
        study_uid=study.study_uid,
        patient=patient,
        measurements=(),
        findings=(*cine.findings, *unreadable_findings(study), _to_be_set(phases)),
        subject=subject_of(cine, reports_of(study)),
        cine=cine,
        segmentation=CineSegmentation.empty(cine.stack.shape, cine.stack.geometry),
        phases=phases,
        lv_curve_ml=no_volume_ml,
        rv_curve_ml=no_volume_ml,
        model=ModelIdentity.of_hand(__version__),
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
    )


def _to_be_set(phases: KeyPhases) -> Finding:
    message = say(
        "Draw both ventricles at end-diastole and end-systole: with Redraw a closed stroke is a contour. Set "
        "these phases before: nothing was measured, and end-diastole stands at phase {ed} and end-systole at "
        "phase {es}.",
        ed=phases.end_diastole + 1,
        es=phases.end_systole + 1,
    )
    places = (Place(phase=phases.end_diastole), Place(phase=phases.end_systole))
    return Finding("phases_to_be_set", Severity.INFO, message, places)
