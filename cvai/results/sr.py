"""The measurements as a Comprehensive 3D SR document, TID 1500 Measurement Report.

One measurement group for every structure and phase that was segmented, with a reference to the segment it
was counted in, and one group for what follows from both phases of a ventricle. The document stays UNVERIFIED
until a reader signs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom import sr
from pydicom import Dataset
from pydicom.sr.coding import Code

from cvai.heart.anatomy import Structure
from cvai.heart.findings import Finding, Severity
from cvai.results import codes
from cvai.results.analysis import Analysis, Verification
from cvai.results.codes import CardiacPhase
from cvai.results.encoded import encoded, encoded_dataset, encoded_item, encoded_sequence, put_sequence
from cvai.results.frames import SEGMENT_NUMBERS
from cvai.results.instance import (
    NOT_FOR_CLINICAL_USE,
    PAPILLARY_MUSCLES,
    SERIES,
    AnyContext,
    ResultContext,
    new_instance,
)
from cvai.results.number import number_items
from cvai.results.seg import PHASE_KINDS, tracking_id
from cvai.results.source import (
    SourceImage,
    encoded_code,
    instance_reference,
    series_references,
    verbatim_element,
)
from cvai.results.uids import ResultKind, derived_uid, device_uid
from cvai.results.wall import wall_groups
from cvai.study.patient import MANUFACTURER

STAND_IN_UID = derived_uid("stand-in")
"""Handed to highdicom where a source UID belongs, which it would check; the real one replaces it."""

DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured automatically by software that is no medical device, "
    "and not verified by a reader."
)
VERIFIED_DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured by software that is no medical device, and verified by a reader."
)
CORRECTED_DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured by software that is no medical device, in contours or at phases that "
    "a reader has corrected, and verified by that reader."
)


@dataclass(frozen=True, slots=True)
class SegmentGroup:
    """Measurements that were counted in one segment of one phase."""

    structure: Structure
    phase: CardiacPhase
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FunctionGroup:
    """Measurements that no single segment holds; ``of_model`` where the model had a part in them."""

    title: str
    site: Code
    names: tuple[str, ...]
    of_model: bool = True


SEGMENT_GROUPS = (
    SegmentGroup(Structure.LV_CAVITY, CardiacPhase.END_DIASTOLE, ("lv_edv", "lv_edv_index")),
    SegmentGroup(Structure.LV_CAVITY, CardiacPhase.END_SYSTOLE, ("lv_esv", "lv_esv_index")),
    SegmentGroup(Structure.LV_MYOCARDIUM, CardiacPhase.END_DIASTOLE, ("lv_mass", "lv_mass_index")),
    SegmentGroup(Structure.RV_CAVITY, CardiacPhase.END_DIASTOLE, ("rv_edv", "rv_edv_index")),
    SegmentGroup(Structure.RV_CAVITY, CardiacPhase.END_SYSTOLE, ("rv_esv", "rv_esv_index")),
)
FUNCTION_GROUPS = (
    FunctionGroup(
        "Left ventricular function",
        codes.LEFT_VENTRICLE,
        ("lv_ef", "lv_sv", "lv_sv_index", "lv_co", "lv_co_index"),
    ),
    FunctionGroup(
        "Right ventricular function",
        codes.RIGHT_VENTRICLE,
        ("rv_ef", "rv_sv", "rv_sv_index", "rv_co", "rv_co_index"),
    ),
    FunctionGroup("Heart rate", codes.HEART, ("heart_rate",), of_model=False),
    FunctionGroup("Body size", codes.ENTIRE_BODY, ("bsa",), of_model=False),
)


@dataclass(frozen=True, slots=True)
class Supersedes:
    """An earlier measurement document of cvai that a new one takes the place of.

    Args:
        study_uid: StudyInstanceUID it stands in.
        series_uid: its SeriesInstanceUID.
        sop_instance_uid: its SOPInstanceUID.
    """

    study_uid: str
    series_uid: str
    sop_instance_uid: str


def measurement_document(context: ResultContext, supersedes: Sequence[Supersedes] = ()) -> Dataset:
    """Structured report of an analysis; it refers to the ED and ES segmentations of the same context.

    Args:
        context: what the report is made from.
        supersedes: earlier documents that this one takes the place of.
    """
    document = new_instance(context, ResultKind.SR)
    _add_document_general(document, context)
    if supersedes:
        document.PredecessorDocumentsSequence = [predecessor(earlier) for earlier in supersedes]
    for element in _content(context)[0]:
        document.add(element)
    return document


def _add_document_general(document: Dataset, context: ResultContext) -> None:
    """SR Document Series and SR Document General (PS3.3 sections C.17.1 and C.17.2)."""
    withheld = any(f.severity is Severity.WITHHELD for f in context.analysis.findings)
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    document.CompletionFlag = "PARTIAL" if withheld else "COMPLETE"
    add_verification(document, context.analysis.verification)
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(context)]


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


def _evidence(context: ResultContext) -> Dataset:
    """Every instance the document refers to: the source images and the two segmentations."""
    segmentations = [
        SourceImage(
            SERIES[kind].sop_class_uid, context.uids.sop_instance(kind), context.uids.series(kind), None
        )
        for kind in PHASE_KINDS.values()
    ]
    item = Dataset()
    item.add(verbatim_element("StudyInstanceUID", context.analysis.study_uid))
    item.ReferencedSeriesSequence = series_references(
        [*context.all_sources, *segmentations], "ReferencedSOPSequence"
    )
    return item


def predecessor(earlier: Supersedes) -> Dataset:
    """Item of the Predecessor Documents Sequence."""
    series = Dataset()
    series.add(verbatim_element("SeriesInstanceUID", earlier.series_uid))
    series.ReferencedSOPSequence = [
        instance_reference(SERIES[ResultKind.SR].sop_class_uid, earlier.sop_instance_uid)
    ]
    study = Dataset()
    study.add(verbatim_element("StudyInstanceUID", earlier.study_uid))
    study.ReferencedSeriesSequence = [series]
    return study


def _content(context: ResultContext) -> sr.MeasurementReport:
    model = algorithm(context)
    report = sr.MeasurementReport(
        observation_context=observer(context),
        procedure_reported=codes.CARDIAC_MRI,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(codes.ENGLISH),
        imaging_measurements=[
            *(_segment_group(context, group, model) for group in SEGMENT_GROUPS),
            *_function_groups(context, model),
            *wall_groups(context, model),
        ],
    )
    items = report[0].ContentSequence
    measurements = items.pop()
    for item in (image_library(context), measurements, _evaluations(context.analysis)):
        items.append(item)
    return report


def observer(context: AnyContext) -> sr.ObservationContext:
    """TID 1002: the software, and the reader where one has signed."""
    model = context.analysis.model
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=device_uid(model.sha256),
        name=f"cvai {context.analysis.cvai_version}",
        manufacturer_name=MANUFACTURER,
        model_name=f"cvai {model.name}",
        serial_number=model.sha256,
    )
    return sr.ObservationContext(
        observer_person_context=_person(context.analysis.verification),
        observer_device_context=sr.ObserverContext(
            observer_type=Code("121007", "DCM", "Device"), observer_identifying_attributes=device
        ),
    )


def _person(verification: Verification | None) -> sr.ObserverContext | None:
    if verification is None:
        return None
    person = sr.PersonObserverIdentifyingAttributes(
        name=verification.name, organization_name=verification.organization
    )
    return sr.ObserverContext(
        observer_type=Code("121006", "DCM", "Person"), observer_identifying_attributes=person
    )


def image_library(context: AnyContext, made_with: Code = codes.MAGNETIC_RESONANCE) -> sr.ContainerContentItem:
    """TID 1600: every image the measurements were taken from."""
    contains = sr.RelationshipTypeValues.CONTAINS
    group = sr.ContainerContentItem(name=codes.IMAGE_LIBRARY_GROUP, relationship_type=contains)
    modality = sr.CodeContentItem(
        name=codes.MODALITY,
        value=made_with,
        relationship_type=sr.RelationshipTypeValues.HAS_ACQ_CONTEXT,
    )
    name = encoded_code("ConceptNameCodeSequence", codes.SOURCE)
    images = (_image_item(source, name) for source in context.all_sources)
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


def algorithm(context: AnyContext) -> sr.AlgorithmIdentification:
    """TID 4019: which model measured."""
    model = context.analysis.model
    return sr.AlgorithmIdentification(
        name=f"cvai {model.name}",
        version=model.version,
        parameters=[f"model sha256 {model.sha256}", f"cvai {context.analysis.cvai_version}"],
        family=codes.ARTIFICIAL_INTELLIGENCE,
        manufacturer=MANUFACTURER,
    )


def _segment_group(
    context: ResultContext, group: SegmentGroup, model: sr.AlgorithmIdentification
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411; it stands even where its measurement was withheld, since the segment is there to be seen."""
    name = tracking_id(group.structure, group.phase)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=context.uids.tracking(name), identifier=name),
        referenced_segment=_referenced_segment(context, group),
        finding_category=codes.ANATOMICAL_STRUCTURE,
        finding_type=codes.STRUCTURE_CODES[group.structure],
        algorithm_id=model,
        measurements=number_items(context.analysis, group.names, group.phase),
    )


