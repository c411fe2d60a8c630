"""Everything that is known about a study of coronary angiography once it has been analysed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.coronary.codes import coronary_coding
from cvai.analyses.coronary.seen import SeenPlace, kept_factors
from cvai.dicom.read.angiography.runs import AssembledRun
from cvai.dicom.read.values import Excluded, ImagePlane
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import MeasurementCoding
from cvai.domain.message import Message, joined, say, term
from cvai.domain.vessels.diameters import DiameterProfile
from cvai.domain.vessels.narrowings import DrawnLesion, Grade, Narrowing, grade_of, reference_diameter_px
from cvai.domain.vessels.segments import RIGHT_SEGMENTS, CoronarySegment

KIND = "coronary"


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """A narrowing in a run.

    Args:
        narrowing: what was measured, of the stretch that a reader draws where they draw one.
        profile: of the vessel that it is in.
        segment: in which it is narrowest.
        probability: the network's highest probability of a stenosis within it, 0..1.
        seen_at: (y, x) of the pixel that has it.
        given_percent: diameter stenosis that a reader gives, 0 where they see none; None as measured.
        found: as the analysis measured it; None of one that a reader has added.
        drawn: its stretch and edges as a reader draws them; None as they were found.
        added: its number, of one that a reader has added; 0 of others, which their severity numbers.
    """

    narrowing: Narrowing
    profile: DiameterProfile
    segment: CoronarySegment
    probability: float
    seen_at: tuple[int, int]
    given_percent: float | None = None
    found: Narrowing | None = None
    drawn: DrawnLesion | None = None
    added: int = 0

    @property
    def is_of_reader(self) -> bool:
        """Whether a reader has given, drawn or added it."""
        return self.given_percent is not None or self.drawn is not None

    @property
    def reference_px(self) -> NDArray[np.float64]:
        """(n,) reference diameter along this vessel; NaN where it is not known."""
        if self.drawn is None:
            return reference_diameter_px(self.profile)
        if self.drawn.reference is not None:
            return np.full(len(self.profile.diameter_px), self.drawn.reference.diameter_px)
        return reference_diameter_px(self.profile, (self.drawn.first, self.drawn.last))

    @property
    def percent(self) -> float:
        """Percent diameter stenosis: what a reader gives, else what was measured."""
        return self.narrowing.percent if self.given_percent is None else self.given_percent

    @property
    def grade(self) -> Grade:
        """By the percent."""
        return grade_of(self.percent)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredRun:
    """A run with what was found in its best frame.

    Args:
        source: the run and its source images.
        frame: 0-based, the one that was measured.
        labels: (y, x) values of CORONARY_LABELS in this frame.
        lesions: severest first, as they were measured; then those that a reader has added.
        lesser_percent: the largest of narrowings that are no lesions; 0 where there is none.
        suspected: number of places that the network takes for a stenosis and no profile shows.
        blur_px: standard deviation of the frame's blur, None where too few vessels show it.

    Raises:
        ValueError: the labels are not of the frame's size.
    """

    source: AssembledRun
    frame: int
    labels: NDArray[np.uint8]
    lesions: tuple[Lesion, ...]
    lesser_percent: float
    suspected: int
    blur_px: float | None

    def __post_init__(self) -> None:
        if self.labels.shape != self.source.run.field.shape:
            raise ValueError(f"labels {self.labels.shape} of frames {self.source.run.field.shape}")
        self.labels.setflags(write=False)

    @property
    def largest_percent(self) -> float:
        """Of all narrowings, those that are no lesions among them; 0 where there is none."""
        return max([self.lesser_percent, *(lesion.percent for lesion in self.lesions)])

    @property
    def image(self) -> ImagePlane:
        """Source of the measured frame."""
        return self.source.images[self.frame]

    @property
    def artery(self) -> str:
        """``left`` or ``right``: which has more labelled pixels."""
        return artery_of(self.labels)


def artery_of(labels: NDArray[np.uint8]) -> str:
    """``left`` or ``right`` coronary artery, by the numbers of pixels."""
    counts = np.bincount(labels.ravel(), minlength=len(CoronarySegment) + 1)[1:]
    right = sum(
        int(n) for segment, n in zip(CoronarySegment, counts, strict=True) if segment in RIGHT_SEGMENTS
    )
    return "right" if right * 2 > int(counts.sum()) else "left"


@dataclass(frozen=True, slots=True, eq=False)
class NumberedLesion:
    """A lesion with its run; 1 is the severest of the study, as they were found."""

    number: int
    run: MeasuredRun
    lesion: Lesion


def numbered(runs: Sequence[MeasuredRun]) -> tuple[NumberedLesion, ...]:
    """Every lesion of a study by its number: severest first as they were found, then those of a reader.

    What a reader gives does not renumber them.
    """
    pairs = [(run, lesion) for run in runs for lesion in run.lesions]
    pairs.sort(key=lambda pair: (pair[1].added, -(pair[1].found or pair[1].narrowing).percent))
    return tuple(
        NumberedLesion(lesion.added or number, run, lesion)
        for number, (run, lesion) in enumerate(pairs, start=1)
    )


def standing(runs: Sequence[MeasuredRun]) -> tuple[NumberedLesion, ...]:
    """The lesions, severest first as they stand, without those that a reader takes for none."""
    lesions = (found for found in numbered(runs) if found.lesion.given_percent != 0.0)
    return tuple(sorted(lesions, key=lambda found: -found.lesion.percent))


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedRuns:
    """The measured frames as results refer to them.

    Args:
        runs: in the order they were made.
        excluded: every series or run that was not analysed, with the reason.
    """

    runs: tuple[MeasuredRun, ...]
    excluded: tuple[Excluded, ...]

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID of the first run."""
        return self.runs[0].source.series_uid

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(1) the measured frame of each run."""
        return tuple((run.image,) for run in self.runs)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CoronaryAnalysis(Analysed):
    """Measured runs.

    Args:
        runs: in the order they were made.
        excluded: what was not analysed, with reasons.

    Raises:
        ValueError: there is no run.
    """

    runs: tuple[MeasuredRun, ...]
    excluded: tuple[Excluded, ...]

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("an analysis has a run")

    @property
    def kind(self) -> str:
        """As the registry names it."""
        return KIND

    @property
    def view(self) -> str:
        """``coronary_left``, ``coronary_right``, or ``coronary`` where both arteries are drawn or none."""
        arteries = {run.artery for run in self.runs if run.labels.any()}
        return f"{KIND}_{arteries.pop()}" if len(arteries) == 1 else KIND

    @property
    def images(self) -> AnalysedRuns:
        """The source images."""
        return AnalysedRuns(self.runs, self.excluded)

    @property
    def lesions(self) -> tuple[NumberedLesion, ...]:
        """See ``standing``."""
        return standing(self.runs)

    @property
    def factors(self) -> dict[str, float]:
        """What the network has seen, which measuring anew cannot know from images and labels."""
        places = (
            SeenPlace(number, lesion.seen_at, lesion.probability)
            for number, run in enumerate(self.runs, start=1)
            for lesion in run.lesions
            if lesion.probability > 0
        )
        return kept_factors(places, [run.suspected for run in self.runs])

    @property
    def remarks(self) -> tuple[str, ...]:
        """Which percentages and edges are a reader's own."""
        of_reader = [found for found in numbered(self.runs) if found.lesion.is_of_reader]
        given = [_in_words(f) for f in of_reader if f.lesion.given_percent is not None]
        drawn = [_in_words(f) for f in of_reader if f.lesion.given_percent is None]
        remarks = []
        if given:
            remarks.append(say("Stenoses as a reader has given them: {given}.", given=joined("; ", given)))
        if drawn:
            remarks.append(say("Measured where a reader has drawn them: {drawn}.", drawn=joined("; ", drawn)))
        return tuple(remarks)

    @property
    def key_frames(self) -> dict[str, int]:
        """The measured frame of each run."""
        return {f"run_{number}": run.frame for number, run in enumerate(self.runs, start=1)}

    @property
    def curves(self) -> dict[str, list[float] | None]:
        """None: runs differ in their times."""
        return {"time_ms": None}

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes; its site is the lesion's segment."""
        lesions = {f.number: f.lesion for f in numbered(self.runs)}
        segments = {number: lesion.segment for number, lesion in lesions.items()}
        drawn = {n for n, lesion in lesions.items() if lesion.drawn is not None and lesion.drawn.reference}
        return coronary_coding(name, segments, drawn)


def _in_words(found: NumberedLesion) -> Message:
    """What a reader makes of a lesion, and what was measured."""
    lesion = found.lesion
    measured = say("added")
    if lesion.found is not None:
        measured = say("measured {measured:.0f} %", measured=lesion.found.percent)
    return say(
        "lesion {number}, {segment}, {given} ({measured})",
        number=found.number,
        segment=term(lesion.segment.display_name),
        given=say("none") if lesion.given_percent == 0.0 else say("{percent:.0f} %", percent=lesion.percent),
        measured=measured,
    )
