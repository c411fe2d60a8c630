"""Short-axis slices as a network is trained on them."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import torch

from cvai.domain.anatomy import BACKGROUND, SAX_LABELS
from cvai.models.intensity import normalised, with_neighbours
from cvai.models.resample import full_window
from cvai.training.core.loss import one_of
from cvai.training.datasets.data import LabelledVolume


class SliceSample(TypedDict):
    """One training slice at the network's spacing, whole field of view."""

    image: torch.Tensor  # (3, y, x) slice between its neighbours
    label: torch.Tensor  # (4, y, x) share of background and of each structure in every pixel
    centre: tuple[float, float]  # (y, x) of the heart in this patient
    extreme: bool  # at the end of the labelled slices, or the first beyond it
    end_systole: bool  # of the phase in which most is missed
    undrawn: int  # label where nothing is drawn: background, or one of what the reader did not draw


def slice_samples(volume: LabelledVolume, spacing_mm: float) -> list[SliceSample]:
    """Slices at ``spacing_mm`` with their neighbours; where not all was drawn, only those with labels."""
    shape = (volume.image.shape[1], volume.image.shape[2])
    window = full_window(shape, volume.spacing_mm[1:], spacing_mm)
    image = window.cut(with_neighbours(normalised(volume.image)))
    one_hot = np.stack([volume.labels == k for k in range(len(SAX_LABELS) + 1)], axis=1)
    shares = window.cut(one_hot.astype(np.float32))
    where = np.argwhere(shares[:, 1:].sum(axis=1) > 0.5)
    centre_y, centre_x = (float(v) for v in where[:, 1:].mean(axis=0))
    labelled_slices = np.asarray(volume.labels.any(axis=(1, 2)))
    labelled = np.flatnonzero(labelled_slices)
    ends = (labelled[0] - 1, labelled[0], labelled[-1], labelled[-1] + 1)
    return [
        SliceSample(
            image=torch.from_numpy(image[z]).half(),
            label=torch.from_numpy(shares[z]).half(),
            centre=(centre_y, centre_x),
            extreme=z in ends,
            end_systole=volume.phase == "ES",
            undrawn=undrawn(volume, z),
        )
        for z in range(len(image))
        if volume.drawn is None or labelled_slices[z]
    ]


def undrawn(volume: LabelledVolume, z: int) -> int:
    """The label of what is not drawn in slice ``z``: background, or a structure nobody was asked to draw."""
    left_out = [
        label
        for structure, label in SAX_LABELS.items()
        if volume.drawn is not None and not (structure in volume.drawn and volume.drawn[structure][z])
    ]
    return one_of(BACKGROUND, *left_out) if left_out else BACKGROUND


def cut_centred(image: torch.Tensor, centre: tuple[float, float], size: int) -> torch.Tensor:
    """(c, y, x) -> (c, size, size) around ``centre``; zero where there is no image."""
    top, left = (round(c - size / 2) for c in centre)
    height, width = image.shape[-2:]
    out = image.new_zeros(image.shape[0], size, size)
    y0, y1 = max(top, 0), min(top + size, height)
    x0, x1 = max(left, 0), min(left + size, width)
    if y0 < y1 and x0 < x1:
        out[:, y0 - top : y1 - top, x0 - left : x1 - left] = image[:, y0:y1, x0:x1]
    return out
