"""Volumes and masses by counting voxels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.segmentation import CineSegmentation

VolumeCurves = Mapping[Structure, NDArray[np.float64]]
"""(t,) volume in mL of each structure of ``SAX_LABELS`` in every phase."""

MYOCARDIAL_DENSITY_G_PER_ML = 1.05
"""Schulz-Menger et al., J Cardiovasc Magn Reson 2020;22:19, LV mass (doi:10.1186/s12968-020-00610-6)."""


def volume_curve_ml(segmentation: CineSegmentation, structure: Structure) -> NDArray[np.float64]:
    """(t,) volume of ``structure`` in every phase: voxel count times voxel volume, gaps included."""
    counts = segmentation.voxel_counts(structure).sum(axis=1)
    return np.asarray(counts * segmentation.geometry.voxel_volume_ml, dtype=np.float64)


def volume_curves_ml(segmentation: CineSegmentation) -> VolumeCurves:
    """The curve of every structure; whoever needs several of a study makes them once and hands them on."""
    return {structure: volume_curve_ml(segmentation, structure) for structure in SAX_LABELS}


def mass_g(volume_ml: float) -> float:
    """Mass of a volume of myocardium.

    >>> mass_g(100.0)
    105.0
    """
    return volume_ml * MYOCARDIAL_DENSITY_G_PER_ML
