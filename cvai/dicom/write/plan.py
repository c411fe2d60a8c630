"""How the results of one kind of analysis are written, for writers that know none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SegmentationStorage,
    SimplifiedAdultEchoSRStorage,
)

from cvai.dicom.read.values import ImagePlane
from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.codes import (
    ABNORMAL_STRUCTURES,
    ANATOMICAL_STRUCTURE,
    MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
    STRUCTURE_CODES,
    STRUCTURE_RGB,
    CardiacPhase,
)
from cvai.dicom.write.contoured import ContouredImages
from cvai.domain.anatomy import Structure
from cvai.domain.geometry import StackGeometry

if TYPE_CHECKING:
    from pydicom import Dataset

    from cvai.dicom.write.instance import ResultContext
    from cvai.dicom.write.objects.sr import Supersedes


class ResultKind(StrEnum):
    """Objects that every analysis writes; the value is their ``kind`` in result.json."""

    SR = "sr"
    PDF = "pdf"


class Extra(StrEnum):
    """Objects for viewers that show no segmentations, written on request; the value is that of a setting.

    Echo reports are those of other templates (PS3.16 TID 5200 and 5300), for systems that read no TID 1500;
    their value is their kind too.
    """

    CAPTURES = "captures"
    CONTOURS = "contours"
    PRESENTATIONS = "presentations"
    ECHO_REPORT = "echo_report"
    SIMPLE_ECHO_REPORT = "simple_echo_report"
    UNSIGNED_ECHO_REPORTS = "unsigned_echo_reports"
    """Echo reports of what no reader has signed, too."""


PANELS = "panels"
"""Kind of the capture that holds the key frames of all images."""

CONTOURS = "sr_contours"
"""Kind of the document of the key frames' contours."""

PRESENTATION = "presentation"
"""Kind of the presentation state of the key frames."""

LONG_STRING = 64
"""Most characters of a value of LO (PS3.5 section 6.2)."""


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """How the one-object series of a kind of object is made.

    ``offset`` is that of its SeriesNumber from the one of the analysis' first series; it never changes.

    Raises:
        ValueError: the title is too long for a SeriesDescription.
    """

    sop_class_uid: UID
    modality: str
    title: str
    offset: int
    file_name: str

    def __post_init__(self) -> None:
        if len(self.described(signed=True)) > LONG_STRING:
            raise ValueError(f"{self.described(signed=True)!r} is longer than {LONG_STRING} characters")

    def described(self, *, signed: bool = False) -> str:
        """SeriesDescription of what the model made, or of what a reader has signed."""
        return f"cvai {'signed ' if signed else ''}{self.title} (not for clinical use)"


def segmentation_series(title: str, offset: int, file_name: str) -> SeriesPlan:
    """Plan of a Segmentation object."""
    return SeriesPlan(SegmentationStorage, "SEG", title, offset, file_name)


def document_series(sr_offset: int, pdf_offset: int) -> Mapping[str, SeriesPlan]:
    """Plans of the objects that every analysis writes."""
    return MappingProxyType(
        {
            ResultKind.SR: SeriesPlan(Comprehensive3DSRStorage, "SR", "measurements", sr_offset, "sr.dcm"),
            ResultKind.PDF: SeriesPlan(EncapsulatedPDFStorage, "DOC", "report", pdf_offset, "report.dcm"),
        }
    )


def capture_kind(name: str) -> str:
    """Kind of the capture of a loop, by the name of its images."""
    return f"capture_{name}"


def extra_series(
    first_offset: int, loops: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, SeriesPlan]:
    """Plans of the objects on request: of the key frames, and a capture of each loop by name and title."""
    capture = partial(SeriesPlan, MultiFrameTrueColorSecondaryCaptureImageStorage, "OT")
    document = partial(SeriesPlan, ComprehensiveSRStorage, "SR")
    presentation = partial(SeriesPlan, GrayscaleSoftcopyPresentationStateStorage, "PR")
    made = {
        PANELS: partial(capture, "key frames with contours"),
        CONTOURS: partial(document, "contours of key frames"),
        PRESENTATION: partial(presentation, "presentation of contours"),
        **{capture_kind(name): partial(capture, f"{title} with contours") for name, title in loops.items()},
    }
    return MappingProxyType(
        {kind: plan(first_offset + place, f"{kind}.dcm") for place, (kind, plan) in enumerate(made.items())}
    )


