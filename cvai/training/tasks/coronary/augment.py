"""What a training frame goes through, so that the network meets other views, exposures and zooms.

Whole batches are cut out of all frames at once, bent and shaded on the device that trains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pixel_unshuffle

from cvai.domain.vessels.segments import CORONARY_LABELS
from cvai.models.cells import CELL, in_cells
from cvai.models.network import Network
from cvai.training.core.chance import Chance
from cvai.training.core.spec import Batch
from cvai.training.datasets.arcade import Angiogram
from cvai.training.tasks.coronary.config import CoronaryAugmentConfig

N_CLASSES = len(CORONARY_LABELS) + 1

_BENDS = 9
"""Points along a side between which a frame is bent."""

_FIELD = 4
"""Points along a side between which the brightness of a frame varies."""

_WIDEST_BORDER = 0.12


class FrameBank:
    """All training frames on one device, in the bytes they are stored in.

    Args:
        frames: all of one size.
        device: where they lie.
        teacher: a model that sees every frame once; None for nobody.
    """

    def __init__(
        self, frames: Sequence[Angiogram], device: torch.device, teacher: Network | None = None
    ) -> None:
        self.images = torch.from_numpy(np.stack([f.image for f in frames])[:, None]).to(device)
        self.labels = torch.from_numpy(np.stack([f.labels for f in frames])[:, None]).to(device)
        self.is_stenosis = torch.tensor([f.drawn == "stenosis" for f in frames], device=device)
        self.taught = None if teacher is None else _taught_maps(frames, teacher).to(device)


class BatchMaker:
    """Batches from a bank of frames.

    Args:
        bank: all frames.
        config: how far they are changed.
        size: cells on a side.
        seed: the same seed gives the same batches.
    """

    def __init__(self, bank: FrameBank, config: CoronaryAugmentConfig, size: int, seed: int) -> None:
        self._bank, self._config, self._pixels = bank, config, size * CELL
        self._device = bank.images.device
        self._chance = Chance(seed, self._device)

    def endless(self, weights: Sequence[float], batch_size: int) -> Iterator[Batch]:
        """Frames are drawn as often as their weights say."""
        drawn = torch.tensor(weights, dtype=torch.float32, device=self._device)
        while True:
            yield self.batch(self._chance.weighted(drawn, batch_size))

    @torch.no_grad()
    def batch(self, chosen: torch.Tensor) -> Batch:
        """``image`` (n, 16, y, x) and what it shows, as ``coronary_loss`` expects it."""
        grid = self._grid(len(chosen))
        frames = self._bank.images[chosen].float() / 255
        image = grid_sample(frames, grid, padding_mode="border", align_corners=False)
        labels = grid_sample(self._bank.labels[chosen].float(), grid, mode="nearest", align_corners=False)
        seen = self._degraded(self._shaded(image)).clamp(0, 1)
        narrowed, drawn = self._bank.is_stenosis[chosen], shares_of(labels.long())
        segments, stenosis = self._taught(chosen, grid)
        return {
            "image": pixel_unshuffle(seen, CELL),
            "shares": drawn.where(~narrowed[:, None, None, None], segments),
            "stenosis": drawn[:, 1].where(narrowed[:, None, None], stenosis),
            "is_stenosis": narrowed,
        }

    def _taught(self, chosen: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, k, y, x) shares of classes and (n, y, x) of stenoses, as a teacher sees them or empty."""
        of_cells = avg_pool2d(grid.permute(0, 3, 1, 2), CELL).permute(0, 2, 3, 1)
        if self._bank.taught is None:
            maps = torch.zeros(len(chosen), N_CLASSES, *of_cells.shape[1:3], device=self._device)
        else:
            maps = grid_sample(self._bank.taught[chosen].float() / 255, of_cells, align_corners=False)
        segments, stenosis = maps[:, :-1], maps[:, -1]
        background = (1 - segments.sum(dim=1, keepdim=True)).clamp(min=0)
        return torch.cat([background, segments], dim=1), stenosis

    def _grid(self, n: int) -> torch.Tensor:
        """(n, y, x, 2) points of the frames, as ``grid_sample`` counts them: x first, -1 to 1."""
        chance, config = self._chance, self._config
        line = (torch.arange(self._pixels, device=self._device) * 2 + 1) / self._pixels - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        angle = chance.uniform(-1, 1, n) * math.radians(config.rotate_degrees)
        zoom = 1 + chance.uniform(-config.scale, config.scale, n)
        stretch = (1 + chance.uniform(-config.aspect, config.aspect, n)).sqrt()
        turned = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1).view(n, 1, 2, 2)
        scale = (torch.stack([stretch, 1 / stretch], dim=-1) / zoom[:, None]).view(n, 1, 1, 2)
        shift = chance.uniform(-2, 2, n, 1, 1, 2) * config.shift
        return ((torch.stack([x, y], dim=-1) + self._bend(n)) * scale) @ turned + shift

    def _bend(self, n: int) -> torch.Tensor:
        """(n, y, x, 2) shifts that follow those of a coarse grid of points."""
        largest = self._chance.uniform(0, 2 * self._config.bend, n, 1, 1, 1)
        shifts = self._chance.uniform(-1, 1, n, 2, _BENDS, _BENDS) * largest
        smooth = interpolate(shifts, size=(self._pixels,) * 2, mode="bilinear", align_corners=True)
        return smooth.permute(0, 2, 3, 1)

    def _shaded(self, image: torch.Tensor) -> torch.Tensor:
        """Another exposure, more or less contrast medium, a diaphragm in the way, collimated borders."""
        chance, config, n = self._chance, self._config, len(image)
        gamma = (chance.uniform(-1, 1, n, 1, 1, 1) * math.log1p(config.gamma)).exp()
        image = image.clamp(min=1e-4) ** gamma
        contrast = 1 + chance.uniform(-config.contrast, config.contrast, n, 1, 1, 1)
        mean = image.mean(dim=(2, 3), keepdim=True)
        offset = chance.uniform(-config.brightness, config.brightness, n, 1, 1, 1)
        image = (image - mean) * contrast + mean + offset
        return image * self._field(n) * self._borders(n)

    def _field(self, n: int) -> torch.Tensor:
        """(n, 1, y, x) factors of brightness, around 1 in half of the frames and 1 in the others."""
        strength = self._chance.uniform(0, self._config.darkening, n, 1, 1, 1) * self._chance.some(0.5, n)
        points = self._chance.uniform(-1, 0.5, n, 1, _FIELD, _FIELD) * strength
        return interpolate(points, size=(self._pixels,) * 2, mode="bilinear", align_corners=True).exp()

    def _borders(self, n: int) -> torch.Tensor:
        """(n, 1, y, x) 0 where a collimator covers the frame, 1 elsewhere."""
        line = torch.linspace(0, 1, self._pixels, device=self._device)
        width = self._chance.uniform(0, _WIDEST_BORDER, n, 4) * self._chance.some(0.5, 4 * n).view(n, 4)
        width = width * self._chance.some(self._config.collimated, n).view(n, 1)
        rows = (line >= width[:, :1]) & (line <= 1 - width[:, 1:2])
        columns = (line >= width[:, 2:3]) & (line <= 1 - width[:, 3:])
        return (rows[:, None, :, None] & columns[:, None, None, :]).float()

    def _degraded(self, image: torch.Tensor) -> torch.Tensor:
        """Less sharp, noisier."""
        chance, config, n = self._chance, self._config, len(image)
        share = chance.uniform(0, config.blur, n, 1, 1, 1) * chance.some(0.4, n)
        image = image.lerp(avg_pool2d(image, 3, stride=1, padding=1), share)
        noise = chance.uniform(0, config.noise, n, 1, 1, 1) * chance.some(0.5, n)
        return image + chance.normal(*image.shape) * noise


