"""Volumes and masses by counting voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.heart.anatomy import Structure
from cvai.heart.segmentation import CineSegmentation

MYOCARDIAL_DENSITY_G_PER_ML = 1.05
"""Schulz-Menger et al., J Cardiovasc Magn Reson 2020;22:19, LV mass (doi:10.1186/s12968-020-00610-6)."""


def volume_curve_ml(segmentation: CineSegmentation, structure: Structure) -> NDArray[np.float64]:
    """(t,) volume of ``structure`` in every phase: voxel count times voxel volume, gaps included."""
    counts = segmentation.voxel_counts(structure).sum(axis=1)
    return np.asarray(counts * segmentation.geometry.voxel_volume_ml, dtype=np.float64)


def mass_g(volume_ml: float) -> float:
    """Mass of a volume of myocardium.

    >>> mass_g(100.0)
    105.0
    """
    return volume_ml * MYOCARDIAL_DENSITY_G_PER_ML
