"""What an analysis is: the values and functions that everything else knows it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.shown import Shown
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.values import Excluded, ImagePlane, Study
from cvai.dicom.write.analysis import AnyAnalysed, Verification
from cvai.dicom.write.plan import ResultPlan, Segment
from cvai.domain.findings import Finding
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
    """An analysed study opened again: the images that were measured, and what was drawn on them."""

    @property
    def study(self) -> Study:
        """The whole study."""
        ...

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(z) the images that were measured."""
        ...


AnyReopened = TypeVar("AnyReopened", bound=Reopened)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a reader has made of an analysis.

    Args:
        labels: (t, z, y, x) of all frames.
        phases: end-diastole and end-systole.
        model: which model had drawn the labels.
        verification: who has signed.
    """

    labels: NDArray[np.uint8]
    phases: KeyPhases
    model: ModelIdentity
    verification: Verification


@dataclass(frozen=True, slots=True)
class Editing(Generic[AnyReopened, AnyAnalysed]):
    """How a reader corrects an analysis.

    Args:
        segmentation: kind of the object whose labels are corrected.
        segments: what may be labelled.
        labels: (t, z, y, x) as the model drew them.
        remeasure: the analysis with what a reader has made of it.
    """

    segmentation: str
    segments: tuple[Segment, ...]
    labels: Callable[[AnyReopened], NDArray[np.uint8]]
    remeasure: Callable[[AnyReopened, Correction], AnyAnalysed]


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
        load: opens a model folder: threads, provider; None without a model.
        explain: what would be measured; raises Refused.
        analyse: from a study to what was measured; raises Refused.
        segment: labels of an array of images of this kind, with the model: pixels and their spacing in mm.
        results: how results are written.
        reopen: an analysed study as it was read for its analysis, with the labels of its segmentations by
            their kind; raises Refused where they were drawn on other images.
        editing: how it is corrected; None where nothing can be.
        headline: name of the measurement that lists, trends and drift go by.
        viewer: of the page: ``cine`` or ``loops``, empty where it shows numbers and report alone.
        shown: the images that the viewer shows, ``ShownCine`` or ``ShownLoop``; None without a viewer.
    """

    kind: str
    title: str
    modality: str
    sop_classes: frozenset[str]
    views: Mapping[str, str]
    model: str | None
    card_view: str
    load: Callable[[Path, int, str], AnyModel] | None
    explain: Callable[[Study], Explanation]
    analyse: Callable[[Study, AnyModel, Stopwatch], AnyAnalysed]
    segment: Callable[[AnyModel, NDArray[np.number[Any]], tuple[float, ...]], NDArray[np.uint8]] | None
    results: ResultPlan[AnyAnalysed]
    reopen: Callable[[Study, Mapping[str, Path]], AnyReopened]
    editing: Editing[AnyReopened, AnyAnalysed] | None = None
    headline: str = ""
    viewer: Literal["cine", "loops", ""] = ""
    shown: Callable[[AnyReopened], Shown] | None = None

    def applies_to(self, study: Study) -> bool:
        """Whether the study has images that it may measure, or such as say nothing of what made them."""
        return any(
            modality_of(plane.header) in (self.modality, "")
            for series in study.series
            for plane in series.planes
        )
