"""What a training frame goes through, so that the network meets every machine, gain, aspect and bad window.

Ultrasound is polar: what spoils it (shadow, narrow sector, loss with depth) follows the beams, so these are
drawn in depth and angle around the transducer, which lies at the middle of the frame's upper edge.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import (
    Compose,
    MapTransform,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    Randomizable,
    RandScaleIntensityd,
    RandShiftIntensityd,
    ThresholdIntensityd,
)
from torch.nn.functional import interpolate

from cvai.domain.echo.views import EchoView
from cvai.training.tasks.echo.config import EchoAugmentConfig
from cvai.training.tasks.echo.samples import VIEW_INDEX

_TILES = 4
_WIDEST_SHADOW = 0.25
_NARROWEST_SECTOR = 0.55
_SHALLOWEST = 0.75

Sample = dict[Hashable, Any]


def beam_angle_and_depth(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(y, x) angle of the beam through every pixel and its distance from the transducer.

    The angle is -1 at the left and 1 at the right border of the frame's widest sector, the depth 1 at the
    lower edge.
    """
    y = (torch.arange(size, dtype=torch.float32)[:, None] + 0.5) / size
    x = (torch.arange(size, dtype=torch.float32)[None, :] + 0.5) / size * 2 - 1
    return torch.atan2(x.expand(size, size), y.expand(size, size)) / np.arctan2(1.0, 0.7), torch.hypot(x, y)


class RandScrambled(Randomizable, MapTransform):
    """Cut a frame into tiles and shuffle them: ultrasound in every detail, and no heart."""

    def __init__(self, prob: float) -> None:
        MapTransform.__init__(self, ("image", "label", "view"))
        self.prob = prob

    def __call__(self, data: Mapping[Hashable, Any]) -> Sample:
        """Shuffle image tiles; the label becomes background, the view OTHER."""
        out = dict(data)
        if self.R.random() >= self.prob:
            return out
        tile = data["image"].shape[-1] // _TILES
        order = torch.as_tensor(self.R.permutation(_TILES * _TILES))
        tiles = data["image"].unfold(1, tile, tile).unfold(2, tile, tile)  # (1, rows, columns, tile, tile)
        mixed = tiles.reshape(1, -1, tile, tile)[:, order].reshape(tiles.shape)
        out["image"] = mixed.permute(0, 1, 3, 2, 4).reshape(1, _TILES * tile, _TILES * tile)
        out["label"] = torch.zeros_like(data["label"])
        out["label"][0] = 1
        out["view"] = VIEW_INDEX[EchoView.OTHER]
        return out


class RandSpeckled(Randomizable, MapTransform):
    """Multiply with grains of a random size: speckle grows with brightness."""

    def __init__(self, prob: float, largest: float) -> None:
        MapTransform.__init__(self, ("image",))
        self.prob, self.largest = prob, largest

    def __call__(self, data: Mapping[Hashable, Any]) -> Sample:
        """Grains are one to four pixels wide."""
        out = dict(data)
        if self.R.random() < self.prob:
            size, grain = data["image"].shape[-1], self.R.uniform(1.0, 4.0)
            coarse = max(2, round(size / grain))
            grains = torch.from_numpy(self.R.standard_normal((1, 1, coarse, coarse)).astype(np.float32))
            fine = interpolate(grains, size=(size, size), mode="bilinear", align_corners=False)[0]
            out["image"] = data["image"] * (1 + self.R.uniform(0, self.largest) * fine)
        return out


class RandBeamsd(Randomizable, MapTransform):
    """Lose or gain brightness with depth, and let something near the transducer cast a shadow."""

    def __init__(self, attenuation: float, shadow: float) -> None:
        MapTransform.__init__(self, ("image",))
        self.attenuation, self.shadow = attenuation, shadow

    def __call__(self, data: Mapping[Hashable, Any]) -> Sample:
        """Multiply with a smooth field in depth and angle."""
        out = dict(data)
        angle, depth = beam_angle_and_depth(data["image"].shape[-1])
        field = torch.exp(self.R.uniform(-self.attenuation, self.attenuation) * (depth - 0.5))
        if self.R.random() < self.shadow:
            centre, width = self.R.uniform(-1, 1), self.R.uniform(0.05, _WIDEST_SHADOW)
            starts, loss = self.R.uniform(0, 0.5), self.R.uniform(0.3, 0.95)
            across = torch.exp(-(((angle - centre) / width) ** 2))
            field = field * (1 - loss * across * torch.sigmoid((depth - starts) * 20))
        out["image"] = data["image"] * field
        return out


class RandSectorCutd(Randomizable, MapTransform):
    """Make the sector narrower, or less deep.

    Readers draw contours on into what a narrow sector leaves out, so labels stay there; below the last line
    of an image there is nothing to draw on, so they go with it.
    """

    def __init__(self, prob: float) -> None:
        MapTransform.__init__(self, ("image", "label"))
        self.prob = prob

    def __call__(self, data: Mapping[Hashable, Any]) -> Sample:
        """Blacken what lies outside."""
        out = dict(data)
        size = data["image"].shape[-1]
        if self.R.random() < self.prob:
            angle, _ = beam_angle_and_depth(size)
            left, right = (self.R.uniform(_NARROWEST_SECTOR, 1) for _ in range(2))
            out["image"] = data["image"] * ((angle > -left) & (angle < right))
        if self.R.random() < self.prob / 2:
            last = round(self.R.uniform(_SHALLOWEST, 1) * size)
            for key in ("image", "label"):
                out[key] = out[key].clone()
                out[key][:, last:] = 0
        return out


class LabelFromSharesd(MapTransform):
    """(k, y, x) shares of each label -> (1, y, x) the label with the largest share."""

    def __call__(self, data: Mapping[Hashable, Any]) -> Sample:
        """Take the label that fills most of each pixel."""
        out = dict(data)
        for key in self.keys:
            shares = data[key]
            shares[0] = 1 - shares[1:].sum(dim=0)  # outside the image every share is zero: background
            out[key] = shares.argmax(dim=0, keepdim=True)
        return out


def echo_transforms(config: EchoAugmentConfig, size: int) -> Compose:
    """The chain from a ``FrameSample`` to the network's input and target."""
    both = ("image", "label")
    return Compose(
        [
            RandScrambled(config.scrambled),
            RandFlipd(both, prob=config.flip, spatial_axis=1),
            RandAffined(
                both,
                prob=0.9,
                rotate_range=np.deg2rad(config.rotate_degrees),
                shear_range=0.05,
                translate_range=config.shift * size,
                scale_range=(config.scale, config.scale),
                mode="bilinear",
                padding_mode="zeros",
            ),
            LabelFromSharesd(("label",)),
            RandSectorCutd(config.sector_cut),
            RandBeamsd(config.attenuation, config.shadow),
            RandAdjustContrastd(("image",), prob=0.5, gamma=(1 / (1 + config.gamma), 1 + config.gamma)),
            RandScaleIntensityd(("image",), prob=0.5, factors=0.4),
            RandShiftIntensityd(("image",), prob=0.3, offsets=0.1),
            RandSpeckled(0.3, config.speckle),
            RandGaussianSmoothd(("image",), prob=0.2, sigma_x=(0.4, 1.2), sigma_y=(0.4, 1.2)),
            RandGaussianNoised(("image",), prob=0.2, std=config.noise),
            ThresholdIntensityd(("image",), threshold=0.0, above=True, cval=0.0),
            ThresholdIntensityd(("image",), threshold=1.0, above=False, cval=1.0),
        ]
    )
