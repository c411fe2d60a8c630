"""A model for apical views against contours and ejection fractions of patients it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.function import KeyDiscs, Volumes, biplane_volumes, monoplane_volumes
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.sector import sector_of_frame
from cvai.domain.echo.simpson import DiscStack, disc_stack
from cvai.domain.echo.views import EchoView
from cvai.errors import HeartRefused
from cvai.training.evaluation.distances import dice
from cvai.training.tasks.echo.camus import PHASES, LabelledFrame
from cvai.training.tasks.echo.reference import PatientReference


class LabelsLoops(Protocol):
    """What is evaluated."""

    def segment(self, loop: EchoLoop) -> LoopSegmentation:
        """Label every frame and name the view, or raise HeartRefused."""
        ...


FOUR, TWO = EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER
_NO_SIZE = (1.0, 1.0)
"""Where a patient's frames have no known size; ejection fractions depend on their proportions only."""


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
    """

    patient: str
    view: EchoView
    phase: str
    image_quality: str
    named: EchoView | None
    dice: Mapping[Structure, float]
    discs: DiscStack | None
    reference_discs: DiscStack


@dataclass(frozen=True, slots=True)
class PatientScore:
    """One patient.

    Args:
        patient: id in the data set.
        image_quality: as the data set states it.
        stated_ef_percent: the data set's ejection fraction.
        measured: by ``biplane``, ``a4c`` and ``a2c``, as far as both phases could be measured.
        reference: the same from the reference contours.
    """

    patient: str
    image_quality: str
    stated_ef_percent: float
    measured: Mapping[str, Volumes]
    reference: Mapping[str, Volumes]


def still(frame: LabelledFrame) -> EchoLoop:
    """One frame as a loop of one, as ``cvai segment`` makes it."""
    return EchoLoop(frame.image[None], sector_of_frame(frame.image), None, None, None)


def score_frame(frame: LabelledFrame, patient: PatientReference, segmenter: LabelsLoops) -> FrameScore:
    """Label one frame and compare."""
    try:
        segmentation = segmenter.segment(still(frame))
    except HeartRefused:
        labels, named = np.zeros_like(frame.labels), None
    else:
        labels, named = segmentation.labels[0], segmentation.view
    spacing_mm = patient.spacing_mm(frame.labels.shape) or _NO_SIZE
    return FrameScore(
        patient=frame.patient,
        view=frame.view,
        phase=frame.phase,
        image_quality=patient.image_quality,
        named=named,
        dice={s: _dice(labels == value, frame.labels == value) for s, value in ECHO_LABELS.items()},
        discs=_discs(labels, spacing_mm),
        reference_discs=disc_stack(frame.labels, spacing_mm),
    )


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
    )


def _volumes(
    scores: Sequence[FrameScore], discs_of: Callable[[FrameScore], DiscStack | None]
) -> dict[str, Volumes]:
    found = {(score.view, score.phase): discs_of(score) for score in scores}
    keys: dict[EchoView, KeyDiscs] = {}
    for view in (FOUR, TWO):
        diastole, systole = (found.get((view, phase)) for phase in PHASES)
        if diastole is not None and systole is not None:
            keys[view] = KeyDiscs(diastole, systole)
    volumes = {view.value: monoplane_volumes(discs) for view, discs in keys.items()}
    if len(keys) == 2:
        volumes["biplane"] = biplane_volumes(keys[FOUR], keys[TWO])
    return volumes
