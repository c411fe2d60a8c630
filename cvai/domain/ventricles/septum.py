"""Where the septum lies: from it the segments of the wall are counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry
from cvai.domain.ventricles.rings import slice_rings

HEAD = np.array([0.0, 0.0, 1.0])
"""In DICOM's LPS; the anterior wall of a heart in its usual place lies on that side of the septum."""


def septum_direction(labels: NDArray[np.uint8], geometry: StackGeometry) -> NDArray[np.float64] | None:
    """(3,) unit vector in LPS from the middle of the cavity to the middle of the septum, mean of the slices.

    A direction, unlike a place, is the same in every breath-hold.

    Args:
        labels: (z, y, x) values of ``SAX_LABELS`` of one phase.
        geometry: where the slices lie.

    Returns:
        None where no slice shows both insertions of the right ventricle.
    """
    septa_deg = [r.septum_deg for r in slice_rings(labels, geometry) if r and r.septum_deg is not None]
    if not septa_deg:
        return None
    mean = directions_in_patient(septa_deg, geometry).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def directions_in_patient(angles_deg: Sequence[float], geometry: StackGeometry) -> NDArray[np.float64]:
    """(n, 3) unit vectors in LPS of directions on an image, counted from its right, counter-clockwise."""
    angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64))[:, np.newaxis]
    return np.asarray(np.cos(angles) * geometry.row_cosine - np.sin(angles) * geometry.column_cosine)


def angle_on_image_deg(direction: NDArray[np.float64], geometry: StackGeometry) -> float:
    """Angle of a direction in LPS on an image, above 0 and up to 360; the inverse of the above."""
    degrees = np.rad2deg(np.arctan2(-direction @ geometry.column_cosine, direction @ geometry.row_cosine))
    return float(degrees % 360.0) or 360.0


def sense_of_rotation(geometry: StackGeometry, *, apex_first: bool) -> int:
    """1 where the image shows the heart as seen from its apex, -1 where it shows it from its base.

    The viewer of an image looks along row x column, and sees the heart from the apex when that leads to the
    base.
    """
    first, last = geometry.positions_mm[0], geometry.positions_mm[-1]
    towards_base = last - first if apex_first else first - last
    return 1 if float(geometry.normal @ towards_base) > 0 else -1


def is_upright(septa_deg: Sequence[float], sense: int, geometry: StackGeometry) -> bool:
    """Whether the anterior wall, a quarter turn from the septum, lies on the side of the head."""
    anterior_deg = [septum_deg - sense * 90.0 for septum_deg in septa_deg]
    return bool(directions_in_patient(anterior_deg, geometry).mean(axis=0) @ HEAD > 0)
