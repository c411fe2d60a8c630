"""Everything that is known about one ultrasound study once it has been analysed, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvai.heart.echo import EchoView
from cvai.heart.echo_function import KeyDiscs
from cvai.heart.findings import Finding
from cvai.heart.loop import LoopSegmentation
from cvai.heart.measurement import Measurement
from cvai.heart.phases import KeyPhases
from cvai.heart.segmentation import ModelIdentity
from cvai.heart.subject import Subject
from cvai.results.analysis import Verification
from cvai.study.patient import Patient
from cvai.study.ultrasound import AssembledLoop
from cvai.study.values import ImagePlane, PassedOver

BIPLANE = "biplane"


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredLoop:
    """One loop with what was found in it.

    Args:
        source: the loop and its source images.
        segmentation: labels on the loop's grid; its view is an apical one.
        beats: every beat that was measured, at least one.
        discs: the discs of every beat, in mm where the pixels have a size, else in pixels.

    Raises:
        ValueError: there is no beat, or beats and discs differ in number.
    """

    source: AssembledLoop
    segmentation: LoopSegmentation
    beats: tuple[KeyPhases, ...]
    discs: tuple[KeyDiscs, ...]

    def __post_init__(self) -> None:
        if not self.beats or len(self.beats) != len(self.discs):
            raise ValueError(f"{len(self.beats)} beats with {len(self.discs)} stacks of discs")

    @property
    def view(self) -> EchoView:
        """Which apical view it is."""
        return self.segmentation.view

    @property
    def contradicts_its_header(self) -> bool:
        """Whether the loop is stated to show the other apical view."""
        stated = self.source.stated_view
        return stated is not None and stated.view is not self.view


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedLoops:
    """The loops of an analysis as results refer to their images.

    Args:
        loops: four-chamber view first.
        passed_over: every series or loop that was not analysed, with the reason.
    """

    loops: tuple[AssembledLoop, ...]
    passed_over: tuple[PassedOver, ...]

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID of the first loop."""
        return self.loops[0].series_uid

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(1) source image of every frame, loop after loop."""
        return tuple((image,) for loop in self.loops for image in loop.images)


@dataclass(frozen=True, slots=True, eq=False)
class EchoAnalysis:
    """A measured ultrasound study; SEG, SR, PDF and result.json are written from this and nothing else.

    Args:
        study_uid: StudyInstanceUID.
        patient: whose study it is.
        loops: one for each view, four-chamber view first.
        measurements: in the order they are reported.
        findings: of input and result together.
        passed_over: what was not analysed, with reasons.
        model: which model ran.
        cvai_version: version of this package.
        timings_ms: duration of each stage so far, by its result.json name.
        subject: whose heart it is, as far as normal ranges and body size need to know.
        verification: the reader who has signed it, None where nobody has.
        content: hex digest that tells it from other results of the same images, empty where there are none.
        esv_factor: what the end-systolic volume of the discs was multiplied by; see docs/echo.md.

    Raises:
        ValueError: no loop, or two of one view.
    """

    study_uid: str
    patient: Patient
    loops: tuple[MeasuredLoop, ...]
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    passed_over: tuple[PassedOver, ...]
    model: ModelIdentity
    cvai_version: str
    timings_ms: dict[str, float]
    subject: Subject = field(default_factory=Subject)
    verification: Verification | None = None
    content: str = ""
    esv_factor: float = 1.0

    def __post_init__(self) -> None:
        views = [loop.view for loop in self.loops]
        if not views or len(set(views)) != len(views):
            raise ValueError(f"loops must show different views, got {views}")

    @property
    def view(self) -> str:
        """As in result.json: ``a4c``, ``a2c`` or ``biplane``."""
        return BIPLANE if len(self.loops) > 1 else self.loops[0].view.value

    @property
    def cine(self) -> AnalysedLoops:
        """The source images."""
        return AnalysedLoops(tuple(loop.source for loop in self.loops), self.passed_over)

    @property
    def correction(self) -> str | None:
        """In words what was done to the volume of the discs, None where nothing was."""
        if self.esv_factor == 1.0:
            return None
        return (
            f"The end-systolic volume is that of the discs drawn times {self.esv_factor:.3f}, which makes "
            "ejection fractions right on average where they are known."
        )

    @property
    def calibrated(self) -> bool:
        """Whether the pixels of every loop have a size, so that there are volumes."""
        return all(loop.source.loop.spacing_mm is not None for loop in self.loops)

    def measurement(self, name: str) -> Measurement | None:
        """The measurement called ``name``, None where it was not made."""
        return next((m for m in self.measurements if m.name == name), None)
