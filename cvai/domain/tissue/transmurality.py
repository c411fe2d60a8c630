"""How far an infarct reaches through the wall, along rays from the middle of the cavity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from cvai.domain.tissue.shares import CAVITY, WALL, WHOLE_INFARCT

N_RAYS = 120
TRANSMURAL = 0.5
"""Share of the wall's thickness from which on its function rarely comes back (Kim et al., N Engl J Med
2000;343:1445, doi:10.1056/NEJM200011163432003)."""

CLOSED = 0.9
"""Share of the directions from the cavity's middle in which there is wall, from which on it is a ring."""

_STEP_PX = 0.5
_THINNEST_PX = 1.0


def transmurality(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> NDArray[np.float64] | None:
    """(ray,) share of the wall's thickness that is infarcted; NaN where a ray meets no wall.

    Rays are counted from the image's right, counter-clockwise as displayed.

    Args:
        labels: (y, x) values of LGE_LABELS.
        spacing_mm: between rows, between columns; rays are evenly spaced in true proportions.

    Returns:
        None where there is no cavity.
    """
    cavity = labels == CAVITY
    if not cavity.any():
        return None
    row, column = (float(indices.mean()) for indices in np.nonzero(cavity))
    step_mm = _STEP_PX * min(spacing_mm)
    radii_mm = np.arange(0.0, np.hypot(*np.multiply(labels.shape, spacing_mm)), step_mm)
    angles = 2 * np.pi * np.arange(N_RAYS) / N_RAYS
    points = np.array(
        [
            row - np.outer(np.sin(angles), radii_mm) / spacing_mm[0],
            column + np.outer(np.cos(angles), radii_mm) / spacing_mm[1],
        ]
    )
    wall_mm, infarct_mm = (
        map_coordinates(np.isin(labels, values).astype(np.float64), points, order=1).sum(axis=1) * step_mm
        for values in (WALL, WHOLE_INFARCT)
    )
    is_wall = wall_mm >= _THINNEST_PX * min(spacing_mm)
    return np.asarray(np.where(is_wall, infarct_mm / np.where(is_wall, wall_mm, 1.0), np.nan))


def is_ring(rays: NDArray[np.float64]) -> bool:
    """Whether a slice shows wall around its cavity, by its ``transmurality``."""
    return bool(np.mean(~np.isnan(rays)) >= CLOSED)


def circumferential_share(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> float:
    """Share of the circumference that is infarcted at any depth, median over slices whose wall is a ring; 0
    where none is.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        spacing_mm: between rows, between columns.
    """
    rays = [found for plane in labels if (found := transmurality(plane, spacing_mm)) is not None]
    shares = [float(np.mean(np.nan_to_num(found) > 0)) for found in rays if is_ring(found)]
    return float(np.median(shares)) if shares else 0.0


def transmural_percent(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> float | None:
    """Share of the circumference, over all slices, whose wall is infarcted by half or more, in percent.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        spacing_mm: between rows, between columns.

    Returns:
        None where no ray of any slice meets a wall.
    """
    rays = [found for plane in labels if (found := transmurality(plane, spacing_mm)) is not None]
    shares = np.concatenate(rays) if rays else np.empty(0)
    shares = shares[~np.isnan(shares)]
    return float(100.0 * np.mean(shares >= TRANSMURAL)) if shares.size else None
