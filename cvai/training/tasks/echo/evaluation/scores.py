"""A model for apical views against contours and ejection fractions of patients it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.atrium import (
    AtrialVolumes,
    KeyAtria,
    atrial_stack,
    biplane_atrial_volumes,
    monoplane_atrial_volumes,
)
from cvai.domain.echo.doubt import volume_doubts
from cvai.domain.echo.function import KeyDiscs, Volumes, biplane_volumes, monoplane_volumes
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.quality import is_atrium_cut
from cvai.domain.echo.sector import sector_of_frame
from cvai.domain.echo.simpson import DiscStack, disc_stack
from cvai.domain.echo.strain import Layer, border_lengths_mm
from cvai.domain.echo.views import EchoView
from cvai.domain.phases import KeyPhases
from cvai.errors import HeartRefused
from cvai.training.evaluation.distances import dice
from cvai.training.tasks.echo.camus import PHASES, LabelledFrame
from cvai.training.tasks.echo.reference import PatientReference


class LabelsLoops(Protocol):
    """What is evaluated."""

    def segment(self, loop: EchoLoop) -> LoopSegmentation:
        """Label every frame and name the view, or raise HeartRefused."""
        ...


FOUR, TWO = _VIEWS = (EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER)
DIASTOLE, SYSTOLE = PHASES
BIPLANE = "biplane"
_METHOD_VIEWS: Mapping[str, tuple[EchoView, ...]] = MappingProxyType(
    {BIPLANE: _VIEWS, FOUR.value: (FOUR,), TWO.value: (TWO,)}
)
_NO_SIZE = (1.0, 1.0)
"""Where a patient's frames have no known size; ejection fractions depend on their proportions only."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameSeen:
    """What is measured of one frame besides the ventricle's discs.

    Args:
        atrium: discs of the left atrium, None where it was not found.
        is_atrium_cut: whether the sector cuts it off, so that it is not measured in a study.
        borders_mm: length of every layer's border; empty where there is no mitral plane.
    """

    atrium: DiscStack | None
    is_atrium_cut: bool
    borders_mm: Mapping[Layer, float]


@dataclass(frozen=True, slots=True, eq=False)
class FrameScore:
    """One frame.

    Args:
        patient: id in the data set.
        view: which view it is.
        phase: ``ED`` or ``ES``.
        image_quality: as the data set states it.
        named: the view the model names, None where it found no heart.
        dice: of every structure.
        discs: of the model's labels, None where they have no mitral plane.
        reference_discs: of the reference labels.
        seen: left atrium and borders of the model's labels.
        reference_seen: of the reference labels.
        doubt: what the model leaves open of the cavity, as a share of it.
    """

    patient: str
    view: EchoView
    phase: str
    image_quality: str
    named: EchoView | None
    dice: Mapping[Structure, float]
    discs: DiscStack | None
    reference_discs: DiscStack
    seen: FrameSeen
    reference_seen: FrameSeen
    doubt: float


@dataclass(frozen=True, slots=True)
class PatientScore:
    """One patient.

    Args:
        patient: id in the data set.
        image_quality: as the data set states it.
        stated_ef_percent: the data set's ejection fraction.
        measured: by ``biplane``, ``a4c`` and ``a2c``, as far as both phases could be measured.
        reference: the same from the reference contours.
        atria: left atria by ``biplane``, ``a4c`` and ``a2c``, the model's and the reference's, where the
            model's is not cut off by the sector; empty where the frames have no known size.
        n_cut: views whose atrium is cut off by the sector.
        strain: by layer and by ``biplane``, ``a4c`` and ``a2c``, the model's and the reference's from
            end-diastole to end-systole, in percent.
        doubts: by ``biplane``, ``a4c`` and ``a2c`` those of ``volume_doubts``.
    """

    patient: str
    image_quality: str
    stated_ef_percent: float
    measured: Mapping[str, Volumes]
    reference: Mapping[str, Volumes]
    atria: Mapping[str, tuple[AtrialVolumes, AtrialVolumes]]
    n_cut: int
    strain: Mapping[Layer, Mapping[str, tuple[float, float]]]
    doubts: Mapping[str, Mapping[str, float]]


def still(frame: LabelledFrame) -> EchoLoop:
    """One frame as a loop of one, as ``cvai segment`` makes it."""
    return EchoLoop(frame.image[None], sector_of_frame(frame.image), None, None, None)


def score_frame(frame: LabelledFrame, patient: PatientReference, segmenter: LabelsLoops) -> FrameScore:
    """Label one frame and compare."""
    try:
        segmentation = segmenter.segment(still(frame))
    except HeartRefused:
        labels, named, doubt = np.zeros_like(frame.labels), None, 1.0
    else:
        labels, named, doubt = segmentation.labels[0], segmentation.view, _doubt(segmentation)
    spacing_mm = patient.spacing_mm(frame.labels.shape) or _NO_SIZE
    loop = still(frame)
    return FrameScore(
        patient=frame.patient,
        view=frame.view,
        phase=frame.phase,
        image_quality=patient.image_quality,
        named=named,
        dice={s: _dice(labels == value, frame.labels == value) for s, value in ECHO_LABELS.items()},
        discs=_discs(labels, spacing_mm),
        reference_discs=disc_stack(frame.labels, spacing_mm),
        seen=_seen(loop, labels, spacing_mm),
        reference_seen=_seen(loop, frame.labels, spacing_mm),
        doubt=doubt,
    )


def _doubt(segmentation: LoopSegmentation) -> float:
    """1 where it is not shown: nothing is known then."""
    return 1.0 if segmentation.doubts is None else float(segmentation.doubts[0])