def _function_groups(
    context: ResultContext, model: sr.AlgorithmIdentification
) -> list[sr.MeasurementsAndQualitativeEvaluations]:
    """TID 1501 groups; those without a measurement are left out."""
    groups = []
    for group in FUNCTION_GROUPS:
        numbers = number_items(context.analysis, group.names)
        if numbers:
            groups.append(_function_group(context, group, numbers, model))
    return groups


def _function_group(
    context: ResultContext,
    group: FunctionGroup,
    numbers: list[sr.Measurement],
    model: sr.AlgorithmIdentification,
) -> sr.MeasurementsAndQualitativeEvaluations:
    uid = context.uids.tracking(group.title)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=uid, identifier=group.title),
        finding_sites=[sr.FindingSite(anatomic_location=group.site)],
        algorithm_id=model if group.of_model else None,
        measurements=numbers,
    )


def _referenced_segment(context: ResultContext, group: SegmentGroup) -> sr.ReferencedSegment:
    kind = PHASE_KINDS[group.phase]
    series = sr.SourceSeriesForSegmentation(referenced_series_instance_uid=STAND_IN_UID)
    series.add(verbatim_element("UID", context.analysis.cine.series_uid))
    return sr.ReferencedSegment(
        sop_class_uid=SERIES[kind].sop_class_uid,
        sop_instance_uid=context.uids.sop_instance(kind),
        segment_number=SEGMENT_NUMBERS[group.structure],
        source_series=series,
    )


