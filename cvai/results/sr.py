"""The measurements as a Comprehensive 3D SR document, TID 1500 Measurement Report.

One measurement group for every structure and phase that was segmented, with a reference to the segment it
was counted in, and one group for what follows from both phases of a ventricle. The document stays UNVERIFIED
until a reader signs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from highdicom import sr
from pydicom import Dataset
from pydicom.sr.coding import Code

from cvai.heart.anatomy import Structure
from cvai.heart.findings import Finding, Severity
from cvai.heart.measurement import Measurement
from cvai.results import codes
from cvai.results.codes import CardiacPhase, measurement_coding
from cvai.results.frames import SEGMENT_NUMBERS
from cvai.results.instance import (
    MANUFACTURER,
    NOT_FOR_CLINICAL_USE,
    SERIES,
    ResultContext,
    new_instance,
)
from cvai.results.seg import PHASE_KINDS, tracking_id
from cvai.results.source import SourceImage, instance_reference, series_references, verbatim_element
from cvai.results.uids import ResultKind, derived_uid, device_uid

SHOWN_DECIMALS = 2
"""Decimals of NumericValue, which viewers show as it stands; FloatingPointValue has the number in full."""

STAND_IN_UID = derived_uid("stand-in")
"""Handed to highdicom where a source UID belongs, which it would check; the real one replaces it."""

DISCLAIMER = (
    f"{NOT_FOR_CLINICAL_USE}. Measured automatically by software that is no medical device, "
    "and not verified by a reader."
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
    SegmentGroup(Structure.LV_CAVITY, CardiacPhase.END_DIASTOLE, ("lv_edv",)),
    SegmentGroup(Structure.LV_CAVITY, CardiacPhase.END_SYSTOLE, ("lv_esv",)),
    SegmentGroup(Structure.LV_MYOCARDIUM, CardiacPhase.END_DIASTOLE, ("lv_mass",)),
    SegmentGroup(Structure.RV_CAVITY, CardiacPhase.END_DIASTOLE, ("rv_edv",)),
    SegmentGroup(Structure.RV_CAVITY, CardiacPhase.END_SYSTOLE, ("rv_esv",)),
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
        document.PredecessorDocumentsSequence = [_predecessor(earlier) for earlier in supersedes]
    for element in _content(context)[0]:
        document.add(element)
    return document


def _add_document_general(document: Dataset, context: ResultContext) -> None:
    """SR Document Series and SR Document General (PS3.3 sections C.17.1 and C.17.2)."""
    withheld = any(f.severity is Severity.WITHHELD for f in context.analysis.findings)
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    document.CompletionFlag = "PARTIAL" if withheld else "COMPLETE"
    document.VerificationFlag = "UNVERIFIED"
    document.PreliminaryFlag = "PRELIMINARY"
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(context)]


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
    item.ReferencedSeriesSequence = _sop_references([*context.all_sources, *segmentations])
    return item


def _sop_references(instances: Iterable[SourceImage]) -> list[Dataset]:
    """Referenced series the way documents hold them, under ReferencedSOPSequence (PS3.3 table C.17-3)."""
    items = series_references(instances)
    for item in items:
        item.ReferencedSOPSequence = item.ReferencedInstanceSequence
        del item.ReferencedInstanceSequence
    return items


def _predecessor(earlier: Supersedes) -> Dataset:
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
    report = sr.MeasurementReport(
        observation_context=_observer(context),
        procedure_reported=codes.CARDIAC_MRI,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(codes.ENGLISH),
        imaging_measurements=[*_segment_groups(context), *_function_groups(context)],
    )
    items = report[0].ContentSequence
    measurements = items.pop()
    for item in (_image_library(context), measurements, _evaluations(context.analysis.findings)):
        items.append(item)
    return report


def _observer(context: ResultContext) -> sr.ObservationContext:
    model = context.analysis.model
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=device_uid(model.sha256),
        name=f"cvai {context.analysis.cvai_version}",
        manufacturer_name=MANUFACTURER,
        model_name=f"cvai {model.name}",
        serial_number=model.sha256,
    )
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=Code("121007", "DCM", "Device"), observer_identifying_attributes=device
        )
    )


def _image_library(context: ResultContext) -> sr.ContainerContentItem:
    """TID 1600: every image the measurements were taken from."""
    contains = sr.RelationshipTypeValues.CONTAINS
    group = sr.ContainerContentItem(name=codes.IMAGE_LIBRARY_GROUP, relationship_type=contains)
    modality = sr.CodeContentItem(
        name=codes.MODALITY,
        value=codes.MAGNETIC_RESONANCE,
        relationship_type=sr.RelationshipTypeValues.HAS_ACQ_CONTEXT,
    )
    images = (_image_item(source) for source in context.all_sources)
    group.ContentSequence = sr.ContentSequence([modality, *images])
    library = sr.ContainerContentItem(name=codes.IMAGE_LIBRARY, relationship_type=contains)
    library.ContentSequence = sr.ContentSequence([group])
    return library


def _image_item(source: SourceImage) -> Dataset:
    reference = Dataset()
    reference.RelationshipType = "CONTAINS"
    reference.ValueType = "IMAGE"
    reference.ReferencedSOPSequence = [source.reference()]
    item: Dataset = sr.ImageContentItem.from_dataset(reference, copy=False)
    return item


def _algorithm(context: ResultContext) -> sr.AlgorithmIdentification:
    model = context.analysis.model
    return sr.AlgorithmIdentification(
        name=f"cvai {model.name}",
        version=model.version,
        parameters=[f"model sha256 {model.sha256}", f"cvai {context.analysis.cvai_version}"],
        family=codes.ARTIFICIAL_INTELLIGENCE,
        manufacturer=MANUFACTURER,
    )


def _segment_groups(context: ResultContext) -> list[sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    return [_segment_group(context, group) for group in SEGMENT_GROUPS]


def _segment_group(
    context: ResultContext, group: SegmentGroup
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411; it stands even where its measurement was withheld, since the segment is there to be seen."""
    name = tracking_id(group.structure, group.phase)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=context.uids.tracking(name), identifier=name),
        referenced_segment=_referenced_segment(context, group),
        finding_category=codes.ANATOMICAL_STRUCTURE,
        finding_type=codes.STRUCTURE_CODES[group.structure],
        algorithm_id=_algorithm(context),
        measurements=_numbers(context, group.names, group.phase),
    )


