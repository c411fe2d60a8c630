"""The measurements as a Comprehensive 3D SR document, TID 1500 Measurement Report.

One measurement group for every structure and phase that was segmented, with a reference to the segment it
was counted in, and one group for what follows from both phases of a ventricle. The document stays UNVERIFIED
until a reader signs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from highdicom import sr
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from cvai.dicom.read.patient import MANUFACTURER
from cvai.dicom.write import codes
from cvai.dicom.write.analysis import Analysed, AnyAnalysed, Verification
from cvai.dicom.write.entered import ENTERED_CODINGS
from cvai.dicom.write.impression import impression_origin
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext, new_instance
from cvai.dicom.write.objects.encoded import (
    encoded,
    encoded_dataset,
    encoded_item,
    encoded_sequence,
    put_sequence,
)
from cvai.dicom.write.objects.number import grade_items, number_items
from cvai.dicom.write.objects.seg import tracking_id
from cvai.dicom.write.plan import DocumentPlan, ResultKind, SegmentGroup, SiteGroup
from cvai.dicom.write.report.bounds import interval_note
from cvai.dicom.write.source import (
    SourceImage,
    encoded_code,
    instance_reference,
    series_references,
    verbatim_element,
)
from cvai.dicom.write.uids import derived_uid, device_uid
from cvai.domain.findings import Finding, Severity
from cvai.domain.impression import Impression
from cvai.domain.reported import ReportedValue
from cvai.domain.subject import Entered

STAND_IN_UID = derived_uid("stand-in")
"""Handed to highdicom where a source UID belongs, which it would check; the real one replaces it."""

DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured automatically by software that is no medical device, "
    "and not verified by a reader."
)
VERIFIED_DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured by software that is no medical device, and verified by a reader."
)
MEASUREMENT_REPORT, ECHO_REPORT = "126000", "125200"
"""Document titles (DCM) that tell documents of one class apart: of TID 1500, and of TID 5200 and 5300."""

DRAWN_DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured by software that is no medical device, within contours that a reader "
    "has drawn and verified; no model has drawn any of them."
)

CORRECTED_DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured by software that is no medical device, with contours, phases or "
    "grades that a reader has corrected, and verified by that reader."
)


@dataclass(frozen=True, slots=True)
class Supersedes:
    """An earlier document of cvai that a new one of its class and title takes the place of."""

    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str = Comprehensive3DSRStorage
    title: str = MEASUREMENT_REPORT


def measurement_document(
    context: ResultContext[AnyAnalysed], supersedes: Sequence[Supersedes] = ()
) -> Dataset:
    """Structured report of an analysis; it refers to the segmentations of the same context."""
    plan = context.plan.document(context.analysis)
    document = new_instance(context, ResultKind.SR)
    add_document_general(
        document, context, [*context.all_sources, *_segmentations(context, plan)], supersedes
    )
    for element in _content(context, plan)[0]:
        document.add(element)
    return document


def add_document_general(
    document: Dataset,
    context: ResultContext[AnyAnalysed],
    evidence: Iterable[SourceImage],
    supersedes: Iterable[Supersedes],
    title: str = MEASUREMENT_REPORT,
) -> None:
    """SR Document Series and SR Document General (PS3.3 sections C.17.1 and C.17.2).

    Args:
        document: to be completed, with its class.
        context: of the results.
        evidence: every instance that the document refers to.
        supersedes: of which those of its class and title become its predecessors.
        title: code value of its title.
    """
    analysis = context.analysis
    withheld = any(f.severity is Severity.WITHHELD for f in analysis.findings)
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    # Only what is complete may be verified: a reader who signs has seen that a number is withheld.
    document.CompletionFlag = "PARTIAL" if withheld and analysis.verification is None else "COMPLETE"
    add_verification(document, analysis.verification)
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(context, evidence)]
    own = (document.SOPClassUID, title)
    if earlier := [former for former in supersedes if (former.sop_class_uid, former.title) == own]:
        document.PredecessorDocumentsSequence = [predecessor(former) for former in earlier]


def add_verification(document: Dataset, verification: Verification | None) -> None:
    """Whether a reader has signed it, and who (PS3.3 table C.17-2)."""
    document.VerificationFlag = "UNVERIFIED" if verification is None else "VERIFIED"
    document.PreliminaryFlag = "PRELIMINARY" if verification is None else "FINAL"
    if verification is not None:
        observer = Dataset()
        observer.VerifyingObserverName = verification.name
        observer.VerifyingObserverIdentificationCodeSequence = []
        observer.VerifyingOrganization = verification.organization
        observer.VerificationDateTime = verification.at.strftime("%Y%m%d%H%M%S%z")
        document.VerifyingObserverSequence = [observer]


def _segmentations(context: ResultContext[AnyAnalysed], plan: DocumentPlan) -> list[SourceImage]:
    """The segmentations that the document refers to."""
    uids, series = context.uids, context.plan.series
    return [
        SourceImage(series[kind].sop_class_uid, uids.sop_instance(kind), uids.series(kind), None)
        for kind in plan.evidence
    ]


def _evidence(context: ResultContext[AnyAnalysed], evidence: Iterable[SourceImage]) -> Dataset:
    item = Dataset()
    item.add(verbatim_element("StudyInstanceUID", context.analysis.study_uid))
    item.ReferencedSeriesSequence = series_references(evidence, "ReferencedSOPSequence")
    return item


def predecessor(earlier: Supersedes) -> Dataset:
    """Item of the Predecessor Documents Sequence."""
    series = Dataset()
    series.add(verbatim_element("SeriesInstanceUID", earlier.series_uid))
    series.ReferencedSOPSequence = [instance_reference(earlier.sop_class_uid, earlier.sop_instance_uid)]
    study = Dataset()
    study.add(verbatim_element("StudyInstanceUID", earlier.study_uid))
    study.ReferencedSeriesSequence = [series]
    return study


def _content(context: ResultContext[AnyAnalysed], plan: DocumentPlan) -> sr.MeasurementReport:
    model = algorithm(context)
    sites = (_site_group(context, group, model) for group in plan.sites)
    groups = [
        *(_segment_group(context, group, model) for group in plan.segments),
        *(group for group in sites if group is not None),
    ]
    library = image_library(context.all_sources, plan.modality)
    report = report_content(context, plan, library, groups, _evaluations(context.analysis, plan))
    if context.analysis.subject.entered is not None:
        report[0].ContentSequence.append(_characteristics(context.analysis.subject.entered))
    if context.analysis.impression is not None:
        report[0].ContentSequence.append(_impressions(context.analysis.impression))
    return report


def report_content(
    context: ResultContext[AnyAnalysed],
    plan: DocumentPlan,
    library: sr.ContainerContentItem,
    groups: Sequence[Any],
    evaluations: sr.ContainerContentItem,
) -> sr.MeasurementReport:
    """TID 1500 with its image library, measurement groups, and qualitative evaluations."""
    report = sr.MeasurementReport(
        observation_context=observer(context),
        procedure_reported=plan.procedure,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(codes.ENGLISH),
        imaging_measurements=groups,
    )
    items = report[0].ContentSequence
    measurements = items.pop()
    for item in (library, measurements, evaluations):
        items.append(item)
    return report


def _characteristics(entered: Entered) -> sr.ContainerContentItem:
    """What a reader has entered about the patient, each value marked as such; TID 1500 may be extended."""
    contains = sr.RelationshipTypeValues.CONTAINS
    section = sr.ContainerContentItem(name=codes.PATIENT_CHARACTERISTICS, relationship_type=contains)
    section.ContentSequence = sr.ContentSequence()
    for name, value in entered.values.items():
        coding = ENTERED_CODINGS[name]
        number = sr.NumContentItem(
            name=coding.code, value=value, unit=coding.unit, relationship_type=contains
        )
        how, by_hand = codes.BY_HAND
        number.ContentSequence = sr.ContentSequence(
            [sr.CodeContentItem(how, by_hand, sr.RelationshipTypeValues.HAS_CONCEPT_MOD)]
        )
        number.ObservationDateTime = entered.at.strftime("%Y%m%d%H%M%S%z")
        section.ContentSequence.append(number)
    return section


def _impressions(impression: Impression) -> sr.ContainerContentItem:
    """The reader's impression in the section that TID 2000 has for it; TID 1500 may be extended."""
    contains = sr.RelationshipTypeValues.CONTAINS
    text = sr.TextContentItem(name=codes.IMPRESSION, value=impression.text, relationship_type=contains)
    text.ObservationDateTime = impression.at.strftime("%Y%m%d%H%M%S%z")
    section = sr.ContainerContentItem(name=codes.IMPRESSIONS, relationship_type=contains)
    origin = sr.TextContentItem(
        name=codes.COMMENT, value=impression_origin(impression), relationship_type=contains
    )
    section.ContentSequence = sr.ContentSequence([text, origin])
    return section


