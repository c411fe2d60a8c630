"""The same hearts in images that are harder to read, from which factors of intervals are learnt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from zlib import crc32

import numpy as np

from cvai.domain.segmentation import apex_comes_first
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.evaluation.conditions import Condition, gamma

NOISE, APEX_NOISE = 0.08, 0.04
"""Standard deviation of the noise, as a share of the 99th percentile of the image."""

APEX_SIGNAL = 0.3
"""Of the signal at the base, what is left at the apex."""

COIL_REACH_MM = 90.0
"""Distance from the coil over which the signal falls to 1/e."""

GHOST = 0.25
"""Intensity of each of two copies, a quarter of the field of view away."""


def noisy(volume: LabelledVolume, level: float = NOISE) -> LabelledVolume:
    """With Rician noise, the same for the same patient."""
    rng = _rng(volume)
    sd = level * float(np.percentile(volume.image, 99))
    real, imaginary = rng.normal(0.0, sd, (2, *volume.image.shape))
    return replace(volume, image=np.hypot(volume.image + real, imaginary).astype(np.float32))


def low_apex(volume: LabelledVolume) -> LabelledVolume:
    """Signal that falls from base to apex, and noise."""
    signal = np.linspace(1.0, APEX_SIGNAL, len(volume.image))
    if apex_comes_first(volume.labels):
        signal = signal[::-1]
    fallen = (volume.image * signal[:, None, None]).astype(np.float32)
    return noisy(replace(volume, image=fallen), APEX_NOISE)


def near_coil(volume: LabelledVolume) -> LabelledVolume:
    """Bright around a coil somewhere in the field of view, dark elsewhere."""
    rows, columns = volume.image.shape[1:]
    y, x = _rng(volume).uniform(0.0, 1.0, 2) * (rows, columns)
    along_y_mm = (np.arange(rows)[:, None] - y) * volume.spacing_mm[1]
    along_x_mm = (np.arange(columns)[None, :] - x) * volume.spacing_mm[2]
    sensitivity = np.exp(-np.hypot(along_y_mm, along_x_mm) / COIL_REACH_MM)
    return replace(volume, image=(volume.image * sensitivity).astype(np.float32))


def ghosted(volume: LabelledVolume) -> LabelledVolume:
    """With two weaker copies of itself, displaced along the rows."""
    shift = volume.image.shape[1] // 4
    copies = sum(np.roll(volume.image, way * shift, axis=1) for way in (-1, 1))
    return replace(volume, image=(volume.image + GHOST * copies).astype(np.float32))


def _rng(volume: LabelledVolume) -> np.random.Generator:
    return np.random.default_rng(crc32(f"{volume.patient} {volume.phase}".encode()))


HARDER = (
    Condition("unchanged", "unchanged", lambda volume: volume),
    Condition("noise", "noise", noisy),
    Condition("low_apex", "low signal at the apex", low_apex),
    Condition("coil", "a coil beside the heart", near_coil),
    Condition("ghosts", "ghosts", ghosted),
    Condition("gamma_0.6", "gamma 0.6", partial(gamma, exponent=0.6)),
)
