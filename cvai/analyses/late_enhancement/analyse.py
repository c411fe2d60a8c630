"""One stack of late enhancement, in one straight line.

::

    Study -> images selected -> stack -> labels -> shares, masses, rules -> findings -> EnhancementAnalysis
                            -> one phase of the cine -> septum -> segments
"""

from __future__ import annotations

from cvai import __version__
from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.analyses.late_enhancement.by_hand import opened_enhancement
from cvai.analyses.late_enhancement.guide import compared, guide_of, labelled_cine
from cvai.analyses.late_enhancement.measure import measured
from cvai.analyses.late_enhancement.segmenter import EnhancementSegmenter
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.cine.content import check_content
from cvai.dicom.read.enhancement.assemble import assemble_enhancement
from cvai.dicom.read.enhancement.finder import images_of, select_late_enhancement
from cvai.dicom.read.values import Study
from cvai.dicom.read.whole import require_readable
from cvai.domain.tissue.labelled import LabelledSlices
from cvai.domain.uncertainty import Uncertainty


def analyse_enhancement(
    study: Study, segmenter: EnhancementSegmenter, watch: Stopwatch
) -> EnhancementAnalysis:
    """Select, assemble, segment, measure and judge one study, or open it for a reader to draw on.

    Raises:
        Refused: the study cannot be measured honestly.
    """
    with watch.stage("select"):
        patient = study.patient()
        selection = select_late_enhancement(study)
        require_readable(study, images_of(selection))
    with watch.stage("assemble"):
        stack = assemble_enhancement(selection)
        check_content(stack.stack.stored)
    with watch.inference():
        cine = labelled_cine(selection, segmenter.cine)
        guide = guide_of(cine, stack.stack.geometry)
        if study.is_read_by_hand:
            return opened_enhancement(study, stack, guide, watch.timings_ms)
        labelled = segmenter.slices.segment(stack.stack.phase(0))
    with watch.stage("measure"):
        labels = labelled.labels
        found = measured(study, stack, labels, guide, _known(segmenter.slices.uncertainty, labelled))
        found["findings"] += compared(labels, stack.stack.geometry, cine)
    return EnhancementAnalysis(
        **found,
        study_uid=study.study_uid,
        patient=patient,
        stack=stack,
        labels=labels,
        guide=guide,
        cine_model="" if isinstance(cine, str) else cine.model,
        model=segmenter.identity,
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
    )


def _known(known: Uncertainty | None, labelled: LabelledSlices) -> Uncertainty | None:
    """Half-widths of this patient, where the network shows what it leaves open."""
    if known is None or labelled.infarct_open_percent is None:
        return known
    return known.at_doubts({"infarct_share": labelled.infarct_open_percent})