def observer(context: ResultContext[AnyAnalysed]) -> sr.ObservationContext:
    """TID 1002: the software, and the reader where one has signed."""
    model, verification = context.analysis.model, context.analysis.verification
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=device_uid(model.sha256),
        name=f"cvai {context.analysis.cvai_version}",
        manufacturer_name=MANUFACTURER,
        model_name=f"cvai {model.name}",
        serial_number=model.sha256,
    )
    return sr.ObservationContext(
        observer_person_context=person(verification) if verification else None,
        observer_device_context=sr.ObserverContext(
            observer_type=Code("121007", "DCM", "Device"), observer_identifying_attributes=device
        ),
    )


def person(verification: Verification) -> sr.ObserverContext:
    """TID 1003: the reader."""
    reader = sr.PersonObserverIdentifyingAttributes(
        name=verification.name, organization_name=verification.organization
    )
    return sr.ObserverContext(
        observer_type=Code("121006", "DCM", "Person"), observer_identifying_attributes=reader
    )


def image_library(sources: Iterable[SourceImage], made_with: Code) -> sr.ContainerContentItem:
    """TID 1600: every image that the content was taken from."""
    contains = sr.RelationshipTypeValues.CONTAINS
    group = sr.ContainerContentItem(name=codes.IMAGE_LIBRARY_GROUP, relationship_type=contains)
    modality = sr.CodeContentItem(
        name=codes.MODALITY,
        value=made_with,
        relationship_type=sr.RelationshipTypeValues.HAS_ACQ_CONTEXT,
    )
    name = encoded_code("ConceptNameCodeSequence", codes.SOURCE)
    images = (_image_item(source, name) for source in sources)
    put_sequence(group, "ContentSequence", (encoded_dataset(modality), *images))
    library = sr.ContainerContentItem(name=codes.IMAGE_LIBRARY, relationship_type=contains)
    library.ContentSequence = sr.ContentSequence([group])
    return library


