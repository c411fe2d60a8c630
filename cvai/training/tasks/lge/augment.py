"""Batches of late-enhancement windows, changed at random on the device that trains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn.functional import conv2d, grid_sample, interpolate, one_hot

from cvai.domain.anatomy import LGE_LABELS
from cvai.models.heart_window import HEART_SHARE, HIGHEST_LEVEL, LEVELS_SHARE, LOWEST_LEVEL, HeartBox
from cvai.models.intensity import HIGH_PERCENTILE, LOW_PERCENTILE, with_neighbours
from cvai.training.core.spec import Batch
from cvai.training.datasets.emidec import EnhancementStack
from cvai.training.tasks.lge.config import LgeAugmentConfig

N_LABELS = len(LGE_LABELS) + 1

_SHIFTED_WHOLE = 0.25
"""Largest shift of a window with the whole image, as a share of the window: the heart may lie anywhere."""

_LEAST_SIGMA, _MOST_SIGMA = 0.4, 1.1
_BLUR_RADIUS = 3


class SliceBank:
    """All labelled slices of some patients on one device.

    Args:
        stacks: images of one size.
        device: where they are kept.
    """

    def __init__(self, stacks: Sequence[EnhancementStack], device: torch.device) -> None:
        images, labels, boxes, whole_boxes = [], [], [], []
        for stack in stacks:
            seen = torch.from_numpy(with_neighbours(stack.image.astype(np.float32)) / 255)
            around_all = HeartBox.around(stack.labels)
            for image, label in zip(seen, stack.labels, strict=True):
                if label.any():
                    images.append(image.half())
                    labels.append(torch.from_numpy(label))
                    boxes.append(_numbers(HeartBox.around(label[None])))
                    whole_boxes.append(_numbers(around_all))
        self.images = torch.stack(images).to(device)  # (n, 3, y, x)
        self.labels = torch.stack(labels).to(device)  # (n, y, x)
        of_slice_and_stack = torch.tensor([boxes, whole_boxes], dtype=torch.float32)
        self.boxes = of_slice_and_stack.to(device)  # (2, n, 4) centre and extent

    def sampling_weights(self, infarct: float, no_reflow: float) -> torch.Tensor:
        """(n,) how often slices are drawn: the rare classes more often."""
        has = {s: (self.labels == value).any(dim=(1, 2)) for s, value in LGE_LABELS.items()}
        *_, of_infarct, of_no_reflow = has.values()
        weights = torch.where(of_infarct | of_no_reflow, infarct, 1.0)
        return weights * torch.where(of_no_reflow, no_reflow, 1.0)


def _numbers(box: HeartBox) -> tuple[float, float, float, float]:
    return (*box.centre, *box.extent)


class BatchMaker:
    """Batches of image (n, 3, size, size) and label (n, 1, size, size).

    Args:
        bank: all slices.
        config: how far they are changed.
        size: pixels on a side.
        seed: the same seed gives the same batches on one device.
    """

    def __init__(self, bank: SliceBank, config: LgeAugmentConfig, size: int, seed: int) -> None:
        self._bank, self._config, self._size = bank, config, size
        self._device = bank.images.device
        self._generator = torch.Generator(self._device).manual_seed(seed)

    def endless(self, weights: torch.Tensor, batch_size: int) -> Iterator[Batch]:
        """Slices are drawn as often as their weights say."""
        while True:
            yield self.batch(torch.multinomial(weights, batch_size, True, generator=self._generator))

    @torch.no_grad()
    def batch(self, chosen: torch.Tensor) -> Batch:
        """Some slices of the bank, changed at random."""
        n = len(chosen)
        whole = self._some(self._config.whole, n)
        grid = self._grid(chosen, whole)
        image = grid_sample(self._bank.images[chosen].float(), grid, align_corners=False)
        shares = one_hot(self._bank.labels[chosen].long(), N_LABELS).movedim(-1, 1).float()
        shares = grid_sample(shares, grid, align_corners=False)
        shares[:, 0] = 1 - shares[:, 1:].sum(dim=1)  # outside the image every share is zero: background
        alone = self._some(self._config.drop_neighbours, n)
        return {
            "image": self._shown(self._degraded(self._shaded(image)), whole, alone),
            "label": shares.argmax(dim=1, keepdim=True),
        }

    def _uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        drawn = torch.rand(shape, generator=self._generator, device=self._device)
        return drawn * (high - low) + low

    def _normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self._generator, device=self._device)

    def _some(self, share: float, n: int) -> torch.Tensor:
        """(n, 1, 1, 1) of which ``share`` are true."""
        return self._uniform(0, 1, n, 1, 1, 1) < share

    def _grid(self, chosen: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        """(n, size, size, 2) points of the slices, as ``grid_sample`` counts them: x first, -1 to 1."""
        n, config = len(chosen), self._config
        height, width = self._bank.images.shape[-2:]
        extent = torch.tensor((height, width), device=self._device, dtype=torch.float32)
        boxes = self._bank.boxes[torch.where(self._some(0.5, n).flatten(), 0, 1), chosen]
        shown_whole = whole[:, :, 0, 0]
        window = torch.where(shown_whole, extent, boxes[:, 2:] / HEART_SHARE)  # (n, 2) pixels it covers
        shift = torch.where(
            shown_whole,
            self._uniform(-_SHIFTED_WHOLE, _SHIFTED_WHOLE, n, 2),
            self._normal(n, 2) * config.centre_jitter,
        )
        limit = math.log(config.stretch)
        stretched = window * self._uniform(-limit, limit, n, 2).exp()
        at = boxes[:, :2] + shift * window
        points = at[:, None, None] + self._offsets(n) * stretched[:, None, None]
        return ((2 * points + 1) / extent - 1).flip(-1)

    def _offsets(self, n: int) -> torch.Tensor:
        """(n, size, size, 2) from the middle, as shares of the window: bent, turned and mirrored."""
        line = (torch.arange(self._size, device=self._device) + 0.5) / self._size - 0.5
        straight = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)
        largest = self._uniform(0, self._config.bend, n, 1, 1, 1)
        shifts = self._uniform(-1, 1, n, 2, 5, 5) * largest
        bend = interpolate(shifts, size=(self._size, self._size), mode="bicubic", align_corners=True)
        angle, mirrored = self._uniform(-math.pi, math.pi, n), self._some(0.5, n)[:, 0, 0, 0]
        cos, sin, sign = angle.cos(), angle.sin(), 1 - 2 * mirrored.float()
        turn = torch.stack([cos * sign, -sin, sin * sign, cos], dim=-1).view(-1, 1, 2, 2)
        return (straight + bend.permute(0, 2, 3, 1)) @ turn.mT

    def _shaded(self, image: torch.Tensor) -> torch.Tensor:
        """Another coil, another contrast."""
        n, config = len(image), self._config
        line = torch.linspace(-1, 1, self._size, device=self._device)
        y, x = torch.meshgrid(line, line, indexing="ij")
        terms = torch.stack([y, x, (3 * y**2 - 1) / 2, x * y, (3 * x**2 - 1) / 2])
        coefficients = self._uniform(-config.bias_field, config.bias_field, n, len(terms))
        field = torch.einsum("nk,kyx->nyx", coefficients, terms)[:, None]
        image = image * (field * self._some(0.4, n)).exp()
        limit = math.log(1 + config.gamma)
        gamma = self._uniform(-limit, limit, n, 1, 1, 1).exp()
        return torch.where(self._some(0.5, n), image.clamp(min=1e-6) ** gamma, image)

    def _degraded(self, image: torch.Tensor) -> torch.Tensor:
        """Less sharp, noisier."""
        n = len(image)
        sigma = float(torch.rand((), generator=self._generator, device=self._device))
        blurred = _smoothed(image, _LEAST_SIGMA + (_MOST_SIGMA - _LEAST_SIGMA) * sigma)
        image = torch.where(self._some(0.25, n), blurred, image)
        noise = self._uniform(0, self._config.noise, n, 1, 1, 1) * self._some(0.4, n)
        return image + self._normal(*image.shape) * noise

    def _shown(self, image: torch.Tensor, whole: torch.Tensor, alone: torch.Tensor) -> torch.Tensor:
        """As ``cvai.models.heart_window.levels`` shows windows, some slices without neighbours."""
        image = torch.where(self._some(0.5, len(image)), image.flip(1), image)  # from apex to base, or back
        low, high = _percentiles(image, 1.0)
        low_here, high_here = _percentiles(image, LEVELS_SHARE)
        low, high = torch.where(whole, low, low_here), torch.where(whole, high, high_here)
        there = image.amax(dim=(2, 3), keepdim=True) - image.amin(dim=(2, 3), keepdim=True) > 1e-3
        there[:, ::2] &= ~alone
        scaled = ((image - low) / (high - low).clamp(min=1e-6)).clamp(LOWEST_LEVEL, HIGHEST_LEVEL)
        return scaled * there


def _percentiles(image: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two of (n, 1, 1, 1): the percentiles of the middle of each slice."""
    edge = round(image.shape[-1] * (1 - share) / 2)
    middle = image[:, 1, edge : image.shape[-2] - edge, edge : image.shape[-1] - edge].flatten(1)
    wanted = torch.tensor([LOW_PERCENTILE / 100, HIGH_PERCENTILE / 100], device=image.device)
    low, high = middle.quantile(wanted, dim=1)[:, :, None, None, None]
    return low, high


def _smoothed(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """A Gaussian over rows and columns; zeros beyond the window."""
    line = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=image.device, dtype=image.dtype)
    weights = (-(line**2) / (2 * sigma**2)).exp()
    weights = weights / weights.sum()
    flat = image.flatten(0, 1)[:, None]
    flat = conv2d(flat, weights.view(1, 1, -1, 1), padding=(_BLUR_RADIUS, 0))
    return conv2d(flat, weights.view(1, 1, 1, -1), padding=(0, _BLUR_RADIUS)).view_as(image)