def _seen(loop: EchoLoop, labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> FrameSeen:
    lengths_mm = border_lengths_mm(labels[None], spacing_mm)
    segmentation = LoopSegmentation(labels[None], EchoView.OTHER, 1.0)
    return FrameSeen(
        atrium=_atrium(labels, spacing_mm),
        is_atrium_cut=is_atrium_cut(loop, segmentation, [KeyPhases(0, 0)]),
        borders_mm={layer: float(of[0]) for layer, of in lengths_mm.items() if not np.isnan(of[0])},
    )


def _atrium(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> DiscStack | None:
    try:
        return atrial_stack(labels, spacing_mm)
    except HeartRefused:
        return None


def _discs(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> DiscStack | None:
    try:
        return disc_stack(labels, spacing_mm)
    except HeartRefused:
        return None


def _dice(labels: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """1 where both are empty."""
    found = dice(labels, reference)
    return 1.0 if found is None else found


def score_patients(
    frames: Iterable[Sequence[LabelledFrame]],
    references: Mapping[str, PatientReference],
    segmenter: LabelsLoops,
) -> Iterator[list[FrameScore]]:
    """Scores of every patient's frames, patient by patient."""
    for of_patient in frames:
        yield [score_frame(frame, references[frame.patient], segmenter) for frame in of_patient]


_UNCORRECTED: Mapping[str, float] = MappingProxyType({})


def patient_score(
    scores: Sequence[FrameScore],
    reference: PatientReference,
    esv_factors: Mapping[str, float] = _UNCORRECTED,
) -> PatientScore:
    """Volumes of one patient, from the model's labels with its correction, and from the reference's."""
    measured = _volumes(scores, lambda score: score.discs)
    return PatientScore(
        patient=reference.patient,
        image_quality=reference.image_quality,
        stated_ef_percent=reference.ef_percent,
        measured={m: v.with_esv_times(esv_factors.get(m, 1.0)) for m, v in measured.items()},
        reference=_volumes(scores, lambda score: score.reference_discs),
        atria={} if reference.size_mm is None else _atria(scores),
        n_cut=sum(score.seen.is_atrium_cut for score in scores if score.phase == SYSTOLE),
        strain={layer: _strains(scores, layer) for layer in Layer},
        doubts={method: _doubts(scores, views) for method, views in _METHOD_VIEWS.items()},
    )


def _doubts(scores: Sequence[FrameScore], views: Sequence[EchoView]) -> dict[str, float]:
    of_phase = [[s.doubt for s in scores if s.phase == phase and s.view in views] for phase in PHASES]
    return volume_doubts(*of_phase)


def _atria(scores: Sequence[FrameScore]) -> dict[str, tuple[AtrialVolumes, AtrialVolumes]]:
    """Largest at end-systole, smallest at end-diastole: other frames have no reference."""
    keys: dict[EchoView, tuple[KeyAtria, KeyAtria]] = {}
    for view in (FOUR, TWO):
        of_view = {score.phase: score for score in scores if score.view is view}
        stacks = [
            seen.atrium
            for part in ("seen", "reference_seen")
            for phase in (SYSTOLE, DIASTOLE)
            if (seen := getattr(of_view[phase], part)).atrium is not None
        ]
        if len(stacks) == 4 and not of_view[SYSTOLE].seen.is_atrium_cut:
            keys[view] = (KeyAtria(*stacks[:2]), KeyAtria(*stacks[2:]))
    found = {view.value: tuple(map(monoplane_atrial_volumes, both)) for view, both in keys.items()}
    if len(keys) == len(_VIEWS):
        found["biplane"] = tuple(map(biplane_atrial_volumes, keys[FOUR], keys[TWO]))
    return {method: (measured, reference) for method, (measured, reference) in found.items()}


def _strains(scores: Sequence[FrameScore], layer: Layer) -> dict[str, tuple[float, float]]:
    """From end-diastole to end-systole; the mean of both views as ``biplane``."""
    found: dict[str, tuple[float, float]] = {}
    for view in (FOUR, TWO):
        of_view = {score.phase: score for score in scores if score.view is view}
        both = [
            (of_view[DIASTOLE].seen.borders_mm, of_view[SYSTOLE].seen.borders_mm),
            (of_view[DIASTOLE].reference_seen.borders_mm, of_view[SYSTOLE].reference_seen.borders_mm),
        ]
        if all(layer in lengths_mm for part in both for lengths_mm in part):
            measured, reference = (100.0 * (es[layer] / ed[layer] - 1.0) for ed, es in both)
            found[view.value] = (measured, reference)
    if len(found) == len(_VIEWS):
        measured, reference = np.mean(list(found.values()), axis=0).tolist()
        found["biplane"] = (measured, reference)
    return found


def key_discs(
    scores: Sequence[FrameScore], discs_of: Callable[[FrameScore], DiscStack | None]
) -> dict[str, KeyDiscs]:
    """Discs of both phases by name of the view, of views in which both phases have them."""
    found = {(score.view, score.phase): discs_of(score) for score in scores}
    keys: dict[str, KeyDiscs] = {}
    for view in _VIEWS:
        diastole, systole = (found.get((view, phase)) for phase in PHASES)
        if diastole is not None and systole is not None:
            keys[view.value] = KeyDiscs(diastole, systole)
    return keys


def _volumes(
    scores: Sequence[FrameScore], discs_of: Callable[[FrameScore], DiscStack | None]
) -> dict[str, Volumes]:
    keys = key_discs(scores, discs_of)
    volumes = {view: monoplane_volumes(discs) for view, discs in keys.items()}
    if len(keys) == len(_VIEWS):
        volumes[BIPLANE] = biplane_volumes(keys[FOUR.value], keys[TWO.value])
    return volumes
