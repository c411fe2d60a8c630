"""The measurements of an ultrasound study as a Comprehensive 3D SR document, TID 1500 Measurement Report."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom import sr
from pydicom import Dataset

from cvai.heart.findings import Severity
from cvai.results import codes
from cvai.results.echo_analysis import EchoAnalysis
from cvai.results.echo_codes import ECHOCARDIOGRAPHY, IMAGE_VIEW, ULTRASOUND, VIEW_CODES, echo_coding
from cvai.results.echo_seg import LOOP_KINDS
from cvai.results.instance import SERIES, AnyContext, new_instance
from cvai.results.number import number_items
from cvai.results.source import SourceImage, series_references, verbatim_element
from cvai.results.sr import (
    FunctionGroup,
    Supersedes,
    add_verification,
    algorithm,
    disclaimer,
    finding_text,
    image_library,
    observer,
    predecessor,
)
from cvai.results.uids import ResultKind

DISC_HEIGHT = (
    "Method of discs, 20 discs; all discs of all views and phases have the height of the longest long axis "
    "over 20. Ejection fractions with a height for each phase are about 8 points higher."
)

GROUPS = (
    FunctionGroup("Left ventricular function", codes.LEFT_VENTRICLE, ("lv_ef", "lv_edv", "lv_esv")),
    FunctionGroup(
        "Left ventricular output", codes.LEFT_VENTRICLE, ("lv_sv", "lv_sv_index", "lv_co", "lv_co_index")
    ),
    FunctionGroup("Heart rate", codes.HEART, ("heart_rate",), of_model=False),
    FunctionGroup("Body size", codes.ENTIRE_BODY, ("bsa",), of_model=False),
)
"""Indexed volumes by discs have codes for two views only and stand in result.json alone."""


def echo_document(
    context: AnyContext, analysis: EchoAnalysis, supersedes: Sequence[Supersedes] = ()
) -> Dataset:
    """Structured report of an analysis; it refers to the segmentations of the same context."""
    document = new_instance(context, ResultKind.SR)
    withheld = any(f.severity is Severity.WITHHELD for f in analysis.findings)
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    document.CompletionFlag = "PARTIAL" if withheld else "COMPLETE"
    add_verification(document, analysis.verification)
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(context, analysis)]
    if supersedes:
        document.PredecessorDocumentsSequence = [predecessor(earlier) for earlier in supersedes]
    for element in _content(context, analysis)[0]:
        document.add(element)
    return document


def _evidence(context: AnyContext, analysis: EchoAnalysis) -> Dataset:
    kinds = [LOOP_KINDS[loop.view] for loop in analysis.loops]
    segmentations = [
        SourceImage(
            SERIES[kind].sop_class_uid, context.uids.sop_instance(kind), context.uids.series(kind), None
        )
        for kind in kinds
    ]
    item = Dataset()
    item.add(verbatim_element("StudyInstanceUID", analysis.study_uid))
    item.ReferencedSeriesSequence = series_references(
        [*context.all_sources, *segmentations], "ReferencedSOPSequence"
    )
    return item


def _content(context: AnyContext, analysis: EchoAnalysis) -> sr.MeasurementReport:
    groups = (_group(context, analysis, group) for group in GROUPS)
    report = sr.MeasurementReport(
        observation_context=observer(context),
        procedure_reported=ECHOCARDIOGRAPHY,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(codes.ENGLISH),
        imaging_measurements=[group for group in groups if group is not None],
    )
    items = report[0].ContentSequence
    measurements = items.pop()
    for item in (image_library(context, ULTRASOUND), measurements, _evaluations(analysis)):
        items.append(item)
    return report


def _group(
    context: AnyContext, analysis: EchoAnalysis, group: FunctionGroup
) -> sr.MeasurementsAndQualitativeEvaluations | None:
    """TID 1501; left out where nothing of it was measured."""
    numbers = number_items(analysis, group.names, coded=echo_coding(analysis.view))
    if not numbers:
        return None
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=context.uids.tracking(group.title), identifier=group.title
        ),
        finding_sites=[sr.FindingSite(anatomic_location=group.site)],
        algorithm_id=algorithm(context) if group.of_model else None,
        measurements=numbers,
    )


def _evaluations(analysis: EchoAnalysis) -> sr.ContainerContentItem:
    """Views, comments and findings, where TID 1500 has its qualitative evaluations."""
    contains = sr.RelationshipTypeValues.CONTAINS
    container = sr.ContainerContentItem(name=codes.QUALITATIVE_EVALUATIONS, relationship_type=contains)
    views = [
        sr.CodeContentItem(name=IMAGE_VIEW, value=VIEW_CODES[loop.view], relationship_type=contains)
        for loop in analysis.loops
    ]
    remarks = (disclaimer(analysis.verification), DISC_HEIGHT, analysis.correction)
    comments = [(codes.COMMENT, remark) for remark in remarks if remark is not None]
    texts = [(codes.FINDING, finding_text(finding)) for finding in analysis.findings]
    container.ContentSequence = sr.ContentSequence(
        [
            *views,
            *(
                sr.TextContentItem(name=name, value=text, relationship_type=contains)
                for name, text in (*comments, *texts)
            ),
        ]
    )
    return container