def _function_groups(context: ResultContext) -> list[sr.MeasurementsAndQualitativeEvaluations]:
    """TID 1501 groups; those without a measurement are left out."""
    groups = []
    for group in FUNCTION_GROUPS:
        numbers = _numbers(context, group.names, None)
        if numbers:
            groups.append(_function_group(context, group, numbers))
    return groups


def _function_group(
    context: ResultContext, group: FunctionGroup, numbers: list[sr.Measurement]
) -> sr.MeasurementsAndQualitativeEvaluations:
    uid = context.uids.tracking(group.title)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=uid, identifier=group.title),
        finding_sites=[sr.FindingSite(anatomic_location=group.site)],
        algorithm_id=_algorithm(context) if group.of_model else None,
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


def _numbers(
    context: ResultContext, names: Iterable[str], phase: CardiacPhase | None
) -> list[sr.Measurement]:
    found = (context.analysis.measurement(name) for name in names)
    return [_number(measurement, phase) for measurement in found if measurement is not None]


def _number(measurement: Measurement, phase: CardiacPhase | None) -> sr.Measurement:
    """TID 300, with the point of the cardiac cycle as a modifier."""
    coding = measurement_coding(measurement.name)
    number = sr.Measurement(
        name=coding.name,
        value=round(measurement.value, SHOWN_DECIMALS),
        unit=codes.UNITS[measurement.unit],
        method=coding.method,
        finding_sites=[sr.FindingSite(anatomic_location=coding.site)],
        properties=_properties(measurement),
    )
    number[0].MeasuredValueSequence[0].FloatingPointValue = measurement.value
    if phase is not None:
        point = sr.CodeContentItem(
            name=codes.CARDIAC_CYCLE_POINT,
            value=codes.PHASE_CODES[phase],
            relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
        number[0].ContentSequence.append(point)
    return number


def _properties(measurement: Measurement) -> sr.MeasurementProperties | None:
    """TID 310: uncertainty above and below, and the normal range, all in the measurement's own unit."""
    bounds: list[tuple[Code, float]] = []
    if measurement.interval is not None:
        low, high = measurement.interval
        bounds.append((codes.UPPER_UNCERTAINTY, high - measurement.value))
        bounds.append((codes.LOWER_UNCERTAINTY, measurement.value - low))
    if measurement.normal is not None:
        bounds.append((codes.NORMAL_LOWER_LIMIT, measurement.normal[0]))
        bounds.append((codes.NORMAL_UPPER_LIMIT, measurement.normal[1]))
    if not bounds:
        return None
    properties = sr.MeasurementProperties()
    for name, value in bounds:
        properties.append(_property(name, value, measurement.unit))
    return properties


def _property(name: Code, value: float, unit: str) -> sr.NumContentItem:
    return sr.NumContentItem(
        name=name,
        value=round(value, SHOWN_DECIMALS),
        unit=codes.UNITS[unit],
        relationship_type=sr.RelationshipTypeValues.HAS_PROPERTIES,
    )


def _evaluations(findings: Iterable[Finding]) -> sr.ContainerContentItem:
    """The disclaimer and every finding as text, where TID 1500 has its qualitative evaluations."""
    contains = sr.RelationshipTypeValues.CONTAINS
    disclaimer = sr.TextContentItem(name=codes.COMMENT, value=DISCLAIMER, relationship_type=contains)
    texts = (
        sr.TextContentItem(name=codes.FINDING, value=finding_text(finding), relationship_type=contains)
        for finding in findings
    )
    container = sr.ContainerContentItem(name=codes.QUALITATIVE_EVALUATIONS, relationship_type=contains)
    container.ContentSequence = sr.ContentSequence([disclaimer, *texts])
    return container


def finding_text(finding: Finding) -> str:
    """A finding as one line of text.

    >>> finding_text(Finding("apex_not_covered", Severity.WARNING, "The last slice still shows cavity."))
    'Warning: The last slice still shows cavity. [apex_not_covered]'
    """
    return f"{finding.severity.capitalize()}: {finding.message} [{finding.code}]"
