"""Everything that is known about one study once it has been analysed, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvai.errors import Refused
from cvai.heart.findings import Finding
from cvai.heart.measurement import Measurement
from cvai.heart.phases import KeyPhases
from cvai.heart.segmentation import CineSegmentation, ModelIdentity
from cvai.heart.subject import Subject
from cvai.study.patient import Patient
from cvai.study.text import one_line
from cvai.study.values import AssembledCine, ImagePlane, PassedOver


@dataclass(frozen=True, slots=True)
class Verification:
    """A reader who has looked at an analysis and signed it.

    Args:
        name: DICOM person name of the reader.
        organization: for which they signed.
        at: when, with its time zone.
        changed: whether they corrected contours or phases.
        digest: hex digest of all they decided, from which the signed objects' UIDs are derived.

    Raises:
        ValueError: name or organization hold characters that no text of DICOM may hold.
    """

    name: str
    organization: str
    at: datetime
    changed: bool
    digest: str

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
    def passed_over(self) -> tuple[PassedOver, ...]:
        """What was not analysed, with reasons."""
        ...


class Analysed(Protocol):
    """What every result needs to know of a measured study, whatever it was measured from."""

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID."""
        ...

    @property
    def patient(self) -> Patient:
        """Whose study it is; the only source of a patient's identity in results."""
        ...

    @property
    def view(self) -> str:
        """As in result.json."""
        ...

    @property
    def cine(self) -> AnalysedImages:
        """The source images."""
        ...

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """In the order they are reported."""
        ...

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of input and result together."""
        ...

    @property
    def model(self) -> ModelIdentity:
        """Which model ran."""
        ...

    @property
    def cvai_version(self) -> str:
        """Version of this package."""
        ...

    @property
    def verification(self) -> Verification | None:
        """The reader who has signed it, None where nobody has."""
        ...

    @property
    def content(self) -> str:
        """Hex digest that tells it from other results of the same images; see ``cvai.results.revision``."""
        ...

    def measurement(self, name: str) -> Measurement | None:
        """The measurement called ``name``, None where it was not made."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A measured study; SEG, SR, PDF and result.json are written from this and nothing else.

    Args:
        study_uid: StudyInstanceUID.
        patient: whose study it is.
        view: ``sax_cine``.
        cine: the assembled cine with its sources.
        segmentation: labels on the cine's grid.
        phases: end-diastole and end-systole.
        lv_curve_ml: (t,) LV cavity volume.
        rv_curve_ml: (t,) RV cavity volume.
        measurements: in the order they are reported.
        findings: of input and result together.
        model: which model ran.
        cvai_version: version of this package.
        timings_ms: duration of each stage so far, by its result.json name.
        subject: whose heart it is, as far as normal ranges and body size need to know.
        verification: the reader who has signed it, None where nobody has.
        content: hex digest that tells it from other results of the same images, empty where there are none.
    """

    study_uid: str
    patient: Patient
    view: str
    cine: AssembledCine
    segmentation: CineSegmentation
    phases: KeyPhases
    lv_curve_ml: NDArray[np.float64]
    rv_curve_ml: NDArray[np.float64]
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    model: ModelIdentity
    cvai_version: str
    timings_ms: dict[str, float]
    subject: Subject = field(default_factory=Subject)
    verification: Verification | None = None
    content: str = ""

    def measurement(self, name: str) -> Measurement | None:
        """The measurement called ``name``, None where it was not made."""
        return next((m for m in self.measurements if m.name == name), None)


@dataclass(frozen=True, slots=True, eq=False)
class RefusedAnalysis:
    """A study that was not measured, and why."""

    study_uid: str | None
    refusal: Refused
    passed_over: tuple[PassedOver, ...]
    cvai_version: str
    timings_ms: dict[str, float]
