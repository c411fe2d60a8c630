"""Labels of a whole cine, on the cine's own grid, and which model drew them."""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import Message, say, term
from cvai.domain.shown import PhaseShown

_READER = "reader"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model really ran, and on what.

    ``name`` is that of the model's folder, ``sha256`` of the model file; ``provider`` such as
    ``CPUExecutionProvider``. ``convention`` is how its contours are drawn, as its card states it.
    """

    name: str
    version: str
    sha256: str
    provider: str
    convention: str | None = None

    @classmethod
    def of_hand(cls, version: str) -> ModelIdentity:
        """In the place of a model where a reader draws everything, with this version of cvai."""
        digest = hashlib.sha256(f"{_READER} {version}".encode()).hexdigest()
        return cls("by hand", version, digest, _READER)

    @property
    def is_hand(self) -> bool:
        """Whether a reader drew everything, see ``of_hand``."""
        return self.provider == _READER

    @property
    def convention_sentence(self) -> Message | None:
        """How its contours are drawn, for reports; None where its card does not state it.

        >>> ModelIdentity("sax", "1.0", "", "", "as in ACDC").convention_sentence
        'Contours as in ACDC.'
        """
        return (
            None
            if self.convention is None
            else say("Contours {convention}.", convention=term(self.convention))
        )


@dataclass(frozen=True, slots=True, eq=False)
class CineSegmentation:
    """One label per voxel and phase.

    Args:
        labels: (t, z, y, x) values of ``cvai.domain.anatomy.SAX_LABELS``, 0 is background.
        geometry: the grid the labels live on, that of the segmented cine.
        second_heart_ml: volume of the largest thing that was labelled as a left ventricle elsewhere in the
            field of view, and left out.
        shown: by phase, what the model showed of its doubt and of the images; of the phases that numbers come
            from, empty where nobody was asked.

    Raises:
        ValueError: wrong shape, or a label without a name.
    """

    labels: NDArray[np.uint8]
    geometry: StackGeometry
    second_heart_ml: float = 0.0
    shown: Mapping[int, PhaseShown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels.ndim != 4:
            raise ValueError(f"labels must be (t, z, y, x), got shape {self.labels.shape}")
        if self.labels.shape[1] != self.geometry.n_slices:
            raise ValueError(f"{self.labels.shape[1]} slices of labels, {self.geometry.n_slices} positions")
        if self.labels.size and int(self.labels.max()) > max(SAX_LABELS.values()):
            raise ValueError(f"label {int(self.labels.max())} has no name")
        self.labels.setflags(write=False)

    @classmethod
    def empty(cls, shape: tuple[int, int, int, int], geometry: StackGeometry) -> CineSegmentation:
        """Nothing is labelled yet; ``shape`` is (t, z, y, x)."""
        return cls(np.zeros(shape, dtype=np.uint8), geometry)

    @property
    def n_phases(self) -> int:
        """Number of cardiac phases."""
        return int(self.labels.shape[0])

    def mask(self, structure: Structure) -> NDArray[np.bool_]:
        """(t, z, y, x) where the voxel belongs to ``structure``, as large as the labels."""
        return np.asarray(self.labels == SAX_LABELS[structure])

    def voxel_counts(self, structure: Structure) -> NDArray[np.intp]:
        """(t, z) voxels of ``structure`` in every frame."""
        value = SAX_LABELS[structure]
        return np.array([np.count_nonzero(phase == value, axis=(1, 2)) for phase in self.labels])


def background(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Labels of nothing, of which only rows that something is drawn in will take memory.

    ``np.zeros`` asks for pages of 2 MiB, several slices each, all of which a heart in the middle touches.
    """
    memory = mmap.mmap(-1, max(1, math.prod(shape)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.ndarray(shape, dtype=np.uint8, buffer=memory)


def apex_comes_first(labels: NDArray[np.uint8]) -> bool:
    """Whether the ventricles of a phase (z, y, x) grow along z: they are widest at the base."""
    areas = (labels > 0).sum(axis=(1, 2))
    half = len(areas) // 2
    return bool(areas[:half].sum() < areas[len(areas) - half :].sum())