def _evaluations(analysis: Analysis) -> sr.ContainerContentItem:
    """Comments and every finding as text, where TID 1500 has its qualitative evaluations."""
    comments = [(codes.COMMENT, disclaimer(analysis.verification)), (codes.COMMENT, PAPILLARY_MUSCLES)]
    texts = [(codes.FINDING, finding_text(finding)) for finding in analysis.findings]
    contains = sr.RelationshipTypeValues.CONTAINS
    container = sr.ContainerContentItem(name=codes.QUALITATIVE_EVALUATIONS, relationship_type=contains)
    container.ContentSequence = sr.ContentSequence(
        sr.TextContentItem(name=name, value=text, relationship_type=contains)
        for name, text in (*comments, *texts)
    )
    return container


def disclaimer(verification: Verification | None) -> str:
    """What must stand beside the numbers."""
    if verification is None:
        return DISCLAIMER
    return CORRECTED_DISCLAIMER if verification.changed else VERIFIED_DISCLAIMER


def finding_text(finding: Finding) -> str:
    """A finding as one line of text.

    >>> finding_text(Finding("apex_not_covered", Severity.WARNING, "The last slice still shows cavity."))
    'Warning: The last slice still shows cavity. [apex_not_covered]'
    """
    return f"{finding.severity.capitalize()}: {finding.message} [{finding.code}]"
