"""One labelled volume, segmented as the service would, against its reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.errors import HeartRefused
from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.cine import CineStack
from cvai.heart.geometry import StackGeometry
from cvai.inference.segmenter import Segmenter
from cvai.training.data import LabelledVolume
from cvai.training.evaluation.distances import Spacing, SurfaceDistances, dice
from cvai.training.evaluation.levels import Level, slices_by_level

PHASES = ("ED", "ES")
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StructureScore:
    """One structure of one volume, or of one level of it.

    Args:
        dice: None where neither segmentation nor reference has the structure.
        hd95_mm: None where either of them lacks it.
        volume_ml: as segmented, slice gaps included.
        reference_ml: as in the reference.
    """

    dice: float | None
    hd95_mm: float | None
    volume_ml: float
    reference_ml: float

    @property
    def volume_error_ml(self) -> float:
        """Segmented minus reference."""
        return self.volume_ml - self.reference_ml


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


def segment_volume(volume: LabelledVolume, segmenter: Segmenter) -> tuple[Labels, str | None]:
    """(z, y, x) labels, and the code of the refusal where there are none because no heart was found."""
    try:
        return segmenter.segment(stack_of(volume)).labels[0], None
    except HeartRefused as refusal:
        return np.zeros_like(volume.labels), refusal.code


def score_volume(volume: LabelledVolume, segmenter: Segmenter) -> VolumeScore:
    """Segment one labelled volume and compare; a refused heart scores as an empty segmentation."""
    labels, refused = segment_volume(volume, segmenter)
    levels = slices_by_level(volume.labels)
    compared = {s: _Compared(labels, volume.labels, s, volume.spacing_mm) for s in Structure}
    everywhere = np.arange(len(labels))
    return VolumeScore(
        patient=volume.patient,
        group=volume.group,
        phase=volume.phase,
        refused=refused,
        whole={s: c.score(everywhere) for s, c in compared.items()},
        levels={level: {s: c.score(slices) for s, c in compared.items()} for level, slices in levels.items()},
    )


def score_volumes(volumes: Iterable[LabelledVolume], segmenter: Segmenter) -> tuple[VolumeScore, ...]:
    """Score every volume, one after the other."""
    return tuple(score_volume(volume, segmenter) for volume in volumes)


class _Compared:
    """Both masks of one structure, with distances measured once and read for any choice of slices."""

    def __init__(self, labels: Labels, reference: Labels, structure: Structure, spacing_mm: Spacing) -> None:
        value = SAX_LABELS[structure]
        self._mask, self._reference = labels == value, reference == value
        self._voxel_ml = float(np.prod(spacing_mm)) / 1000.0
        self._distances = SurfaceDistances.between(self._mask, self._reference, spacing_mm)

    def score(self, slices: NDArray[np.intp]) -> StructureScore:
        mask, reference = self._mask[slices], self._reference[slices]
        return StructureScore(
            dice=dice(mask, reference),
            hd95_mm=self._distances.hd95_mm(slices),
            volume_ml=int(mask.sum()) * self._voxel_ml,
            reference_ml=int(reference.sum()) * self._voxel_ml,
        )
