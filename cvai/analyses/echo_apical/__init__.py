"""Volumes and ejection fraction of the left ventricle from apical loops of ultrasound."""

from __future__ import annotations

from cvai.analyses.echo_apical.analyse import analyse_echo
from cvai.analyses.echo_apical.analysis import BIPLANE, KIND, EchoAnalysis
from cvai.analyses.echo_apical.arrays import segment_loop
from cvai.analyses.echo_apical.by_hand import REFUSALS
from cvai.analyses.echo_apical.codes import VIEW_TITLES
from cvai.analyses.echo_apical.contoured import EXTRAS, NUMBERS, contoured
from cvai.analyses.echo_apical.echo_reports import ECHO_REPORTS
from cvai.analyses.echo_apical.explain import explain_loops
from cvai.analyses.echo_apical.objects import (
    FIRST_SERIES_NUMBER,
    LOOP_KINDS,
    SEGMENTS,
    SERIES,
    document,
    drawn,
)
from cvai.analyses.echo_apical.page import COMPARED, HEADLINE, PAGE, preview_of_loops, redrawn_loops
from cvai.analyses.echo_apical.reading import ReopenedLoops, labels_of, remeasured_loops, reopen_loops
from cvai.analyses.echo_apical.report import echo_report_pdf
from cvai.analyses.echo_apical.still import still_of
from cvai.analyses.spec import Accuracy, AnalysisSpec, Choosable, Editing
from cvai.dicom.read.classes import ULTRASOUND_IMAGES
from cvai.dicom.write.plan import ResultPlan
from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.views import EchoView
from cvai.models.echo import EchoSegmenter

SPEC: AnalysisSpec[EchoSegmenter, ReopenedLoops, EchoAnalysis] = AnalysisSpec(
    kind=KIND,
    title="Apical echocardiography",
    modality="US",
    sop_classes=ULTRASOUND_IMAGES,
    views={
        EchoView.APICAL_4_CHAMBER.value: "Echo, four chambers",
        EchoView.APICAL_2_CHAMBER.value: "Echo, two chambers",
        BIPLANE: "Echo, biplane",
    },
    model="echo",
    card_view="echo",
    load=EchoSegmenter.load,
    explain=explain_loops,
    analyse=analyse_echo,
    segment=segment_loop,
    results=ResultPlan(
        title="Echocardiography: left ventricular function",
        first_series_number=FIRST_SERIES_NUMBER,
        series=SERIES,
        drawn=drawn,
        document=document,
        report=echo_report_pdf,
        contoured=contoured,
        extras=EXTRAS,
        numbers=NUMBERS,
        echo_reports=ECHO_REPORTS,
    ),
    reopen=reopen_loops,
    editing=Editing(
        {view.value: kind for view, kind in LOOP_KINDS.items()},
        SEGMENTS,
        labels_of,
        remeasured_loops,
        redrawn_loops,
        preview_of_loops,
        needs_factors=True,
    ),
    headline=HEADLINE,
    labels={structure.value: label for structure, label in ECHO_LABELS.items()},
    compared=COMPARED,
    accuracy=(
        Accuracy("biplane LVEF, mean error (points)", ("ejection_fraction", "biplane", "mae", "value"), 1),
        Accuracy("Dice of the LV cavity, ED", ("dice", "ED", "lv_cavity", "value")),
    ),
    page=PAGE,
    choosable=Choosable(
        still_of,
        what="loop",
        views={view.value: title for view, title in VIEW_TITLES.items()},
        by_hand=REFUSALS,
    ),
)
