"""What training slices go through, so that the network meets every orientation, zoom, coil and noise.

Whole batches are cut out of all slices at once, bent and shaded on the device that trains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch.nn.functional import conv2d, grid_sample, interpolate, pad

from cvai.domain.anatomy import BACKGROUND
from cvai.training.core.chance import Chance
from cvai.training.core.spec import Batch
from cvai.training.tasks.sax.config import AugmentConfig
from cvai.training.tasks.sax.samples import SliceSample

BEND_EVERY_MM = 36.0
"""Grid points of a bend; a wall of 10 mm is bent as a whole, not torn."""

HOLE_MM = 24.0
"""Side of a hole: less than a ventricle, so that what surrounds it shows what is there."""

_MOST_HOLES = 4
_PIECES = 4
_STYLE_PERIODS = 2  # in a window of 168 mm: brightness and contrast of whole regions, no shapes


class SliceBank:
    """All training slices on one device, each with zeros to its right and below up to the largest size."""

    def __init__(self, samples: Sequence[SliceSample], device: torch.device) -> None:
        sizes = [tuple(sample["image"].shape[-2:]) for sample in samples]
        largest = max(y for y, _ in sizes), max(x for _, x in sizes)
        self.images = _stacked([sample["image"] for sample in samples], largest).to(device)  # (n, 3, y, x)
        self.shares = _stacked([sample["label"] for sample in samples], largest).to(device)  # (n, 4, y, x)
        self.sizes = torch.tensor(sizes, dtype=torch.float32, device=device)  # (n, 2)
        self.centres = torch.tensor([s["centre"] for s in samples], dtype=torch.float32, device=device)
        undrawn = torch.tensor([s["undrawn"] for s in samples], dtype=torch.long, device=device)
        self.undrawn = undrawn[:, None, None, None]  # (n, 1, 1, 1)


def _stacked(images: Sequence[torch.Tensor], largest: tuple[int, int]) -> torch.Tensor:
    height, width = largest
    return torch.stack([pad(i, (0, width - i.shape[-1], 0, height - i.shape[-2])) for i in images])


class BatchMaker:
    """Batches of image (n, 3, size, size) and label (n, 1, size, size) from a bank of slices.

    Args:
        bank: all slices.
        config: how far they are changed.
        size: pixels on a side.
        spacing_mm: of a pixel.
        seed: the same seed gives the same batches.
    """

    def __init__(
        self, bank: SliceBank, config: AugmentConfig, size: int, spacing_mm: float, seed: int
    ) -> None:
        self._bank, self._config, self._size, self._spacing_mm = bank, config, size, spacing_mm
        self._chance = Chance(seed, bank.images.device)

    def endless(self, weights: Sequence[float], batch_size: int) -> Iterator[Batch]:
        """Slices are drawn as often as their weights say."""
        drawn = torch.tensor(weights, dtype=torch.float32, device=self._bank.images.device)
        while True:
            yield self.batch(self._chance.weighted(drawn, batch_size))

    @torch.no_grad()
    def batch(self, chosen: torch.Tensor) -> Batch:
        """Some slices of the bank, changed at random."""
        grid = self._grid(chosen)
        image = grid_sample(self._bank.images[chosen].float(), grid, align_corners=False)
        shares = grid_sample(self._bank.shares[chosen].float(), grid, align_corners=False)
        shares[:, 0] = 1 - shares[:, 1:].sum(dim=1)  # outside the image every share is zero: background
        label = shares.argmax(dim=1, keepdim=True)
        label = torch.where(label == BACKGROUND, self._bank.undrawn[chosen], label)
        seen = self._with_gaps(self._degraded(self._disturbed(self._shaded(self._thickened(image)))))
        kept = self._within_edge(len(chosen))
        return {"image": seen * kept, "label": label * kept}

    def _grid(self, chosen: torch.Tensor) -> torch.Tensor:
        """(n, size, size, 2) points of the slices, as ``grid_sample`` counts them: x first, -1 to 1."""
        at = self._centres(chosen)[:, None, None] + self._offsets(len(chosen))
        height, width = self._bank.images.shape[-2:]
        extent = torch.tensor((height, width), device=at.device)
        return ((2 * at + 1) / extent - 1).flip(-1)

    def _centres(self, chosen: torch.Tensor) -> torch.Tensor:
        """(n, 2) middles of the windows: around the heart, or anywhere in the image."""
        chance, config, n = self._chance, self._config, len(chosen)
        jitter = config.centre_jitter_mm / self._spacing_mm
        around = self._bank.centres[chosen] + chance.normal(n, 2) * jitter
        anywhere = self._bank.sizes[chosen] * chance.uniform(0, 1, n, 2)
        return torch.where(chance.some(config.anywhere, n)[:, :, 0, 0], anywhere, around)

    def _offsets(self, n: int) -> torch.Tensor:
        """(n, size, size, 2) pixels from the middle: bent, then zoomed, sheared, turned and mirrored."""
        chance, config, size = self._chance, self._config, self._size
        line = torch.arange(size, device=self._bank.images.device) - (size - 1) / 2
        straight = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)
        scale, shear = 1 + chance.uniform(-config.scale, config.scale, n, 2), config.shear
        skewed = torch.eye(2, device=line.device) + chance.uniform(-shear, shear, n, 2, 2) * (
            1 - torch.eye(2, device=line.device)
        )
        turned = _rotation(chance.uniform(-math.pi, math.pi, n), mirrored=chance.some(0.5, n)[:, 0, 0, 0])
        return (straight + self._bend(n)) @ (turned @ skewed * scale[:, None]).mT[:, None]

    def _bend(self, n: int) -> torch.Tensor:
        """(n, size, size, 2) shifts that follow those of points BEND_EVERY_MM apart."""
        chance, size = self._chance, self._size
        points = math.ceil(size * self._spacing_mm / BEND_EVERY_MM) + 1
        largest = chance.uniform(0, self._config.bend_mm / self._spacing_mm, n, 1, 1, 1)
        shifts = chance.uniform(-1, 1, n, 2, points, points) * largest
        smooth = interpolate(shifts, size=(size, size), mode="bicubic", align_corners=True)
        return smooth.permute(0, 2, 3, 1)

    def _thickened(self, image: torch.Tensor) -> torch.Tensor:
        """Thick slices show what their neighbours hold; of thin ones the neighbours look like themselves."""
        chance, config, n = self._chance, self._config, len(image)
        middle, beside = image[:, 1:2], image[:, (0, 2)].mean(dim=1, keepdim=True)
        there = (image[:, (0, 2)].amax((1, 2, 3), keepdim=True) > 0) & chance.some(config.partial_volume, n)
        share = chance.uniform(0, 0.3, n, 1, 1, 1) * there
        thinner = chance.uniform(0, 0.6, n, 1, 1, 1) * chance.some(config.partial_volume, n)
        alike = image + (middle - image) * thinner * (image.amax((2, 3), keepdim=True) > 0)
        return torch.cat([alike[:, :1], middle + (beside - middle) * share, alike[:, 2:]], dim=1)

    def _shaded(self, image: torch.Tensor) -> torch.Tensor:
        """Another coil, another contrast, another brightness."""
        chance, config, n = self._chance, self._config, len(image)
        if config.mixed_style:
            image = torch.where(chance.some(config.mixed_style, n), self._in_style_of_another(image), image)
        if config.contrast:
            image = torch.where(chance.some(config.contrast, n), self._on_another_curve(image), image)
        if config.coil:
            image = torch.where(chance.some(config.coil, n), image * self._coil(n), image)
        field = (self._field(n) * chance.some(0.3, n)).exp()
        image = image * field
        low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
        gamma = chance.uniform(1 / (1 + config.gamma), 1 + config.gamma, n, 1, 1, 1)
        share = ((image - low) / (high - low).clamp(min=1e-6)).clamp(min=1e-6)
        image = torch.where(chance.some(0.4, n), share**gamma * (high - low) + low, image)
        factor = chance.uniform(-config.brightness, config.brightness, n, 1, 1, 1) * chance.some(0.5, n)
        offset = chance.uniform(-0.1, 0.1, n, 1, 1, 1) * chance.some(0.5, n)
        return image * (1 + factor) + offset

    def _field(self, n: int) -> torch.Tensor:
        """(n, 1, size, size) logarithms of a coil's field: Legendre polynomials up to the second degree."""
        line = torch.linspace(-1, 1, self._size, device=self._bank.images.device)
        y, x = torch.meshgrid(line, line, indexing="ij")
        terms = torch.stack([torch.ones_like(x), y, x, (3 * y**2 - 1) / 2, x * y, (3 * x**2 - 1) / 2])
        strength = self._config.bias_field
        coefficients = self._chance.uniform(-strength, strength, n, len(terms))
        return torch.einsum("nk,kyx->nyx", coefficients, terms)[:, None]

    def _in_style_of_another(self, image: torch.Tensor) -> torch.Tensor:
        """The amplitude of the lowest frequencies mixed with those of another image (Xu et al., CVPR 2021;
        arXiv:2105.11120): what differs between scanners, while the phase, which holds the shapes, stays."""
        chance, n = self._chance, len(image)
        spectrum = torch.fft.rfft2(image)
        amplitude, phase = spectrum.abs(), spectrum.angle()
        other = amplitude[torch.randperm(n, generator=chance.order, device="cpu").to(image.device)]
        rows, columns = amplitude.shape[-2:]
        away = torch.fft.fftfreq(rows, 1 / rows, device=image.device).abs()[:, None]
        low = (away <= _STYLE_PERIODS) & (torch.arange(columns, device=image.device) <= _STYLE_PERIODS)
        share = chance.uniform(0, 1, n, 1, 1, 1) * low
        mixed = torch.polar(amplitude + (other - amplitude) * share, phase)
        restyled: torch.Tensor = torch.fft.irfft2(mixed, s=image.shape[-2:])
        return restyled.clamp(min=0)

    def _on_another_curve(self, image: torch.Tensor) -> torch.Tensor:
        """Intensities through a rising curve of four straight pieces: other sequences, other flip angles."""
        steps = self._chance.uniform(0.25, 1.0, len(image), _PIECES, 1, 1, 1)
        steps = steps / steps.sum(dim=1, keepdim=True)
        pieces = [(image * _PIECES - k).clamp(0, 1) * steps[:, k] for k in range(_PIECES)]
        return torch.stack(pieces).sum(dim=0)

    def _coil(self, n: int) -> torch.Tensor:
        """(n, 1, size, size) factors, 1 at a coil beside the window and less with the distance from it."""
        chance = self._chance
        line = torch.linspace(-1, 1, self._size, device=self._bank.images.device)
        angle = chance.uniform(-math.pi, math.pi, n, 1, 1, 1)
        reach = chance.uniform(0.5, 1.3, n, 1, 1, 1)
        y, x = torch.meshgrid(line, line, indexing="ij")
        distance = ((y - angle.sin() * 1.2) ** 2 + (x - angle.cos() * 1.2) ** 2).sqrt()
        field = (-distance / (2 * reach)).exp()
        return field / field.mean(dim=(2, 3), keepdim=True)

    def _disturbed(self, image: torch.Tensor) -> torch.Tensor:
        """Dark bands where the field is off, and ghosts along the direction of phase encoding."""
        chance, config, n = self._chance, self._config, len(image)
        if config.banding:
            image = torch.where(chance.some(config.banding, n), image * self._bands(n), image)
        if config.ghosts:
            image = torch.where(chance.some(config.ghosts, n), self._with_ghosts(image), image)
        return image

    def _bands(self, n: int) -> torch.Tensor:
        """(n, 1, size, size) factors, small along curved lines of one to three a window."""
        chance = self._chance
        line = torch.linspace(-1, 1, self._size, device=self._bank.images.device)
        y, x = torch.meshgrid(line, line, indexing="ij")
        angle, bend = chance.uniform(-math.pi, math.pi, n, 1, 1, 1), chance.uniform(-1, 1, n, 1, 1, 1)
        along = y * angle.sin() + x * angle.cos() + bend * (y * angle.cos() - x * angle.sin()) ** 2
        turns = along * chance.uniform(0.3, 1.5, n, 1, 1, 1) + chance.uniform(0, 1, n, 1, 1, 1)
        depth, width = chance.uniform(0.2, 0.9, n, 1, 1, 1), chance.uniform(4, 16, n, 1, 1, 1)
        within: torch.Tensor = (1 - (math.pi * turns).sin().abs()) ** width
        return 1 - depth * within

    def _with_ghosts(self, image: torch.Tensor) -> torch.Tensor:
        chance, n = self._chance, len(image)
        shift = round(self._size * chance.number(0.15, 0.5))
        axis = 2 if chance.number(0, 1) < 0.5 else 3
        ghost = image.roll(shift, axis) + image.roll(-shift, axis)
        return image + ghost * chance.uniform(0, 0.2, n, 1, 1, 1)

    def _degraded(self, image: torch.Tensor) -> torch.Tensor:
        """Less sharp, coarser, noisier; how blurred and how coarse is drawn once for a batch."""
        chance, config, n = self._chance, self._config, len(image)
        image = torch.where(chance.some(0.2, n), _smoothed(image, chance.number(0.4, 1.1)), image)
        fewer = round(self._size * chance.number(0.5, 1.0))
        coarse = interpolate(interpolate(image, size=fewer, mode="area"), size=self._size, mode="bilinear")
        image = torch.where(chance.some(config.coarse, n), coarse, image)
        noise = chance.uniform(0, config.noise, n, 1, 1, 1) * chance.some(0.3, n)
        return image + chance.normal(*image.shape) * noise

    def _with_gaps(self, image: torch.Tensor) -> torch.Tensor:
        """Neighbours exchanged (a stack may run from apex to base) or lost (it may end here); holes."""
        chance, config, n = self._chance, self._config, len(image)
        image = torch.where(chance.some(0.5, n), image.flip(1), image)
        lost = chance.uniform(0, 1, n, 3, 1, 1) < config.drop_neighbour
        lost[:, 1] = False
        image = image.masked_fill(lost, 0.0)
        return torch.where(self._holes(n), chance.uniform(0, 1, n, 1, 1, 1), image)

    def _holes(self, n: int) -> torch.Tensor:
        """(n, 1, size, size) true within one to four squares in some of the images."""
        chance, side = self._chance, HOLE_MM / self._spacing_mm
        line = torch.arange(self._size, device=self._bank.images.device)
        first = chance.uniform(0, self._size - side, n, _MOST_HOLES, 2, 1)
        within = (line >= first) & (line < first + side)  # (n, holes, 2, size)
        squares = within[:, :, 0, :, None] & within[:, :, 1, None, :]
        there = chance.uniform(0, _MOST_HOLES, n, 1) >= torch.arange(_MOST_HOLES, device=line.device)
        return (squares & there[:, :, None, None]).any(1, keepdim=True) & chance.some(self._config.occlude, n)

    def _within_edge(self, n: int) -> torch.Tensor:
        """(n, 1, size, size) false where the field of view has ended: up to a third, from one border."""
        chance, size = self._chance, self._size
        line = torch.arange(size, device=self._bank.images.device).expand(n, 1, 1, size)
        line = torch.where(chance.some(0.5, n), line, size - 1 - line)
        kept = (line >= chance.uniform(0, size / 3, n, 1, 1, 1)) | ~chance.some(self._config.edge, n)
        kept = kept.expand(n, 1, size, size)
        return torch.where(chance.some(0.5, n), kept, kept.mT)


def _rotation(angles: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """(n, 2, 2) matrices; where ``mirrored`` the first axis is turned round."""
    cos, sin = angles.cos(), angles.sin()
    sign = 1 - 2 * mirrored.to(cos.dtype)
    return torch.stack([cos * sign, -sin, sin * sign, cos], dim=-1).view(-1, 2, 2)


def _smoothed(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """A Gaussian over rows and columns; zeros beyond the image."""
    line = torch.arange(-4, 5, device=image.device, dtype=image.dtype)
    weights = (-(line**2) / (2 * sigma**2)).exp()
    weights = weights / weights.sum()
    n, c, height, width = image.shape
    flat = image.reshape(n * c, 1, height, width)
    flat = conv2d(flat, weights.view(1, 1, -1, 1), padding=(4, 0))
    return conv2d(flat, weights.view(1, 1, 1, -1), padding=(0, 4)).view_as(image)
