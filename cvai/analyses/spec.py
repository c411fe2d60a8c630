"""What an analysis is: the values and functions that everything else knows it by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.page import (
    Along,
    Curve,
    Headline,
    Layer,
    Live,
    Number,
    Overlay,
    Section,
    SlicePart,
    Statement,
    Table,
    Traces,
)
from cvai.analyses.shown import FewFrames, Preview, Redrawn, Scores, Shown, Wall
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.values import Excluded, ImagePlane, Study
from cvai.dicom.write.analysis import AnyAnalysed, Verification
from cvai.dicom.write.plan import ResultPlan, Segment
from cvai.domain.findings import Finding
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import ModelIdentity


class Model(Protocol):
    """A model that is ready to be used."""

    @property
    def identity(self) -> ModelIdentity:
        """Which one, and on what it runs."""
        ...


AnyModel = TypeVar("AnyModel", bound=Model)


class Reopened(Protocol):
    """An analysed study opened again, as a dataclass: the images that were measured, and what was drawn."""

    @property
    def study(self) -> Study:
        """The whole study."""
        ...

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(z) the images that were measured."""
        ...


AnyReopened = TypeVar("AnyReopened", bound=Reopened)

STACK = ""
"""In the place of a view where an analysis measures one stack of slices."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a reader has made of an analysis.

    Args:
        labels: (t, z, y, x) of all frames, by view; a loop has one slice.
        beats: end-diastole and end-systole of every beat that is measured, by view; one of a stack.
        model: which model had drawn the labels.
        verification: who has signed; None as long as it is a draft.
        factors: see ``Analysed.factors``.
        chosen: scores that they gave instead of the proposals, by name of the measurement.
    """

    labels: Mapping[str, NDArray[np.uint8]]
    beats: Mapping[str, tuple[KeyPhases, ...]]
    model: ModelIdentity
    verification: Verification | None
    factors: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, float] = field(default_factory=dict)

    @property
    def phases(self) -> KeyPhases:
        """End-diastole and end-systole of a stack."""
        return self.beats[STACK][0]


@dataclass(frozen=True, slots=True)
class Editing(Generic[AnyReopened, AnyAnalysed]):
    """How a reader corrects an analysis.

    Args:
        segmentations: kind of the object whose labels are corrected, by view or ``STACK``.
        segments: what may be labelled.
        labels: (t, z, y, x) as the model drew them, by view.
        remeasure: the analysis with what a reader has made of it; raises Refused where it is no heart.
        redraw: lines, beats and traces of loops after a correction, with the lines of these frames of each
            view alone; None for a stack.
        preview: what is shown of loops while a contour is dragged; raises Refused where it is no heart. None
            for a stack, whose pixels the page counts, see ``Live``.
        scores: measurements that a reader may give a score, and the scores there are.
        places: where a reader may draw what such a measurement is made between: least and largest value by
            name. What they draw is among the scores, as ``MEASUREMENT:PLACE``.
        needs_factors: whether results without ``factors``, of an older version, cannot be measured again.
        has_beats: whether a reader may choose end-diastole and end-systole; else they stay as found.
    """

    segmentations: Mapping[str, str]
    segments: tuple[Segment, ...]
    labels: Callable[[AnyReopened], Mapping[str, NDArray[np.uint8]]]
    remeasure: Callable[[AnyReopened, Correction], AnyAnalysed]
    redraw: Callable[[AnyAnalysed, Mapping[str, Collection[int]]], tuple[Redrawn, ...]] | None = None
    preview: Callable[[AnyReopened, FewFrames], Preview] | None = None
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    places: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    needs_factors: bool = False
    has_beats: bool = True


@dataclass(frozen=True, slots=True)
class PageSpec(Generic[AnyReopened]):
    """How the reader's page shows an analysis; what it shows is edited and signed where there is ``editing``.

    Args:
        viewer: ``stack``: slices over the phases of a heartbeat; or ``loops``: side by side.
        shown: the images, a ``ShownStack`` or ``ShownLoop`` as the viewer needs.
        layers: contours, the first one on top and chosen when a study is opened.
        curve: over the heartbeat; None where frames are no phases of one, or one of them alone was labelled.
        table: of measurements; None lists all of them.
        sections: more measurements, below the table.
        signed: numbers that are shown before a reader signs; empty shows all.
        live: what the page counts while a contour is dragged, before the server has measured it.
        crossings: title of the cines that cut through a stack, see ``ShownStack``; empty to show none.
        slice_parts: what a key puts into or takes out of the slice shown, in the phase shown.
        carried: along what a correction may be carried on to other frames.
        overlay: lines that loops have besides contours.
        traces: curves that loops have besides the one of their labels.
        impression: what the page proposes as impression before a reader signs; empty for no proposal.
        wall: numbers of the wall by segment, from all measurements; None where none are shown.
        scores: what a reader may score, from all measurements; None where nothing is.
        note: below the measurements.
        reasons: to reject it, to be chosen from.
    """

    viewer: Literal["stack", "loops"]
    shown: Callable[[AnyReopened], Shown]
    layers: tuple[Layer, ...]
    curve: Curve | None = None
    table: Table | None = None
    sections: tuple[Section, ...] = ()
    signed: tuple[Number, ...] = ()
    live: Live | None = None
    crossings: str = ""
    slice_parts: tuple[SlicePart, ...] = ()
    carried: tuple[Along, ...] = ()
    overlay: Overlay | None = None
    traces: Traces | None = None
    impression: tuple[Statement, ...] = ()
    wall: Callable[[Sequence[Measurement]], Wall] | None = None
    scores: Callable[[Sequence[Measurement]], Scores] | None = None
    note: str = ""
    reasons: tuple[str, ...] = ("Wrong series", "Contours do not follow the heart", "Image quality")