def echo_report_series(first_offset: int) -> Mapping[str, SeriesPlan]:
    """Plans of the echo reports."""
    return MappingProxyType(
        {
            kind: SeriesPlan(sop_class_uid, "SR", title, first_offset + place, f"{kind}.dcm")
            for place, (kind, sop_class_uid, title) in enumerate(
                (
                    (Extra.ECHO_REPORT, ComprehensiveSRStorage, "echo report"),
                    (Extra.SIMPLE_ECHO_REPORT, SimplifiedAdultEchoSRStorage, "simplified echo report"),
                )
            )
        }
    )


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """A measurement that captures show, with its title and digits after the point."""

    name: str
    title: str
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """Something that is segmented.

    ``number`` is its label and its Segment Number, and counts from 1; ``rgb`` runs from 0 to 255;
    ``category`` is one of CID 7150.
    """

    number: int
    name: str
    code: Code
    rgb: tuple[int, int, int]
    category: Code = ANATOMICAL_STRUCTURE


def segments_of(labels: Mapping[Structure, int]) -> tuple[Segment, ...]:
    """Segments of structures of the heart, by their labels."""
    return tuple(
        Segment(
            number,
            structure.display_name,
            STRUCTURE_CODES[structure],
            STRUCTURE_RGB[structure],
            MORPHOLOGICALLY_ABNORMAL_STRUCTURE if structure in ABNORMAL_STRUCTURES else ANATOMICAL_STRUCTURE,
        )
        for structure, number in labels.items()
    )


@dataclass(frozen=True, slots=True, eq=False)
class DrawnSegments:
    """What one Segmentation object holds.

    Args:
        kind: of the object, as in result.json.
        name: what its Tracking IDs say behind the structure: a phase, ``cine``, a view.
        labels: (t, z, y, x) on the pixels of the source images.
        segments: what is labelled, in order.
        planes: (t)(z) source images.
        phases: indices of the phases that are stored.
        geometry: place of the slices in the patient, None where the images have none.
        times_ms: (t,) time of every phase, None where it is unknown.
        has_time: whether the phase is a dimension of the segmentation.
    """

    kind: str
    name: str
    labels: NDArray[np.uint8]
    segments: tuple[Segment, ...]
    planes: tuple[tuple[ImagePlane, ...], ...]
    phases: Sequence[int]
    geometry: StackGeometry | None = None
    times_ms: NDArray[np.float64] | None = None
    has_time: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every phase is stored."""
        return len(self.phases) == len(self.labels)


@dataclass(frozen=True, slots=True)
class SegmentGroup:
    """Measurements that were counted in one segment (TID 1411).

    ``names`` are those of the measurements, ``phase`` when the segment was drawn.
    """

    kind: str
    segment: Segment
    phase: CardiacPhase
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SiteGroup:
    """Measurements that no single segment holds (TID 1501); left out where none of them was made.

    ``of_model`` says whether the model had a part in them.
    """

    title: str
    site: Code
    names: tuple[str, ...]
    of_model: bool = True


@dataclass(frozen=True, slots=True)
class DocumentPlan:
    """Content of the measurement document (TID 1500).

    ``evidence`` are the kinds of Segmentation objects that it refers to, ``remarks`` sentences on how it was
    measured.
    """

    procedure: Code
    modality: Code
    evidence: tuple[str, ...]
    segments: tuple[SegmentGroup, ...] = ()
    sites: tuple[SiteGroup, ...] = ()
    evaluations: tuple[tuple[Code, Code], ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultPlan(Generic[AnyAnalysed]):
    """How the results of one kind of analysis are written.

    Args:
        title: of the report.
        first_series_number: SeriesNumbers of its objects count from here, in steps of SERIES_NUMBER_STEP
            where they are taken.
        series: how each kind of object is made, in the order they are written.
        drawn: its Segmentation objects.
        document: its measurement document.
        report: its report as a PDF file; the same context gives the same bytes.
        contoured: its images with their contours, for ``extras``.
        extras: how each kind of object that is written on request is made.
        numbers: measurements that captures show.
        echo_reports: its reports in other templates, by what asks for them.
    """

    title: str
    first_series_number: int
    series: Mapping[str, SeriesPlan]
    drawn: Callable[[AnyAnalysed], tuple[DrawnSegments, ...]]
    document: Callable[[AnyAnalysed], DocumentPlan]
    report: Callable[[ResultContext[AnyAnalysed]], bytes]
    contoured: Callable[[AnyAnalysed], tuple[ContouredImages, ...]] = lambda _: ()
    extras: Mapping[str, SeriesPlan] = field(default_factory=dict)
    numbers: tuple[ShownNumber, ...] = ()
    echo_reports: Mapping[Extra, Callable[[ResultContext[AnyAnalysed], Sequence[Supersedes]], Dataset]] = (
        field(default_factory=dict)
    )

    @property
    def every_series(self) -> Mapping[str, SeriesPlan]:
        """Kinds of objects that are always written, then those on request."""
        return {**self.series, **self.extras}

    @property
    def n_series_numbers(self) -> int:
        """Consecutive SeriesNumbers that the objects need that are always written."""
        return 1 + max(plan.offset for plan in self.series.values())
