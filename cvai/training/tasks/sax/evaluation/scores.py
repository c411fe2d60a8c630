"""One labelled volume, segmented as the service would, against its reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.domain.shown import PhaseShown
from cvai.errors import HeartRefused
from cvai.models.segmenter import Segmenter
from cvai.training.datasets.data import LabelledVolume
from cvai.training.evaluation.distances import SurfaceDistances, dice
from cvai.training.tasks.sax.evaluation.levels import Level, slices_by_level

PHASES = ("ED", "ES")
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StructureScore:
    """One structure of one volume, or of one level of it.

    Args:
        dice: None where neither segmentation nor reference has the structure, or it was not drawn.
        hd95_mm: None where either of them lacks it.
        volume_ml: as segmented, slice gaps included.
        reference_ml: as in the reference; None where the structure was not drawn.
    """

    dice: float | None
    hd95_mm: float | None
    volume_ml: float
    reference_ml: float | None

    @property
    def volume_error_ml(self) -> float | None:
        """Segmented minus reference, where there is one."""
        return None if self.reference_ml is None else self.volume_ml - self.reference_ml


Scores = Mapping[Structure, StructureScore]


@dataclass(frozen=True, slots=True)
class VolumeScore:
    """One phase of one patient.

    Args:
        patient: id in the data set.
        group: disease group in the data set.
        phase: ``ED`` or ``ES``.
        refused: code of the refusal where no heart was found; the scores are then those of empty labels.
        whole: scores over the whole volume.
        levels: scores over the slices of each level.
    """

    patient: str
    group: str
    phase: str
    refused: str | None
    whole: Scores
    levels: Mapping[Level, Scores]


def stack_of(volume: LabelledVolume) -> CineStack:
    """A one-phase cine from a labelled volume; its place in the patient is not known and does not matter."""
    geometry = StackGeometry.unplaced(len(volume.image), volume.spacing_mm)
    return CineStack(volume.image[None], geometry, None, None)


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """A labelled volume and what a model made of it.

    Args:
        volume: image and reference.
        labels: (z, y, x) the model's; empty where no heart was found.
        geometry: of the grid.
        refused: code of the refusal where no heart was found.
        second_heart_ml: see ``CineSegmentation``.
        shown: what the model showed of its doubt; None where it shows nothing.
    """

    volume: LabelledVolume
    labels: Labels
    geometry: StackGeometry
    refused: str | None
    second_heart_ml: float
    shown: PhaseShown | None = None


def segmented(volume: LabelledVolume, segmenter: Segmenter) -> Segmented:
    """Segment one labelled volume."""
    stack = stack_of(volume)
    try:
        found = segmenter.segment(stack)
    except HeartRefused as refusal:
        return Segmented(volume, np.zeros_like(volume.labels), stack.geometry, refusal.code, 0.0)
    return Segmented(volume, found.labels[0], stack.geometry, None, found.second_heart_ml, found.shown.get(0))


def segment_volume(volume: LabelledVolume, segmenter: Segmenter) -> tuple[Labels, str | None]:
    """(z, y, x) labels, and the code of the refusal where there are none because no heart was found."""
    found = segmented(volume, segmenter)
    return found.labels, found.refused


def score_volume(volume: LabelledVolume, segmenter: Segmenter) -> VolumeScore:
    """Segment one labelled volume and compare."""
    return score(segmented(volume, segmenter))


def score(found: Segmented) -> VolumeScore:
    """Compare labels with the reference; a refused heart scores as an empty segmentation."""
    volume, labels = found.volume, found.labels
    levels = slices_by_level(volume.labels)
    compared = {s: _Compared(labels, volume, s) for s in SAX_LABELS}
    everywhere = np.arange(len(labels))
    return VolumeScore(
        patient=volume.patient,
        group=volume.group,
        phase=volume.phase,
        refused=found.refused,
        whole={s: c.score(everywhere) for s, c in compared.items()},
        levels={level: {s: c.score(slices) for s, c in compared.items()} for level, slices in levels.items()},
    )


def score_volumes(volumes: Iterable[LabelledVolume], segmenter: Segmenter) -> tuple[VolumeScore, ...]:
    """Score every volume, one after the other."""
    return tuple(score_volume(volume, segmenter) for volume in volumes)


class _Compared:
    """Both masks of one structure, with distances measured once and read for any choice of slices.

    Overlap and distance count in the slices in which the structure was drawn. Volumes count in all of them:
    the reader who left a slice out saw no ventricle there.
    """

    def __init__(self, labels: Labels, volume: LabelledVolume, structure: Structure) -> None:
        value = SAX_LABELS[structure]
        self._mask, self._reference = labels == value, volume.labels == value
        self._drawn = volume.drawn_slices(structure)
        self._voxel_ml = float(np.prod(volume.spacing_mm)) / 1000.0
        there = np.isin(np.arange(len(labels)), () if self._drawn is None else self._drawn)[:, None, None]
        self._distances = SurfaceDistances.between(self._mask & there, self._reference, volume.spacing_mm)

    def score(self, slices: NDArray[np.intp]) -> StructureScore:
        volume_ml = int(self._mask[slices].sum()) * self._voxel_ml
        if self._drawn is None:
            return StructureScore(dice=None, hd95_mm=None, volume_ml=volume_ml, reference_ml=None)
        compared = np.intersect1d(slices, self._drawn)
        return StructureScore(
            dice=dice(self._mask[compared], self._reference[compared]),
            hd95_mm=self._distances.hd95_mm(compared),
            volume_ml=volume_ml,
            reference_ml=int(self._reference[slices].sum()) * self._voxel_ml,
        )
