"""Everything that is known about one study once it has been analysed, as one frozen value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from cvai.dicom.read.header.text import one_line
from cvai.dicom.read.patient import Patient
from cvai.dicom.read.reports.documents import NO_REPORTS, Reports
from cvai.dicom.read.values import Excluded, ImagePlane
from cvai.dicom.write.codes import MeasurementCoding
from cvai.domain.findings import Finding
from cvai.domain.impression import Impression
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.subject import Subject


@dataclass(frozen=True, slots=True)
class Verification:
    """A reader who has looked at an analysis and signed it.

    Args:
        name: DICOM person name of the reader.
        organization: for which they signed.
        at: when, with its time zone.
        changed: whether they corrected contours, phases or grades.
        digest: hex digest of all they decided, from which the signed objects' UIDs are derived.
        impression: what they conclude, None where they state nothing.

    Raises:
        ValueError: name or organization hold characters that no text of DICOM may hold.
    """

    name: str
    organization: str
    at: datetime
    changed: bool
    digest: str
    impression: Impression | None = None

    def __post_init__(self) -> None:
        if any(text != one_line(text) for text in (self.name, self.organization)):
            raise ValueError("a reader's name and organization hold no control characters")


class AnalysedImages(Protocol):
    """The images of an analysis, as results refer to them."""

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID of the first of them."""
        ...

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(z) source image of every frame."""
        ...

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """What was not analysed, with reasons."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Analysed(ABC):
    """What every analysis knows of a measured study; results are written from this and nothing else.

    Args:
        study_uid: StudyInstanceUID.
        patient: whose study it is; the only source of a patient's identity in results.
        measurements: in the order they are reported.
        findings: of input and result together.
        model: which model ran, or ``ModelIdentity.of_hand``.
        cvai_version: version of this package.
        timings_ms: duration of each stage so far, by its result.json name.
        subject: whose heart it is, as far as normal ranges and body size need to know.
        reports: what reports of other makers in the study state.
        verification: the reader who has signed it, None where unsigned.
        content: hex digest that tells it from other results of the same images, empty where there are none;
            see ``cvai.dicom.write.standing.revision``.
    """

    study_uid: str
    patient: Patient
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    model: ModelIdentity
    cvai_version: str
    timings_ms: Mapping[str, float]
    subject: Subject = field(default_factory=Subject)
    reports: Reports = NO_REPORTS
    verification: Verification | None = None
    content: str = ""

    @property
    def is_to_be_drawn(self) -> bool:
        """Whether a reader has yet to draw what is measured; before that there are no results to write."""
        return self.model.is_hand and self.verification is None

    @property
    def impression(self) -> Impression | None:
        """What the reader who has signed it concludes."""
        return None if self.verification is None else self.verification.impression

    @property
    @abstractmethod
    def kind(self) -> str:
        """Which kind of analysis, as the registry names it."""

    @property
    @abstractmethod
    def view(self) -> str:
        """What the images show, as in result.json."""

    @property
    @abstractmethod
    def images(self) -> AnalysedImages:
        """The source images."""

    @property
    @abstractmethod
    def key_frames(self) -> Mapping[str, int]:
        """0-based index of end-diastole (``ed``), end-systole (``es``) and the like, in time order."""

    @property
    def factors(self) -> Mapping[str, float]:
        """Positive numbers that measuring anew needs beside images and labels, by name: factors of the card
        that measurements were multiplied by, and the like."""
        return {}

    @property
    @abstractmethod
    def curves(self) -> Mapping[str, Sequence[float] | None]:
        """Curves over time by name, ``time_ms`` among them; None where one could not be made."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """How its numbers were measured, in sentences for readers."""
        return ()

    @abstractmethod
    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes."""

    def measurement(self, name: str) -> Measurement | None:
        """The measurement called ``name``, None where it was not made."""
        return next((m for m in self.measurements if m.name == name), None)


AnyAnalysed = TypeVar("AnyAnalysed", bound=Analysed)