def _image_item(source: SourceImage, name: bytes) -> bytes:
    """An IMAGE content item (PS3.3 table C.17-5)."""
    return encoded_item(
        encoded_sequence("ReferencedSOPSequence", [encoded_item(source.encoded_reference())]),
        encoded("RelationshipType", "CONTAINS"),
        encoded("ValueType", "IMAGE"),
        name,
    )


def algorithm(context: ResultContext[AnyAnalysed]) -> sr.AlgorithmIdentification:
    """TID 4019: which model measured, or that a reader drew what was."""
    model = context.analysis.model
    return sr.AlgorithmIdentification(
        name=f"cvai {model.name}",
        version=model.version,
        parameters=[
            *([] if model.is_hand else [f"model sha256 {model.sha256}"]),
            f"cvai {context.analysis.cvai_version}",
        ],
        family=codes.MANUAL_PROCESSING if model.is_hand else codes.ARTIFICIAL_INTELLIGENCE,
        manufacturer=MANUFACTURER,
    )


def _segment_group(
    context: ResultContext[AnyAnalysed], group: SegmentGroup, model: sr.AlgorithmIdentification
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411; it stands even where its measurement was withheld, since the segment is there to be seen."""
    name = tracking_id(group.segment, group.phase)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=context.uids.tracking(name), identifier=name),
        referenced_segment=_referenced_segment(context, group),
        finding_category=codes.ANATOMICAL_STRUCTURE,
        finding_type=group.segment.code,
        algorithm_id=model,
        measurements=number_items(context.analysis, group.names, group.phase),
    )


def _site_group(
    context: ResultContext[AnyAnalysed], group: SiteGroup, model: sr.AlgorithmIdentification
) -> sr.MeasurementsAndQualitativeEvaluations | None:
    """TID 1501; None where nothing of it was measured."""
    numbers = number_items(context.analysis, group.names)
    if not numbers:
        return None
    uid = context.uids.tracking(group.title)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=uid, identifier=group.title),
        finding_sites=[sr.FindingSite(anatomic_location=group.site)],
        algorithm_id=model if group.of_model else None,
        measurements=numbers,
        qualitative_evaluations=grade_items(context.analysis, group.names) or None,
    )


def _referenced_segment(context: ResultContext[AnyAnalysed], group: SegmentGroup) -> sr.ReferencedSegment:
    series = sr.SourceSeriesForSegmentation(referenced_series_instance_uid=STAND_IN_UID)
    series.add(verbatim_element("UID", context.analysis.images.series_uid))
    return sr.ReferencedSegment(
        sop_class_uid=context.plan.series[group.kind].sop_class_uid,
        sop_instance_uid=context.uids.sop_instance(group.kind),
        segment_number=group.segment.number,
        source_series=series,
    )


def _evaluations(analysis: Analysed, plan: DocumentPlan) -> sr.ContainerContentItem:
    """What was seen, comments, and every finding as text, where TID 1500 has its qualitative evaluations."""
    stated = (
        disclaimer(analysis),
        analysis.model.convention_sentence,
        interval_note(analysis.measurements),
        *plan.remarks,
    )
    remarks = (*(remark for remark in stated if remark), *map(reported_text, analysis.reports.values))
    comments = [(codes.COMMENT, remark) for remark in remarks]
    texts = [(codes.QUALITY_FINDING, finding_text(finding)) for finding in analysis.findings]
    return evaluations_container((*comments, *texts), plan.evaluations)


def evaluations_container(
    texts: Iterable[tuple[Code, str]], seen: Iterable[tuple[Code, Code]] = ()
) -> sr.ContainerContentItem:
    """Coded evaluations, then texts, by their names."""
    contains = sr.RelationshipTypeValues.CONTAINS
    container = sr.ContainerContentItem(name=codes.QUALITATIVE_EVALUATIONS, relationship_type=contains)
    container.ContentSequence = sr.ContentSequence(
        [
            *(sr.CodeContentItem(name=name, value=value, relationship_type=contains) for name, value in seen),
            *(sr.TextContentItem(name=name, value=text, relationship_type=contains) for name, text in texts),
        ]
    )
    return container


def disclaimer(analysis: Analysed) -> str:
    """What must stand beside the numbers."""
    verification = analysis.verification
    if verification is None:
        return DISCLAIMER
    if analysis.model.is_hand:
        return DRAWN_DISCLAIMER
    return CORRECTED_DISCLAIMER if verification.changed else VERIFIED_DISCLAIMER


def reported_text(value: ReportedValue) -> str:
    """A value of another report as one line of text."""
    by, how = value.source.maker or "maker not stated", f", {value.how}" if value.how else ""
    return f"Another report of the study ({by}) states: {value.title} {value.number}{how}."


def finding_text(finding: Finding) -> str:
    """A finding as one line of text.

    >>> finding_text(Finding("apex_not_covered", Severity.WARNING, "The last slice still shows cavity."))
    'Warning: The last slice still shows cavity. [apex_not_covered]'
    """
    return f"{finding.severity.capitalize()}: {finding.message} [{finding.code}]"
