"""Ventricular volumes, function and wall from a short-axis cine of MR."""

from __future__ import annotations

from cvai.analyses.cine_sax.analyse import analyse_cine
from cvai.analyses.cine_sax.analysis import KIND, VIEW, CineAnalysis
from cvai.analyses.cine_sax.arrays import segment_cine
from cvai.analyses.cine_sax.by_hand import REFUSALS
from cvai.analyses.cine_sax.contoured import EXTRAS, NUMBERS, contoured
from cvai.analyses.cine_sax.explain import explain_cine
from cvai.analyses.cine_sax.objects import FIRST_SERIES_NUMBER, SEGMENTS, SERIES, CineKind, document, drawn
from cvai.analyses.cine_sax.page import COMPARED, HEADLINE, PAGE, SCORES
from cvai.analyses.cine_sax.reading import ReopenedCine, labels_of, remeasured_cine, reopen_cine
from cvai.analyses.cine_sax.report import report_pdf
from cvai.analyses.spec import STACK, Accuracy, AnalysisSpec, Choosable, Editing
from cvai.dicom.read.classes import MR_IMAGES
from cvai.dicom.read.enhancement.presence import may_hold_cine
from cvai.dicom.read.pixels.still import still_of_series
from cvai.dicom.write.plan import ResultPlan
from cvai.domain.anatomy import SAX_LABELS
from cvai.models.sax import SaxSegmenter

SPEC: AnalysisSpec[SaxSegmenter, ReopenedCine, CineAnalysis] = AnalysisSpec(
    kind=KIND,
    title="Short-axis cine MR",
    modality="MR",
    sop_classes=MR_IMAGES,
    views={VIEW: "MR short axis"},
    model="sax",
    card_view="sax_cine",
    load=SaxSegmenter.load,
    explain=explain_cine,
    analyse=analyse_cine,
    segment=segment_cine,
    results=ResultPlan(
        title="Cardiac MR: ventricular volumes and function",
        first_series_number=FIRST_SERIES_NUMBER,
        series=SERIES,
        drawn=drawn,
        document=document,
        report=report_pdf,
        contoured=contoured,
        extras=EXTRAS,
        numbers=NUMBERS,
    ),
    reopen=reopen_cine,
    editing=Editing({STACK: CineKind.CINE}, SEGMENTS, labels_of, remeasured_cine, scores=SCORES),
    headline=HEADLINE,
    labels={structure.value: label for structure, label in SAX_LABELS.items()},
    compared=COMPARED,
    accuracy=(
        Accuracy("LVEF, mean error (points)", ("agreement", "lv_ef", "mae", "value"), 1),
        Accuracy("Dice of the LV cavity, ED", ("dice", "ED", "lv_cavity", "mean")),
        Accuracy("Dice of the RV cavity, ED", ("dice", "ED", "rv_cavity", "mean")),
    ),
    page=PAGE,
    choosable=Choosable(still_of_series, by_hand=REFUSALS),
    concerns=may_hold_cine,
)
