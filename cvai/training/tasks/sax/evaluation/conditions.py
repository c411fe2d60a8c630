"""Labelled volumes as another scanner, another operator or another viewer would have delivered them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import SAX_LABELS
from cvai.models.resample import full_window
from cvai.training.datasets.data import LabelledVolume

CORNER_MARGIN_MM = 8.0
"""What is left between the heart and the corner it is moved to, and around it in half the field of view."""

BIAS_RATIO = 8.0
"""How much brighter one corner is than the opposite one: a surface coil close to the chest, uncorrected."""

_PLANE = (1, 2)


@dataclass(frozen=True, slots=True)
class Condition:
    """One way to change a volume; image and labels change together.

    Args:
        name: stable key in evaluation.json.
        title: for readers.
        change: makes the changed volume.
    """

    name: str
    title: str
    change: Callable[[LabelledVolume], LabelledVolume]


def rotated(volume: LabelledVolume) -> LabelledVolume:
    """Rotated in its plane by 90 degrees."""
    sz, sy, sx = volume.spacing_mm
    return _both(volume, lambda array: np.rot90(array, axes=_PLANE), spacing_mm=(sz, sx, sy))


def mirrored(volume: LabelledVolume) -> LabelledVolume:
    """Left and right exchanged."""
    return _both(volume, lambda array: np.flip(array, axis=2))


def transposed(volume: LabelledVolume) -> LabelledVolume:
    """Rows and columns exchanged."""
    sz, sy, sx = volume.spacing_mm
    return _both(volume, lambda array: array.transpose(0, 2, 1), spacing_mm=(sz, sx, sy))


def resampled(volume: LabelledVolume, spacing_mm: float) -> LabelledVolume:
    """On square pixels of ``spacing_mm``: each takes the label that fills most of it."""
    rows, columns = volume.image.shape[1:]
    window = full_window((rows, columns), volume.spacing_mm[1:], spacing_mm)
    values = np.arange(max(SAX_LABELS.values()) + 1)
    shares = np.stack([window.cut((volume.labels == value).astype(np.float32)) for value in values])
    return replace(
        volume,
        image=window.cut(volume.image),
        labels=shares.argmax(axis=0).astype(np.uint8),
        spacing_mm=(volume.spacing_mm[0], spacing_mm, spacing_mm),
    )


def in_corner(volume: LabelledVolume) -> LabelledVolume:
    """Shifted until the heart lies in the first rows and columns; zero where the image has ended."""
    heart = _heart_with_margin(volume)

    def shift(array: NDArray[np.generic]) -> NDArray[np.generic]:
        kept = array[:, heart[0].start :, heart[1].start :]
        missing = [(0, whole - part) for whole, part in zip(array.shape, kept.shape, strict=True)]
        return np.pad(kept, missing)

    return _both(volume, shift)


def half_field(volume: LabelledVolume) -> LabelledVolume:
    """Half as many rows and columns around the heart; more only where the heart needs them."""
    rows, columns = (
        _half_around(extent, n)
        for extent, n in zip(_heart_with_margin(volume), volume.image.shape[1:], strict=True)
    )
    return _both(volume, lambda array: array[:, rows, columns])


def gamma(volume: LabelledVolume, exponent: float) -> LabelledVolume:
    """Grey values between their minimum and maximum raised to ``exponent``."""
    low, high = float(volume.image.min()), float(volume.image.max())
    changed = low + (high - low) * ((volume.image - low) / (high - low)) ** exponent
    return replace(volume, image=changed.astype(np.float32))


def bias_field(volume: LabelledVolume, ratio: float = BIAS_RATIO) -> LabelledVolume:
    """Brighter from the first corner to the opposite one, by ``ratio`` in all, in constant proportion."""
    rows, columns = volume.image.shape[1:]
    along = (np.linspace(0, 1, rows)[:, None] + np.linspace(0, 1, columns)[None, :]) / 2
    return replace(volume, image=(volume.image * ratio ** (along - 0.5)).astype(np.float32))


CONDITIONS = (
    Condition("rotated_90", "rotated by 90 degrees", rotated),
    Condition("mirrored", "mirrored", mirrored),
    Condition("transposed", "transposed", transposed),
    Condition("spacing_0.7_mm", "pixels of 0.7 mm", partial(resampled, spacing_mm=0.7)),
    Condition("spacing_2.5_mm", "pixels of 2.5 mm", partial(resampled, spacing_mm=2.5)),
    Condition("heart_in_corner", "heart in a corner", in_corner),
    Condition("half_field_of_view", "half the field of view", half_field),
    Condition("gamma_0.6", "gamma 0.6", partial(gamma, exponent=0.6)),
    Condition("gamma_1.6", "gamma 1.6", partial(gamma, exponent=1.6)),
    Condition("bias_field", f"bias field of 1 to {BIAS_RATIO:g}", bias_field),
)


def _both(
    volume: LabelledVolume,
    change: Callable[[NDArray[np.generic]], NDArray[np.generic]],
    spacing_mm: tuple[float, float, float] | None = None,
) -> LabelledVolume:
    """Image and labels through the same change of the grid."""
    return replace(
        volume,
        image=np.ascontiguousarray(change(volume.image), dtype=np.float32),
        labels=np.ascontiguousarray(change(volume.labels), dtype=np.uint8),
        spacing_mm=spacing_mm or volume.spacing_mm,
    )


def _heart_with_margin(volume: LabelledVolume) -> tuple[slice, slice]:
    """Rows and columns of the heart in all slices, with CORNER_MARGIN_MM around it, within the image."""
    heart = (volume.labels > 0).any(axis=0)
    extents = ndimage.find_objects(heart.astype(np.uint8))[0]
    margins = [int(np.ceil(CORNER_MARGIN_MM / spacing)) for spacing in volume.spacing_mm[1:]]
    rows, columns = (
        slice(max(0, extent.start - margin), min(n, extent.stop + margin))
        for extent, margin, n in zip(extents, margins, heart.shape, strict=True)
    )
    return rows, columns


def _half_around(extent: slice, n: int) -> slice:
    """Half of ``n`` indices around the middle of ``extent``, or all of ``extent`` where that is more."""
    size = max(n // 2, extent.stop - extent.start)
    start = int(np.clip((extent.start + extent.stop - size) // 2, 0, n - size))
    return slice(start, start + size)
