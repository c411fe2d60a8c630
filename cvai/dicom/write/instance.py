"""What every result object shares: patient, study, series, equipment and SOP common attributes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Self

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from cvai.dicom.read.patient import MANUFACTURER
from cvai.dicom.write.analysis import Analysed, AnyAnalysed
from cvai.dicom.write.plan import ResultPlan
from cvai.dicom.write.source import (
    SourceImage,
    add_patient,
    checked_value,
    copy_study,
    shared_frame_of_reference,
    source_images,
)
from cvai.dicom.write.uids import ResultUids, derived_uid
from cvai.domain.message import say
from cvai.languages import ENGLISH

NOT_FOR_CLINICAL_USE = say("Not for clinical use")
IMPLEMENTATION_CLASS_UID = derived_uid("implementation class")
FIRST_SERIES_NUMBER = 9001
SERIES_NUMBER_STEP = 100


@dataclass(frozen=True, slots=True, eq=False)
class ResultContext(Generic[AnyAnalysed]):
    """What the result objects of any analysis are made from.

    Args:
        analysis: what was found.
        plan: how its results are written.
        created: when the results were made; becomes content, series and creation date.
        uids: UIDs of the objects.
        first_series_number: SeriesNumber of the first kind of result, the others follow it.
        sources: (t)(z) source image of every frame.
        rejected_because: what the reader who verified it says is wrong; None where it is not rejected.
        language: of the report; whatever else is written is in English.
    """

    analysis: AnyAnalysed
    plan: ResultPlan[AnyAnalysed]
    created: datetime
    uids: ResultUids
    first_series_number: int
    sources: list[list[SourceImage]]
    rejected_because: str | None = None
    language: str = ENGLISH

    @classmethod
    def of(
        cls,
        analysis: AnyAnalysed,
        plan: ResultPlan[AnyAnalysed],
        created: datetime,
        taken_series_numbers: Iterable[int] = (),
        language: str = ENGLISH,
    ) -> Self:
        """Context for the results of an analysis.

        ``taken_series_numbers`` are in use in the study, results of cvai left out; ``language`` is that of
        the report.
        """
        taken = {*taken_series_numbers, *_own_series_numbers(analysis)}
        first = free_series_number(taken, plan.first_series_number, plan.n_series_numbers)
        sources = source_images(analysis)
        return cls(analysis, plan, created, result_uids(analysis), first, sources, language=language)

    @property
    def all_sources(self) -> list[SourceImage]:
        """Source images in order of phase and slice."""
        return [source for phase in self.sources for source in phase]

    @property
    def first_header(self) -> Dataset:
        """Header of the first source image: what it says of the study; who the patient is it does not say."""
        return self.analysis.images.planes[0][0].header

    @property
    def frame_of_reference_uid(self) -> str:
        """The source's FrameOfReferenceUID; a derived one where the source images disagree or state none.

        Some de-identification gives every instance a frame of reference of its own, although they were
        acquired in one. Slices of one assembled stack share their patient coordinates by construction.
        """
        return shared_frame_of_reference(self.analysis) or self.uids.frame_of_reference()


def result_uids(analysis: Analysed) -> ResultUids:
    """UIDs of the results of an analysis."""
    images = (plane.sop_instance_uid for phase in analysis.images.planes for plane in phase)
    reading = "" if analysis.verification is None else analysis.verification.digest
    return ResultUids.of(images, analysis.model.sha256, reading, analysis.content)


def _own_series_numbers(analysis: Analysed) -> set[int]:
    values = (checked_value(p.header, "SeriesNumber") for phase in analysis.images.planes for p in phase)
    return {int(value) for value in values if value is not None}


def free_series_number(taken: set[int], first: int = FIRST_SERIES_NUMBER, n: int = 1) -> int:
    """First of ``n`` consecutive unused series numbers, at ``first`` or whole steps above it.

    >>> free_series_number({1, 300})
    9001
    >>> free_series_number({9003}, n=5)
    9101
    """
    while taken.intersection(range(first, first + n)):
        first += SERIES_NUMBER_STEP
    return first


def new_instance(context: ResultContext[AnyAnalysed], kind: str) -> Dataset:
    """Object of a kind with the attributes all kinds share, ready to be filled.

    Text is encoded in UTF-8, whatever the source used, so that every name and sign can be written.
    """
    plan = context.plan.every_series[kind]
    instance = Dataset()
    instance.file_meta = file_meta()
    instance.SOPClassUID = instance.file_meta.MediaStorageSOPClassUID = plan.sop_class_uid
    uid = context.uids.sop_instance(kind)
    instance.SOPInstanceUID = instance.file_meta.MediaStorageSOPInstanceUID = uid
    instance.InstanceNumber = 1
    instance.SpecificCharacterSet = "ISO_IR 192"
    add_patient(context.analysis.patient, instance)
    copy_study(context.first_header, instance)
    add_dates(instance, context.created)
    _add_series(instance, context, kind)
    _add_equipment(instance, context.analysis)
    return instance


def file_meta() -> FileMetaDataset:
    """File meta information, but for the class and UID of the object."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = "CVAI"
    return meta


def add_dates(instance: Dataset, created: datetime) -> None:
    """Say when an object, its content and its series were made."""
    for keyword in ("InstanceCreation", "Content", "Series"):
        setattr(instance, f"{keyword}Date", created.strftime("%Y%m%d"))
        setattr(instance, f"{keyword}Time", created.strftime("%H%M%S"))


def local_time(moment: datetime) -> datetime:
    """A moment as objects state dates and times: in the zone of this machine, which they leave out."""
    return moment.astimezone().replace(tzinfo=None)


def _add_series(instance: Dataset, context: ResultContext[AnyAnalysed], kind: str) -> None:
    plan = context.plan.every_series[kind]
    instance.Modality = plan.modality
    instance.SeriesInstanceUID = context.uids.series(kind)
    instance.SeriesNumber = context.first_series_number + plan.offset
    instance.SeriesDescription = plan.described(signed=context.analysis.verification is not None)


def _add_equipment(instance: Dataset, analysis: Analysed) -> None:
    """Enhanced General Equipment (PS3.3 section C.7.5.2); the digest of the model is the serial number."""
    instance.Manufacturer = MANUFACTURER
    instance.ManufacturerModelName = f"cvai {analysis.model.name}"
    instance.DeviceSerialNumber = analysis.model.sha256
    instance.SoftwareVersions = [
        f"cvai {analysis.cvai_version}",
        f"{analysis.model.name} {analysis.model.version}",
    ]