@dataclass(frozen=True, slots=True)
class Choosable:
    """What a person may have measured in the place of what an analysis chose: a series, a loop, or a frame.

    Args:
        still: (y, x) brightness of one image of what was left out, by SeriesInstanceUID, or SOPInstanceUID of
            a single loop; raises Refused where it shows none. None where nothing left out may be measured.
        what: whole series, single loops, or other frames of what was measured (``ShownLoop.chosen_from``).
        views: titles of those that a person may state where none was seen in a loop, by ``view``.
        by_hand: codes of the refusals in spite of which a reader may draw on the images themselves.
    """

    still: Callable[[Study, str], NDArray[np.uint8]] | None = None
    what: Literal["series", "loop", "frame"] = "series"
    views: Mapping[str, str] = field(default_factory=dict)
    by_hand: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an analysis would measure of a study, from its headers.

    Args:
        chosen: which images, in words.
        candidates: what was compared, the preferred one first; empty where there was one.
        findings: what a reader should know about the input.
        excluded: what is left out, with reasons.
    """

    chosen: str
    candidates: tuple[str, ...]
    findings: tuple[Finding, ...]
    excluded: tuple[Excluded, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A number of evaluation.json that says how good a model is.

    Args:
        title: for readers, with its unit.
        path: keys of the number in evaluation.json.
        decimals: digits after the point.
    """

    title: str
    path: tuple[str, ...]
    decimals: int = 2

    def of(self, evaluation: Mapping[str, Any]) -> float | None:
        """The number; None where the evaluation has it not.

        >>> Accuracy("Dice", ("dice", "value")).of({"dice": {"value": 0.9}})
        0.9
        """
        found = _at(evaluation, self.path)
        return float(found) if isinstance(found, int | float) else None

    def interval_of(self, evaluation: Mapping[str, Any]) -> tuple[float, float] | None:
        """The 95 % interval beside the number; None where there is none.

        >>> Accuracy("Dice", ("dice", "value")).interval_of({"dice": {"value": 0.9, "interval": [0.8, 1.0]}})
        (0.8, 1.0)
        """
        found = _at(evaluation, (*self.path[:-1], "interval"))
        return (float(found[0]), float(found[1])) if isinstance(found, list) else None


def _at(evaluation: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = evaluation
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


@dataclass(frozen=True, slots=True)
class AnalysisSpec(Generic[AnyModel, AnyReopened, AnyAnalysed]):
    """One kind of analysis.

    Args:
        kind: stable name, as in result.json, jobs and metrics.
        title: for readers.
        modality: of the images that it measures.
        sop_classes: of these images; an archive's list of a study tells whether it may apply.
        views: names for what it measures, by ``view`` in result.json.
        model: name of the installed model; None where rules measure, without one.
        card_view: ``view`` of the cards of models that fit; empty without a model.
        load: opens a model folder: threads, provider, images at a time on a device; None without a model.
        explain: what would be measured; raises Refused.
        analyse: from a study to what was measured; raises Refused.
        segment: labels of an array of images of this kind, with the model: pixels and their spacing in mm.
        results: how results are written.
        reopen: an analysed study as it was read for its analysis, with the labels of its segmentations by
            their kind; raises Refused where they were drawn on other images.
        editing: how it is corrected; None where nothing can be.
        headline: the measurement that lists, trends and agreement go by; None without one.
        labels: their names in data sets of reviewed studies; empty where no such data set is exported.
        compared: names of the measurements by which models and readers are compared.
        accuracy: how good its model is, for lists of models.
        page: how the page shows its images; None where it shows numbers and report alone.
        choosable: what a person may have measured instead, see ``Study.chosen``; None for nothing.
        concerns: whether a study of the modality may hold what it measures, whole or spoiled. A study without
            is nothing to do for the analysis; it is not refused.

    Raises:
        ValueError: a layer that can be edited has a label that is no segment of ``editing``.
    """

    kind: str
    title: str
    modality: str
    sop_classes: frozenset[str]
    views: Mapping[str, str]
    model: str | None
    card_view: str
    load: Callable[[Path, int, str, int | None], AnyModel] | None
    explain: Callable[[Study], Explanation]
    analyse: Callable[[Study, AnyModel, Stopwatch], AnyAnalysed]
    segment: Callable[[AnyModel, NDArray[np.number[Any]], tuple[float, ...]], NDArray[np.uint8]] | None
    results: ResultPlan[AnyAnalysed]
    reopen: Callable[[Study, Mapping[str, Path]], AnyReopened]
    editing: Editing[AnyReopened, AnyAnalysed] | None = None
    headline: Headline | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    compared: tuple[str, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()
    page: PageSpec[AnyReopened] | None = None
    choosable: Choosable | None = None
    concerns: Callable[[Study], bool] = lambda _: True

    def __post_init__(self) -> None:
        if self.editing is None or self.page is None:
            return
        known = {None, 0, *(segment.number for segment in self.editing.segments)}
        for layer in (layer for layer in self.page.layers if layer.editable):
            if unknown := {*layer.labels, layer.leaves} - known:
                raise ValueError(f"layer {layer.name} of {self.kind} has labels without a segment: {unknown}")

    def applies_to(self, study: Study) -> bool:
        """Whether the study has images that it may measure."""
        return self.has_modality_in(study) and self.concerns(study)

    def has_modality_in(self, study: Study) -> bool:
        """Whether the study has images of its modality, or such as say nothing of what made them."""
        return any(
            modality_of(plane.header) in (self.modality, "")
            for series in study.series
            for plane in series.planes
        )