def _taught_maps(frames: Sequence[Angiogram], teacher: Network) -> torch.Tensor:
    """(n, k, y, x) probabilities of each segment and of a stenosis, as a teacher sees them, in 255ths."""
    maps = [_taught_map(frame, teacher) for frame in track(frames, "asking the teacher")]
    return torch.from_numpy(np.stack(maps))


def _taught_map(frame: Angiogram, teacher: Network) -> NDArray[np.uint8]:
    levels = frame.image[np.newaxis].astype(np.float32) / np.float32(255)
    logits = torch.from_numpy(teacher.logits(in_cells(levels)))[0]
    maps = torch.cat([logits[:N_CLASSES].softmax(dim=0)[1:], logits[N_CLASSES:].sigmoid()])
    return np.asarray((maps * 255).round().to(torch.uint8))


def shares_of(labels: torch.Tensor) -> torch.Tensor:
    """(n, 1, y, x) labels -> (n, k, y / CELL, x / CELL) share of each class in every cell."""
    pixels = pixel_unshuffle(labels, CELL)
    shares = torch.zeros(len(pixels), N_CLASSES, *pixels.shape[-2:], device=labels.device)
    each = torch.full_like(shares[:, :1], 1 / pixels.shape[1])
    for part in torch.split(pixels, 1, dim=1):
        shares.scatter_add_(1, part, each)
    return shares
