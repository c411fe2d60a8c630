"""Segmenters whose answers are known, and hearts drawn for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.cine import CineStack
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.uncertainty import Uncertainty
from cvai.errors import HeartRefused
from cvai.training.datasets.data import LabelledVolume

Labels = NDArray[np.uint8]
IDENTITY = ModelIdentity("known", "1.2.3", "ab" * 32, "none")

GREY = np.array([20.0, 200.0, 60.0, 180.0], dtype=np.float32)
"""Intensity of each label, so that a segmenter can read the labels off the image."""


def shifted(labels: Labels, columns: int) -> Labels:
    """The labels moved by some columns."""
    return np.roll(labels, columns, axis=2)


def without_rows(rows: int) -> Callable[[Labels], Labels]:
    """A change that loses the first rows of the left ventricular cavity."""

    def change(labels: Labels) -> Labels:
        out = labels.copy()
        lost = labels == SAX_LABELS[Structure.LV_CAVITY]
        lost[:, int(np.argwhere(lost)[:, 1].min()) + rows :] = False
        out[lost] = 0
        return out

    return change


@dataclass(frozen=True)
class Known:
    """Knows the reference of every volume and errs in a known way.

    Args:
        reference: volumes it knows by their images.
        change: how its labels differ from the reference.
        refuses: patients and phases in which it finds no heart.
    """

    reference: Iterable[LabelledVolume]
    change: Callable[[Labels], Labels] = np.copy
    refuses: frozenset[tuple[str, str]] = frozenset()
    uncertainty: Uncertainty | None = None
    identity: ModelIdentity = field(default=IDENTITY)

    def segment(self, stack: CineStack) -> CineSegmentation:
        volume = next(v for v in self.reference if np.array_equal(v.image, stack.pixels[0]))
        if (volume.patient, volume.phase) in self.refuses:
            raise HeartRefused("heart_not_found", "nothing")
        return CineSegmentation(self.change(volume.labels)[None], stack.geometry)


@dataclass(frozen=True)
class ReadsGrey:
    """Reads each label off the intensity it was drawn with; refuses images with fewer columns than rows."""

    refuses_tall: bool = False
    uncertainty: Uncertainty | None = None
    identity: ModelIdentity = field(default=IDENTITY)

    def segment(self, stack: CineStack) -> CineSegmentation:
        rows, columns = stack.pixels.shape[2:]
        if self.refuses_tall and columns < rows:
            raise HeartRefused("heart_not_found", "nothing")
        labels = np.abs(stack.pixels[..., None] - GREY).argmin(axis=-1)
        return CineSegmentation(labels.astype(np.uint8), stack.geometry)


def drawn_heart(
    shape: tuple[int, int, int] = (6, 90, 100),
    spacing_mm: tuple[float, float, float] = (10.0, 1.8, 1.3),
    centre: tuple[float, float] = (40.0, 55.0),
    patient: str = "patient001",
    phase: str = "ED",
) -> LabelledVolume:
    """A ring with a disc beside it, smaller from slice to slice: asymmetric on every axis.

    Sizes are in pixels; the right ventricle lies at smaller x.
    """
    z, y, x = np.indices(shape)
    dy, dx = y - centre[0], x - centre[1]
    radius = 12.0 - z
    labels = np.zeros(shape, dtype=np.uint8)
    labels[np.hypot(dy + 6, dx + 19) < radius - 1] = SAX_LABELS[Structure.RV_CAVITY]
    labels[np.hypot(dy, dx) < radius + 5] = SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[np.hypot(dy, dx) < radius] = SAX_LABELS[Structure.LV_CAVITY]
    return LabelledVolume(patient, "NOR", phase, GREY[labels], labels, spacing_mm)
