"""Infarct and no-reflow from short-axis late enhancement of MR."""

from __future__ import annotations

from cvai.analyses.late_enhancement.analyse import analyse_enhancement
from cvai.analyses.late_enhancement.analysis import KIND, VIEW, EnhancementAnalysis
from cvai.analyses.late_enhancement.arrays import segment_slices
from cvai.analyses.late_enhancement.by_hand import REFUSALS
from cvai.analyses.late_enhancement.contoured import EXTRAS, NUMBERS, contoured
from cvai.analyses.late_enhancement.explain import explain_enhancement
from cvai.analyses.late_enhancement.objects import FIRST_SERIES_NUMBER, SEG, SEGMENTS, SERIES, document, drawn
from cvai.analyses.late_enhancement.page import COMPARED, HEADLINE, PAGE
from cvai.analyses.late_enhancement.reading import (
    ReopenedEnhancement,
    labels_of,
    remeasured_enhancement,
    reopen_enhancement,
)
from cvai.analyses.late_enhancement.report import enhancement_report_pdf
from cvai.analyses.late_enhancement.segmenter import EnhancementSegmenter
from cvai.analyses.spec import STACK, Accuracy, AnalysisSpec, Choosable, Editing
from cvai.dicom.read.classes import MR_IMAGES
from cvai.dicom.read.enhancement.presence import may_hold_late_enhancement
from cvai.dicom.read.pixels.still import still_of_series
from cvai.dicom.write.plan import ResultPlan
from cvai.domain.anatomy import LGE_LABELS

SPEC: AnalysisSpec[EnhancementSegmenter, ReopenedEnhancement, EnhancementAnalysis] = AnalysisSpec(
    kind=KIND,
    title="Late enhancement MR",
    modality="MR",
    sop_classes=MR_IMAGES,
    views={VIEW: "MR late enhancement"},
    model="lge",
    card_view="lge",
    load=EnhancementSegmenter.load,
    explain=explain_enhancement,
    analyse=analyse_enhancement,
    segment=segment_slices,
    results=ResultPlan(
        title="Cardiac MR: late enhancement",
        first_series_number=FIRST_SERIES_NUMBER,
        series=SERIES,
        drawn=drawn,
        document=document,
        report=enhancement_report_pdf,
        contoured=contoured,
        extras=EXTRAS,
        numbers=NUMBERS,
    ),
    reopen=reopen_enhancement,
    editing=Editing({STACK: SEG}, SEGMENTS, labels_of, remeasured_enhancement),
    headline=HEADLINE,
    labels={structure.value: label for structure, label in LGE_LABELS.items()},
    compared=COMPARED,
    accuracy=(
        Accuracy("infarct, mean error (points)", ("infarct_share_percent", "mae", "value"), 1),
        Accuracy("Dice of the infarct", ("dice", "infarct", "value")),
    ),
    page=PAGE,
    choosable=Choosable(still_of_series, by_hand=REFUSALS),
    concerns=may_hold_late_enhancement,
)
