"""What every result object shares: patient, study, series, equipment and SOP common attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Self

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
)

from cvai.results.analysis import Analysed, Analysis
from cvai.results.source import (
    SourceImage,
    add_patient,
    checked_value,
    copy_study,
    shared_frame_of_reference,
    source_images,
)
from cvai.results.uids import ResultKind, ResultUids, derived_uid
from cvai.study.patient import MANUFACTURER

NOT_FOR_CLINICAL_USE = "Not for clinical use"
PAPILLARY_MUSCLES = (
    "Papillary muscles and trabeculae are counted as cavity: the volumes include them, the mass does not."
)
IMPLEMENTATION_CLASS_UID = derived_uid("implementation class")
FIRST_SERIES_NUMBER = 9001
SERIES_NUMBER_STEP = 100


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """How the one-object series of a kind of result is made.

    Args:
        sop_class_uid: of the object.
        modality: Modality of the series.
        title: what the series holds.
    """

    sop_class_uid: UID
    modality: str
    title: str

    def described(self, *, signed: bool = False) -> str:
        """SeriesDescription of what the model made, or of what a reader has signed."""
        return f"cvai {'signed ' if signed else ''}{self.title} (not for clinical use)"


SERIES: Mapping[ResultKind, SeriesPlan] = MappingProxyType(
    {
        ResultKind.SEG_CINE: SeriesPlan(SegmentationStorage, "SEG", "cine segmentation"),
        ResultKind.SEG_ED: SeriesPlan(SegmentationStorage, "SEG", "end-diastolic segmentation"),
        ResultKind.SEG_ES: SeriesPlan(SegmentationStorage, "SEG", "end-systolic segmentation"),
        ResultKind.SR: SeriesPlan(Comprehensive3DSRStorage, "SR", "measurements"),
        ResultKind.PDF: SeriesPlan(EncapsulatedPDFStorage, "DOC", "report"),
        ResultKind.SEG_A4C: SeriesPlan(SegmentationStorage, "SEG", "apical four-chamber segmentation"),
        ResultKind.SEG_A2C: SeriesPlan(SegmentationStorage, "SEG", "apical two-chamber segmentation"),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class AnyContext:
    """What the result objects of any analysis are made from.

    Args:
        analysis: what was found.
        created: when the results were made; becomes content, series and creation date.
        uids: UIDs of the objects.
        first_series_number: SeriesNumber of the first kind of result, the others follow it.
        sources: (t)(z) source image of every frame.
    """

    analysis: Analysed
    created: datetime
    uids: ResultUids
    first_series_number: int
    sources: list[list[SourceImage]]

    @classmethod
    def of(cls, analysis: Analysed, created: datetime, taken_series_numbers: Iterable[int] = ()) -> Self:
        """Context for the results of an analysis.

        Args:
            analysis: what was found.
            created: when the results were made.
            taken_series_numbers: SeriesNumbers in use in the study, results of cvai left out.
        """
        taken = {*taken_series_numbers, *_own_series_numbers(analysis)}
        return cls(
            analysis, created, result_uids(analysis), free_series_number(taken), source_images(analysis)
        )

    @property
    def all_sources(self) -> list[SourceImage]:
        """Source images in order of phase and slice."""
        return [source for phase in self.sources for source in phase]

    @property
    def first_header(self) -> Dataset:
        """Header of the first source image: what it says of the study; who the patient is it does not say."""
        return self.analysis.cine.planes[0][0].header

    @property
    def frame_of_reference_uid(self) -> str:
        """The source's FrameOfReferenceUID; a derived one where the source images disagree or state none.

        Some de-identification gives every instance a frame of reference of its own, although they were
        acquired in one. Slices of one assembled stack share their patient coordinates by construction.
        """
        return shared_frame_of_reference(self.analysis) or self.uids.frame_of_reference()


@dataclass(frozen=True, slots=True, eq=False)
class ResultContext(AnyContext):
    """Everything the result objects of one short-axis analysis are made from."""

    analysis: Analysis


def result_uids(analysis: Analysed) -> ResultUids:
    """UIDs of the results of an analysis."""
    images = (plane.sop_instance_uid for phase in analysis.cine.planes for plane in phase)
    reading = "" if analysis.verification is None else analysis.verification.digest
    return ResultUids.of(images, analysis.model.sha256, reading, analysis.content)


def _own_series_numbers(analysis: Analysed) -> set[int]:
    values = (checked_value(p.header, "SeriesNumber") for phase in analysis.cine.planes for p in phase)
    return {int(value) for value in values if value is not None}


def free_series_number(taken: set[int]) -> int:
    """First of as many consecutive unused series numbers as there are kinds of result.

    >>> free_series_number({1, 300})
    9001
    >>> free_series_number({9003})
    9101
    """
    number = FIRST_SERIES_NUMBER
    while taken.intersection(range(number, number + len(ResultKind))):
        number += SERIES_NUMBER_STEP
    return number


def new_instance(context: AnyContext, kind: ResultKind) -> Dataset:
    """Object of a kind with the attributes all kinds share, ready to be filled.

    Text is encoded in UTF-8, whatever the source used, so that every name and sign can be written.
    """
    plan = SERIES[kind]
    instance = Dataset()
    instance.file_meta = _file_meta(plan.sop_class_uid, context.uids.sop_instance(kind))
    instance.SpecificCharacterSet = "ISO_IR 192"
    add_patient(context.analysis.patient, instance)
    copy_study(context.first_header, instance)
    _add_sop_common(instance, context, kind)
    _add_series(instance, context, kind)
    _add_equipment(instance, context.analysis)
    return instance


def _file_meta(sop_class_uid: UID, sop_instance_uid: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class_uid
    meta.MediaStorageSOPInstanceUID = sop_instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = "CVAI"
    return meta


def _add_sop_common(instance: Dataset, context: AnyContext, kind: ResultKind) -> None:
    instance.SOPClassUID = SERIES[kind].sop_class_uid
    instance.SOPInstanceUID = context.uids.sop_instance(kind)
    instance.InstanceNumber = 1
    for keyword in ("InstanceCreation", "Content", "Series"):
        setattr(instance, f"{keyword}Date", context.created.strftime("%Y%m%d"))
        setattr(instance, f"{keyword}Time", context.created.strftime("%H%M%S"))


def _add_series(instance: Dataset, context: AnyContext, kind: ResultKind) -> None:
    instance.Modality = SERIES[kind].modality
    instance.SeriesInstanceUID = context.uids.series(kind)
    instance.SeriesNumber = context.first_series_number + list(ResultKind).index(kind)
    instance.SeriesDescription = SERIES[kind].described(signed=context.analysis.verification is not None)


def _add_equipment(instance: Dataset, analysis: Analysed) -> None:
    """Enhanced General Equipment (PS3.3 section C.7.5.2); the digest of the model is the serial number."""
    instance.Manufacturer = MANUFACTURER
    instance.ManufacturerModelName = f"cvai {analysis.model.name}"
    instance.DeviceSerialNumber = analysis.model.sha256
    instance.SoftwareVersions = [
        f"cvai {analysis.cvai_version}",
        f"{analysis.model.name} {analysis.model.version}",
    ]
