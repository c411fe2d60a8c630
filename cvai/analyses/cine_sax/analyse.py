"""One short-axis cine, in one straight line.

::

    Study -> cine selected -> CineStack -> labels -> phases, volumes, EF -> findings -> CineAnalysis
"""

from __future__ import annotations

from collections.abc import Sequence
from traceback import clear_frames

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.by_hand import opened_cine
from cvai.analyses.cine_sax.choice import in_order
from cvai.analyses.cine_sax.measure import measured
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import CineSelection, select_sax_cine
from cvai.dicom.read.cine.content import check_content, check_grey
from cvai.dicom.read.values import Study
from cvai.dicom.read.whole import require_readable
from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say
from cvai.domain.phases import key_phases
from cvai.domain.ventricles.brightness import require_steady_brightness
from cvai.domain.ventricles.doubt import require_like_training
from cvai.domain.ventricles.short_axis import require_short_axis
from cvai.domain.volumes import volume_curves_ml
from cvai.errors import GeometryRefused, HeartRefused, Refused
from cvai.models.segmenter import Segmenter


def analyse_cine(study: Study, segmenter: Segmenter, watch: Stopwatch) -> CineAnalysis:
    """Select, assemble, segment, measure and judge one study, or open it for a reader to draw on.

    Where the stack that was preferred turns out not to be a short-axis cine, the next one is tried; a damaged
    file is no reason to measure something else.

    Raises:
        Refused: the study cannot be measured honestly; of several stacks, as the preferred one was refused.
    """
    if study.is_read_by_hand:
        return opened_cine(study, watch)
    with watch.stage("select"):
        study.patient()  # refused before anything is measured
        preferred = select_sax_cine(study)
    refusals: list[Refused] = []
    for selection in in_order(preferred, segmenter, watch):
        try:
            return _analysis(study, selection, refusals, segmenter, watch)
        except (GeometryRefused, HeartRefused) as refusal:
            clear_frames(refusal.__traceback__)  # they hold the stack, and the next one needs its room
            refusals.append(refusal)
    raise refusals[0]


def _replaced(refusals: Sequence[Refused]) -> tuple[Finding, ...]:
    """What is to be said of a stack that is measured since another was refused."""
    if not refusals:
        return ()
    message = say(
        "The stack that was preferred could not be measured ({code}: {reason}) Another one of the study was.",
        code=refusals[0].code,
        reason=refusals[0].message,
    )
    return (Finding("preferred_stack_refused", Severity.WARNING, message),)


def _analysis(
    study: Study,
    selection: CineSelection,
    refusals: Sequence[Refused],
    segmenter: Segmenter,
    watch: Stopwatch,
) -> CineAnalysis:
    require_readable(study, selection.planes)
    with watch.stage("assemble"):
        cine = assemble_cine(selection)
        check_content(cine.stack.stored)
        check_grey(cine.stack.phase(0))
    with watch.inference():
        segmentation = segmenter.segment(cine.stack)
    with watch.stage("measure"):
        curves_ml = volume_curves_ml(segmentation)
        lv_curve_ml = curves_ml[Structure.LV_CAVITY]
        _require_a_ventricle_in_every_phase(lv_curve_ml)
        phases = key_phases(lv_curve_ml)
        require_short_axis(segmentation, phases)
        require_steady_brightness(cine.stack, segmentation)
        require_like_training(segmenter.uncertainty, segmentation, phases)
        found = measured(
            study,
            cine,
            segmentation,
            phases,
            curves_ml=curves_ml,
            known=segmenter.uncertainty,
            first_findings=_replaced(refusals),
        )
        return CineAnalysis(
            **found,
            study_uid=study.study_uid,
            patient=study.patient(),
            cine=cine,
            segmentation=segmentation,
            phases=phases,
            model=segmenter.identity,
            cvai_version=__version__,
            timings_ms=watch.timings_ms,
        )


def _require_a_ventricle_in_every_phase(lv_curve_ml: NDArray[np.float64]) -> None:
    empty = int(np.count_nonzero(lv_curve_ml == 0))
    if empty:
        raise HeartRefused(
            "heart_lost",
            say(
                "No left ventricle was found in {empty} of {n_phases} phases.",
                empty=empty,
                n_phases=lv_curve_ml.size,
            ),
            say("Look at these phases; if the heart is there, measure this study by hand."),
        )
