"""Narrowings of the coronary arteries from runs of X-ray angiography."""

from __future__ import annotations

from cvai.analyses.coronary.analyse import MOST_RUNS, analyse_coronary
from cvai.analyses.coronary.analysis import KIND, CoronaryAnalysis
from cvai.analyses.coronary.arrays import segment_angiogram
from cvai.analyses.coronary.by_hand import REFUSALS
from cvai.analyses.coronary.contoured import EXTRAS, NUMBERS, contoured
from cvai.analyses.coronary.explain import explain_runs
from cvai.analyses.coronary.given import PLACES
from cvai.analyses.coronary.marks import preview_of_runs
from cvai.analyses.coronary.objects import FIRST_SERIES_NUMBER, SEGMENTS, SERIES, document, drawn, seg_kind
from cvai.analyses.coronary.page import COMPARED, HEADLINE, PAGE, SCORES
from cvai.analyses.coronary.reading import ReopenedRuns, labels_of, remeasured_runs, reopen_runs
from cvai.analyses.coronary.report import coronary_report_pdf
from cvai.analyses.coronary.tree import VesselModel
from cvai.analyses.coronary.views import view_key
from cvai.analyses.spec import Accuracy, AnalysisSpec, Choosable, Editing
from cvai.dicom.read.angiography.runs import ANGIOGRAPHY_CLASSES
from cvai.dicom.write.plan import ResultPlan
from cvai.models.coronary import CoronarySegmenter

SPEC: AnalysisSpec[VesselModel, ReopenedRuns, CoronaryAnalysis] = AnalysisSpec(
    kind=KIND,
    title="Coronary angiography",
    modality="XA",
    sop_classes=ANGIOGRAPHY_CLASSES,
    views={
        KIND: "Coronary arteries",
        f"{KIND}_left": "Left coronary artery",
        f"{KIND}_right": "Right coronary artery",
    },
    model="coronary",
    card_view="coronary",
    load=CoronarySegmenter.load,
    explain=explain_runs,
    analyse=analyse_coronary,
    segment=segment_angiogram,
    results=ResultPlan(
        title="Coronary angiography: narrowings",
        first_series_number=FIRST_SERIES_NUMBER,
        series=SERIES,
        drawn=drawn,
        document=document,
        report=coronary_report_pdf,
        contoured=contoured,
        extras=EXTRAS,
        numbers=NUMBERS,
    ),
    reopen=reopen_runs,
    editing=Editing(
        {view_key(n): seg_kind(n) for n in range(1, MOST_RUNS + 1)},
        SEGMENTS,
        labels_of,
        remeasured_runs,
        preview=preview_of_runs,
        scores=SCORES,
        places=PLACES,
        has_beats=False,
    ),
    headline=HEADLINE,
    compared=COMPARED,
    accuracy=(
        Accuracy("F1 of stenoses", ("stenosis_f1", "value")),
        Accuracy("Dice of vessels", ("vessel_dice", "value")),
    ),
    page=PAGE,
    choosable=Choosable(what="frame", by_hand=REFUSALS),
)
