"""What a training slice goes through, so that the network meets every orientation, zoom, coil and noise."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import (
    Compose,
    MapTransform,
    Rand2DElasticd,
    RandAdjustContrastd,
    RandAxisFlipd,
    RandBiasFieldd,
    RandCoarseDropoutd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    Randomizable,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSimulateLowResolutiond,
)

from cvai.training.core.config import AugmentConfig

_MARGIN = 1.5
"""The window is cut this much larger than the network's input, so that rotated corners still hold image."""


BEND_EVERY_MM = 36.0
"""Grid points of a bend; a wall of 10 mm is bent as a whole, not torn."""

HOLE_MM = 24.0
"""Side of a hole: less than a ventricle, so that what surrounds it tells what is there."""


class RandHeartWindowd(Randomizable, MapTransform):
    """Cut a window around the heart, off by a random amount, or anywhere in the image.

    Args:
        keys: tensors (c, y, x) to cut; zero is put where the window leaves the image.
        size: pixels on a side.
        jitter: standard deviation of the offset, in pixels.
        anywhere: share of windows whose centre is drawn from the whole image.
    """

    def __init__(self, keys: tuple[str, ...], size: int, jitter: float, anywhere: float) -> None:
        MapTransform.__init__(self, keys)
        self.size, self.jitter, self.anywhere = size, jitter, anywhere

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Cut every key around the same point."""
        out = dict(data)
        height, width = data[self.keys[0]].shape[-2:]
        if self.R.random() < self.anywhere:
            centre = self.R.uniform(0, height), self.R.uniform(0, width)
        else:
            offset = self.R.normal(0, self.jitter, 2)
            centre = data["centre"][0] + offset[0], data["centre"][1] + offset[1]
        for key in self.keys:
            out[key] = cut_centred(data[key].float(), centre, self.size)
        return out


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


class RandNeighboursd(Randomizable, MapTransform):
    """Swap the neighbouring slices (a stack may run from apex to base), or lose one (it may end here)."""

    def __init__(self, keys: tuple[str, ...], drop: float) -> None:
        MapTransform.__init__(self, keys)
        self.drop = drop

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Shuffle and drop the outer channels."""
        out = dict(data)
        for key in self.keys:
            image = data[key].clone()
            if self.R.random() < 0.5:
                image = image[[2, 1, 0]]
            for channel in (0, 2):
                if self.R.random() < self.drop:
                    image[channel] = 0
            out[key] = image
        return out


class RandImageEdged(Randomizable, MapTransform):
    """Let the field of view end within the window, at a random line: zero beyond it, as in a small image."""

    def __init__(self, keys: tuple[str, ...], prob: float) -> None:
        MapTransform.__init__(self, keys)
        self.prob = prob

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Zero rows or columns from one border up to a third of the window."""
        out = dict(data)
        if self.R.random() >= self.prob:
            return out
        axis, at_end, share = self.R.randint(2), self.R.random() < 0.5, self.R.uniform(0, 1 / 3)
        for key in self.keys:
            image = data[key].clone()
            length = image.shape[1 + axis]
            cut = round(share * length)
            start = length - cut if at_end else 0
            image.narrow(1 + axis, start, cut).zero_()
            out[key] = image
        return out


class LabelFromSharesd(MapTransform):
    """(k, y, x) shares of each label -> (1, y, x) the label with the largest share."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Take the label that fills most of each pixel."""
        out = dict(data)
        for key in self.keys:
            shares = data[key]
            shares[0] = 1 - shares[1:].sum(dim=0)  # outside the image every share is zero: background
            out[key] = shares.argmax(dim=0, keepdim=True)
        return out


def training_transforms(config: AugmentConfig, size: int, spacing_mm: float) -> Compose:
    """The chain from a ``SliceSample`` to the network's input and target."""
    both, jitter = ("image", "label"), config.centre_jitter_mm / spacing_mm
    return Compose(
        [
            RandHeartWindowd(both, int(size * _MARGIN), jitter, config.anywhere),
            RandAxisFlipd(both, prob=0.5),
            Rand2DElasticd(
                both,
                spacing=(BEND_EVERY_MM / spacing_mm, BEND_EVERY_MM / spacing_mm),
                magnitude_range=(0.0, config.bend_mm / spacing_mm),
                prob=1.0,
                rotate_range=np.pi,
                shear_range=config.shear,
                scale_range=config.scale,
                spatial_size=(size, size),
                mode="bilinear",
                padding_mode="zeros",
            ),
            LabelFromSharesd(("label",)),
            RandNeighboursd(("image",), config.drop_neighbour),
            RandBiasFieldd(("image",), prob=0.3, degree=2, coeff_range=(0.0, config.bias_field)),
            RandAdjustContrastd(("image",), prob=0.4, gamma=(1 / (1 + config.gamma), 1 + config.gamma)),
            RandScaleIntensityd(("image",), prob=0.5, factors=config.brightness),
            RandShiftIntensityd(("image",), prob=0.5, offsets=0.1),
            RandGaussianSmoothd(("image",), prob=0.2, sigma_x=(0.4, 1.1), sigma_y=(0.4, 1.1)),
            RandSimulateLowResolutiond(
                ("image",),
                prob=config.coarse,
                zoom_range=(0.5, 1.0),
                downsample_mode="area",
                upsample_mode="bilinear",
            ),
            RandGaussianNoised(("image",), prob=0.3, std=config.noise),
            RandImageEdged(("image", "label"), config.edge),
            RandCoarseDropoutd(
                ("image",),
                holes=1,
                max_holes=4,
                spatial_size=round(HOLE_MM / spacing_mm),
                prob=config.occlude,
            ),
        ]
    )
