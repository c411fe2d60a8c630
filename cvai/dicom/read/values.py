"""What a study is made of, once its headers have been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydicom import Dataset

from cvai.dicom.read.header.attributes import uid
from cvai.dicom.read.patient import Patient, StatedPatient, one_patient
from cvai.domain.cine import CineStack
from cvai.domain.findings import Finding
from cvai.domain.series_choice import SeriesChoice
from cvai.domain.subject import Entered
from cvai.errors import FileRefused, StudyRefused


class Component(StrEnum):
    """What an MR image shows of the complex signal (ComplexImageComponent, PS3.3 C.8.13.3.1.2)."""

    MAGNITUDE = "magnitude"
    PHASE = "phase"
    REAL = "real"
    IMAGINARY = "imaginary"


@dataclass(frozen=True, slots=True, eq=False)
class ImagePlane:
    """One two-dimensional image: a single-frame instance, or one frame of a multi-frame instance.

    Values are None where the header does not state them; nothing is assumed.

    Args:
        path: file that holds the pixels.
        sop_class_uid: of the instance.
        sop_instance_uid: of the instance.
        frame_number: 1-based frame of a multi-frame instance, None for a single-frame one.
        instance_number: InstanceNumber.
        position_mm: ImagePositionPatient, LPS.
        orientation: ImageOrientationPatient, six cosines.
        spacing_mm: PixelSpacing as (between rows, between columns).
        rows: Rows.
        columns: Columns.
        trigger_time_ms: TriggerTime or NominalCardiacTriggerDelayTime.
        nominal_interval_ms: NominalInterval, the mean R-R interval.
        heart_rate_bpm: HeartRate.
        temporal_position: TemporalPositionIdentifier or TemporalPositionIndex.
        header: the instance's header without pixel data; results copy patient and study attributes from it,
            never modified.
        component: which part of the complex signal it shows, see ``cvai.dicom.read.pixels.components``.
        dimension_index: DimensionIndexValues of a frame, empty where there are none.
        defect: why the pixels cannot be decoded, None where nothing is known to be wrong with them. Such an
            image keeps its place, so that its loss cannot go unnoticed.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None
    instance_number: int | None
    position_mm: tuple[float, float, float] | None
    orientation: tuple[float, float, float, float, float, float] | None
    spacing_mm: tuple[float, float] | None
    rows: int
    columns: int
    trigger_time_ms: float | None
    nominal_interval_ms: float | None
    heart_rate_bpm: float | None
    temporal_position: int | None
    header: Dataset
    component: Component | None = None
    dimension_index: tuple[int, ...] = ()
    defect: FileRefused | None = None

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID."""
        return uid(self.header, "SeriesInstanceUID")


Images = tuple[ImagePlane, ...]
"""Images that belong together, mostly those of one slice."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Instances of one modality that share a SeriesInstanceUID.

    A series that holds a screenshot or a report beside its images is several of these. For cvai's own results
    and other non-images, planes is empty.
    """

    series_uid: str
    modality: str
    description: str
    series_number: int | None
    planes: tuple[ImagePlane, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A structured report that stands in the study, cvai's own among them.

    ``header`` is the whole instance; never modified.
    """

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    header: Dataset


@dataclass(frozen=True, slots=True)
class OwnResult:
    """An object that cvai has written into the study.

    ``patient`` is whom it names.
    """

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    patient: Patient
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class LostFile:
    """A file that could not be read and has no place in a series.

    Args:
        refusal: why.
        header: what could be read of it, at least its SOPClassUID; None where that is nothing.
    """

    refusal: FileRefused
    header: Dataset | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """All that was found of one StudyInstanceUID.

    Args:
        study_uid: StudyInstanceUID.
        series: every series, ordered by series number, then UID.
        unreadable: files that were handed in with the study but could not be read in full; those whose header
            could be read also stand in their series, with ``ImagePlane.defect`` set.
        documents: structured reports, ordered by SOPInstanceUID.
        stated_patients: whom all objects but cvai's own results name, those that most name first.
        lost: files without a place in a series that are of the study: their own headers say so, or nothing
            says otherwise.
        own_results: what cvai has written into the study, ordered by SOPInstanceUID.
        entered: what a reader has entered by hand about the patient; None where nothing.
        chosen: the series or loops that a person wants measured, or that they read it by hand; None where the
            analysis chooses.
    """

    study_uid: str
    series: tuple[Series, ...]
    unreadable: tuple[FileRefused, ...] = ()
    documents: tuple[Document, ...] = ()
    stated_patients: tuple[StatedPatient, ...] = ()
    lost: tuple[LostFile, ...] = ()
    own_results: tuple[OwnResult, ...] = ()
    entered: Entered | None = None
    chosen: SeriesChoice | None = None

    @property
    def chosen_images(self) -> SeriesChoice | None:
        """The series or loops that a person chose; None where the analysis chooses."""
        return self.chosen if self.chosen is not None and self.chosen.series_uid else None

    @property
    def chosen_frames(self) -> Mapping[str, int]:
        """The 0-based frames that a person chose, by SOPInstanceUID of their runs."""
        return {} if self.chosen is None else dict(self.chosen.frames)

    @property
    def is_read_by_hand(self) -> bool:
        """Whether a person opened it in spite of a refusal, and nothing is measured but what they draw."""
        return self.chosen is not None and bool(self.chosen.by_hand)

    @property
    def findings_of_choice(self) -> tuple[Finding, ...]:
        """What a person chose; nothing where the analysis chooses."""
        return () if self.chosen is None else self.chosen.findings

    def patient(self) -> Patient:
        """Whose study it is.

        Raises:
            StudyRefused: ``patients_differ``: its objects are of more than one patient.
        """
        return one_patient(self.stated_patients)


@dataclass(frozen=True, slots=True)
class LoopLeftOut:
    """A single loop that was not measured and could be.

    Args:
        sop_instance_uid: of the loop.
        view: that was seen in it, as in result.json; empty where nothing has looked.
        n_frames: how many there are.
        heart_rate_bpm: stated or seen, None where neither.
        refused: code of the refusal of what the model made of it: a reader may draw on it alone. Empty where
            it may be measured.
    """

    sop_instance_uid: str
    view: str
    n_frames: int
    heart_rate_bpm: float | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A series (or part of one) that was not analysed, and why.

    ``loop`` is the part that may be measured instead, where a person may choose it alone.
    """

    series_uid: str
    reason: str
    loop: LoopLeftOut | None = None


class CineNotFound(StudyRefused):
    """No series of the study can be analysed.

    Args:
        excluded: every series that was looked at, with the reason why it is not the one.
    """

    def __init__(self, code: str, message: str, hint: str, excluded: tuple[Excluded, ...]) -> None:
        super().__init__(code, message, hint)
        self.excluded = excluded


@dataclass(frozen=True, slots=True, eq=False)
class AssembledCine:
    """The cine that will be analysed, with the source of every frame.

    ``planes`` are the (t)(z) source images of the frames of ``stack``; ``series_uid`` is of the first series,
    if several were joined.
    """

    series_uid: str
    stack: CineStack
    planes: tuple[tuple[ImagePlane, ...], ...]
    excluded: tuple[Excluded, ...]
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        shape = (len(self.planes), len(self.planes[0]) if self.planes else 0)
        if shape != self.stack.shape[:2]:
            raise ValueError(f"{shape} source planes for a cine of {self.stack.shape[:2]} frames")
