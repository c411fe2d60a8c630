"""An analysis as small as one can be: the area of bright blood in the middle slice of a cine, by a threshold.

It is an example of how an analysis is added, and no measurement that anybody should use;
docs/howto/extending.md goes through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.coding import Code
from scipy import ndimage

from cvai import __version__
from cvai.analyses.page import Curve, CurveLine, Headline, Layer
from cvai.analyses.shown import ShownStack
from cvai.analyses.spec import STACK, AnalysisSpec, Correction, Editing, Explanation, Model, PageSpec
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.classes import MR_IMAGES
from cvai.dicom.read.values import AssembledCine, ImagePlane, Study
from cvai.dicom.write import codes
from cvai.dicom.write.analysis import Analysed, Verification
from cvai.dicom.write.codes import MeasurementCoding
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.objects.labels import read_labels
from cvai.dicom.write.plan import (
    DocumentPlan,
    DrawnSegments,
    ResultPlan,
    Segment,
    SiteGroup,
    document_series,
    segmentation_series,
)
from cvai.dicom.write.report.document import LEFT, draw_findings, draw_footer, draw_heading
from cvai.dicom.write.report.page import Page
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import ModelIdentity
from cvai.errors import HeartRefused

KIND, SEG = "cavity_area", "seg_blood"
BLOOD, COLOUR = Segment(1, "Bright blood", codes.LEFT_VENTRICLE, (213, 94, 0)), "#ff7a1a"
AREA = MeasurementCoding(Code("42798000", "SCT", "Area"), codes.HEART, words="bright blood, middle slice")
FINDING = Finding("example", Severity.WARNING, "An example of an analysis: a threshold knows no anatomy.")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AreaAnalysis(Analysed):
    """What was measured."""

    cine: AssembledCine
    labels: NDArray[np.uint8]

    @property
    def kind(self) -> str:
        """As the registry names it."""
        return KIND

    @property
    def view(self) -> str:
        """As in result.json."""
        return KIND

    @property
    def images(self) -> AssembledCine:
        """The source images."""
        return self.cine

    @property
    def key_frames(self) -> dict[str, int]:
        """The phase that is measured, and the one in which there is least."""
        areas = np.count_nonzero(self.labels, axis=(1, 2, 3))
        return {"ed": int(areas.argmax()), "es": int(areas.argmin())}

    @property
    def curves(self) -> dict[str, list[float] | None]:
        """None."""
        return {"time_ms": None}

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes."""
        return {"blood_area": AREA}[name]


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedArea:
    """An analysed study opened again."""

    study: Study
    cine: AssembledCine
    labels: NDArray[np.uint8]

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(z) the images that were measured."""
        return self.cine.planes


def explain(study: Study) -> Explanation:
    """What would be measured."""
    cine = assemble_cine(select_sax_cine(study))
    return Explanation(f"the middle slice of series {cine.series_uid}", (), cine.findings, cine.excluded)


def analyse(study: Study, model: Model, watch: Stopwatch) -> AreaAnalysis:
    """Select, assemble, label, measure."""
    with watch.stage("select"):
        selection = select_sax_cine(study)
    with watch.stage("assemble"):
        cine = assemble_cine(selection)
    with watch.inference():
        labels = bright_blood(cine)
    return measured(study, cine, labels, model.identity)


def bright_blood(cine: AssembledCine) -> NDArray[np.uint8]:
    """(t, z, y, x) labels of the largest bright piece of the middle slice."""
    stack = cine.stack
    labels = np.zeros(stack.shape, np.uint8)
    z = stack.shape[1] // 2
    for t in range(stack.n_phases):
        image = stack.frame(t, z)
        pieces, count = ndimage.label(image > np.quantile(image, 0.9))
        if count:
            labels[t, z] = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
    if not labels.any():
        raise HeartRefused("heart_not_found", "Nothing bright was found.", "Look at the images.")
    return labels


def measured(
    study: Study,
    cine: AssembledCine,
    labels: NDArray[np.uint8],
    model: ModelIdentity,
    verification: Verification | None = None,
) -> AreaAnalysis:
    """What the labels measure, whoever drew them."""
    geometry = cine.stack.geometry
    pixels = int(np.count_nonzero(labels, axis=(1, 2, 3)).max())
    area_cm2 = pixels * geometry.spacing_y_mm * geometry.spacing_x_mm / 100
    return AreaAnalysis(
        study_uid=study.study_uid,
        patient=study.patient(),
        measurements=(Measurement("blood_area", area_cm2, "cm2"),),
        findings=(FINDING, *cine.findings),
        model=model,
        cvai_version=__version__,
        timings_ms={},
        verification=verification,
        cine=cine,
        labels=labels,
    )


def reopen(study: Study, files: Mapping[str, Path]) -> ReopenedArea:
    """The images, and the labels that were stored."""
    cine = assemble_cine(select_sax_cine(study))
    return ReopenedArea(study, cine, read_labels(files[SEG], cine.planes, [BLOOD]))


def shown(reopened: ReopenedArea) -> ShownStack:
    """What the page shows."""
    return ShownStack(reopened.cine, reopened.labels)


def labels_of(reopened: ReopenedArea) -> dict[str, NDArray[np.uint8]]:
    """(t, z, y, x) as they were drawn."""
    return {STACK: reopened.labels}


def remeasured(reopened: ReopenedArea, correction: Correction) -> AreaAnalysis:
    """The analysis as a reader left it."""
    return measured(
        reopened.study, reopened.cine, correction.labels[STACK], correction.model, correction.verification
    )


def drawn(analysis: AreaAnalysis) -> tuple[DrawnSegments, ...]:
    """One segmentation, of every phase."""
    stack = analysis.cine.stack
    phases = range(len(analysis.labels))
    return (
        DrawnSegments(
            SEG,
            "cine",
            analysis.labels,
            (BLOOD,),
            analysis.cine.planes,
            phases,
            stack.geometry,
            has_time=True,
        ),
    )


def document(_: AreaAnalysis) -> DocumentPlan:
    """One group with one number."""
    group = SiteGroup("Area of bright blood", codes.HEART, ("blood_area",))
    return DocumentPlan(codes.CARDIAC_MRI, codes.MAGNETIC_RESONANCE, evidence=(SEG,), sites=(group,))


def report(context: ResultContext[AreaAnalysis]) -> bytes:
    """One line."""
    page, (area,) = Page(f"cvai report: {context.plan.title.lower()}"), context.analysis.measurements
    draw_heading(page, context, "the middle slice of the short-axis cine")
    page.text(LEFT, 60, f"Area: {area.value:.1f} cm²", 12)
    draw_findings(page, context.analysis.findings)
    draw_footer(page, context)
    return page.pdf()


SPEC: AnalysisSpec[Model, ReopenedArea, AreaAnalysis] = AnalysisSpec(
    kind=KIND,
    title="Area of bright blood (example)",
    modality="MR",
    sop_classes=MR_IMAGES,
    views={KIND: "MR bright blood"},
    model=None,
    card_view="",
    load=None,
    explain=explain,
    analyse=analyse,
    segment=None,
    results=ResultPlan(
        title="Example: area of bright blood",
        first_series_number=9021,
        series={SEG: segmentation_series("bright blood", 0, "seg_blood.dcm"), **document_series(1, 2)},
        drawn=drawn,
        document=document,
        report=report,
    ),
    reopen=reopen,
    editing=Editing({STACK: SEG}, (BLOOD,), labels_of, remeasured),
    headline=Headline("blood_area", "Area of bright blood", "Blood", "cm²"),
    compared=("blood_area",),
    page=PageSpec(
        viewer="stack",
        shown=shown,
        layers=(Layer("blood", "Bright blood", COLOUR, (BLOOD.number,)),),
        curve=Curve("Area over the beat", "area", (CurveLine(BLOOD.number, COLOUR),)),
        note="An example: nobody should use this number.",
    ),
)
