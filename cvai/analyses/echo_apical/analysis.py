"""Everything that is known about one ultrasound study once it has been analysed, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from cvai.analyses.echo_apical.codes import echo_coding
from cvai.dicom.read.ultrasound.loops import AssembledLoop
from cvai.dicom.read.values import Excluded, ImagePlane
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import MeasurementCoding
from cvai.domain.anatomy import Structure
from cvai.domain.echo.atrium import KeyAtria
from cvai.domain.echo.function import KeyDiscs, volume_curve_by_area_ml
from cvai.domain.echo.loop import LoopSegmentation
from cvai.domain.echo.simpson import DiscStack
from cvai.domain.echo.strain import NOT_MEASURED, LoopStrain
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Finding
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases

KIND = "echo_apical"
BIPLANE = "biplane"
ESV, EF_OWN_LENGTH = "lv_esv", "lv_ef_own_length"
DISC_HEIGHT = say(
    "Method of discs, 20 discs; all discs of all views and phases have the height of the longest long axis "
    "over 20. Ejection fractions with a height for each phase are about 8 points higher."
)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredLoop:
    """One loop with what was found in it.

    Args:
        source: the loop and its source images.
        segmentation: labels on the loop's grid; its view is an apical one.
        beats: every beat that was measured, at least one.
        discs: the discs of every beat, in mm where the pixels have a size, else in pixels; empty where a
            reader has not drawn the ventricle in both phases.
        atria: the left atrium of every beat in which it was measured; empty where it was not.
        strain: of its borders; withheld with a reason.
        hidden: what hides the ventricle in the image, see ``hidden_findings``.
        is_sparse: whether a reader has drawn single frames alone, so that nothing is known over time.

    Raises:
        ValueError: there is no beat, or beats and discs differ in number.
    """

    source: AssembledLoop
    segmentation: LoopSegmentation
    beats: tuple[KeyPhases, ...]
    discs: tuple[KeyDiscs, ...]
    atria: tuple[KeyAtria, ...] = ()
    strain: LoopStrain = NOT_MEASURED
    hidden: tuple[Finding, ...] = ()
    is_sparse: bool = False

    def __post_init__(self) -> None:
        has_discs = bool(self.discs) or not self.is_sparse
        if not self.beats or (has_discs and len(self.beats) != len(self.discs)):
            raise ValueError(f"{len(self.beats)} beats with {len(self.discs)} stacks of discs")

    @property
    def view(self) -> EchoView:
        """Which apical view it is."""
        return self.segmentation.view

    @property
    def first_atrium(self) -> DiscStack | None:
        """The left atrium at the first end-systole; None where it was not measured there."""
        return next((a.largest for a in self.atria if a.end_systole == self.beats[0].end_systole), None)

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
        excluded: every series or loop that was not analysed, with the reason.
    """

    loops: tuple[AssembledLoop, ...]
    excluded: tuple[Excluded, ...]

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID of the first loop."""
        return self.loops[0].series_uid

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(1) source image of every frame, loop after loop."""
        return tuple((image,) for loop in self.loops for image in loop.images)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EchoAnalysis(Analysed):
    """Measured apical loops.

    Args:
        loops: one for each view, four-chamber view first.
        excluded: what was not analysed, with reasons.
        esv_factor: what the end-systolic volume of the discs was multiplied by; see docs/explanation/echo.md.

    Raises:
        ValueError: no loop, or two of one view.
    """

    loops: tuple[MeasuredLoop, ...]
    excluded: tuple[Excluded, ...]
    esv_factor: float = 1.0

    def __post_init__(self) -> None:
        views = [loop.view for loop in self.loops]
        if not views or len(set(views)) != len(views):
            raise ValueError(f"loops must show different views, got {views}")

    @property
    def kind(self) -> str:
        """As the registry names it."""
        return KIND

    @property
    def view(self) -> str:
        """``a4c``, ``a2c`` or ``biplane``."""
        return BIPLANE if len(self.loops) > 1 else self.loops[0].view.value

    @property
    def images(self) -> AnalysedLoops:
        """The source images."""
        return AnalysedLoops(tuple(loop.source for loop in self.loops), self.excluded)

    @property
    def correction(self) -> str | None:
        """In words what was done to the volume of the discs, None where nothing was."""
        if self.esv_factor == 1.0:
            return None
        return say(
            "The end-systolic volume is that of the discs drawn times {factor:.3f}, which makes "
            "ejection fractions right on average where they are known.",
            factor=self.esv_factor,
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """The convention of the discs, and what was done to their volume."""
        return (DISC_HEIGHT,) if self.correction is None else (DISC_HEIGHT, self.correction)

    @property
    def factors(self) -> dict[str, float]:
        """That of the end-systolic volume, where it was corrected."""
        return {} if self.esv_factor == 1.0 else {ESV: self.esv_factor}

    @property
    def calibrated(self) -> bool:
        """Whether the pixels of every loop have a size, so that there are volumes."""
        return all(loop.source.loop.spacing_mm is not None for loop in self.loops)

    @property
    def key_frames(self) -> dict[str, int]:
        """Frames of the first loop in its first beat."""
        beat = self.loops[0].beats[0]
        return {"ed": beat.end_diastole, "es": beat.end_systole}

    @property
    def curves(self) -> dict[str, list[float] | None]:
        """Volumes of the first loop by area and length, where its pixels have a size; strain of every loop.

        Loops have times of their own: ``strain_..._a2c_percent`` goes with ``time_a2c_ms``.
        """
        loop = self.loops[0]
        spacing_mm, times_ms = loop.source.loop.spacing_mm, loop.source.loop.times_ms
        volumes_ml = atrium_ml = None
        if spacing_mm is not None and not loop.is_sparse:
            length_mm = max(stack.axis.length_mm for discs in loop.discs for stack in discs.both)
            area_px = loop.segmentation.area_curve_px(Structure.LV_CAVITY)
            volumes_ml = volume_curve_by_area_ml(area_px, spacing_mm, length_mm).tolist()
        if spacing_mm is not None and loop.atria and not loop.is_sparse:
            length_mm = max(atria.largest.axis.length_mm for atria in loop.atria)
            area_px = loop.segmentation.area_curve_px(Structure.LEFT_ATRIUM)
            atrium_ml = volume_curve_by_area_ml(area_px, spacing_mm, length_mm).tolist()
        return {
            "time_ms": None if times_ms is None else times_ms.tolist(),
            "lv_ml": volumes_ml,
            "la_ml": atrium_ml,
            "rv_ml": None,
            **{name: curve for of in self.loops for name, curve in _strain_curves(of).items()},
        }

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes: names say view and method."""
        return echo_coding(self.view)(name)


def _strain_curves(loop: MeasuredLoop) -> dict[str, list[float] | None]:
    if not loop.strain.curves_percent:
        return {}
    times_ms = loop.source.loop.times_ms
    return {
        f"time_{loop.view}_ms": None if times_ms is None else times_ms.tolist(),
        **{
            f"strain_{layer}_{loop.view}_percent": curve.tolist()
            for layer, curve in loop.strain.curves_percent.items()
        },
    }
