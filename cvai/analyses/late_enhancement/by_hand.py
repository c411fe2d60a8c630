"""Late enhancement that the software refused, opened for a reader to draw on: nothing is measured before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cvai import __version__
from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import subject_of
from cvai.dicom.read.values import AssembledCine, Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.tissue.segments import CineGuide

REFUSALS = frozenset({"heart_not_found", "no_short_axis"})
"""Codes of what is refused for the model's contours."""


def opened_enhancement(
    study: Study, stack: AssembledCine, guide: CineGuide | str, timings_ms: Mapping[str, float]
) -> EnhancementAnalysis:
    """The stack that would have been measured, without contours and numbers."""
    return EnhancementAnalysis(
        study_uid=study.study_uid,
        patient=study.patient(),
        measurements=(),
        findings=(*stack.findings, *unreadable_findings(study)),
        subject=subject_of(stack, reports_of(study)),
        stack=stack,
        labels=np.zeros(stack.stack.shape[1:], dtype=np.uint8),
        guide=guide,
        model=ModelIdentity.of_hand(__version__),
        cvai_version=__version__,
        timings_ms=timings_ms,
    )
