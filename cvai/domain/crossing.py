"""Planes that cut through a stack of slices: where they meet, and which of their phases belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry


@dataclass(frozen=True, slots=True, eq=False)
class PlaneGeometry:
    """One plane of pixels in the patient, see ``StackGeometry``.

    Args:
        position_mm: (3,) LPS centre of the first pixel.
        row_cosine: (3,) direction of increasing x (column index), unit length.
        column_cosine: (3,) direction of increasing y (row index), unit length, orthogonal to row_cosine.
        spacing_y_mm: distance between neighbouring rows.
        spacing_x_mm: distance between neighbouring columns.

    Raises:
        ValueError: as for ``StackGeometry``.
    """

    position_mm: NDArray[np.float64]
    row_cosine: NDArray[np.float64]
    column_cosine: NDArray[np.float64]
    spacing_y_mm: float
    spacing_x_mm: float

    def __post_init__(self) -> None:
        if self.position_mm.shape != (3,):
            raise ValueError(f"position_mm must be (3,), got shape {self.position_mm.shape}")
        lengths = [float(np.linalg.norm(cosine)) for cosine in (self.row_cosine, self.column_cosine)]
        if not np.allclose(lengths, 1.0, atol=1e-3) or abs(self.row_cosine @ self.column_cosine) > 1e-3:
            raise ValueError("row_cosine and column_cosine must be orthogonal and of unit length")
        if not (0 < self.spacing_y_mm < np.inf and 0 < self.spacing_x_mm < np.inf):
            raise ValueError(f"pixel spacing must be positive, got {self.spacing_y_mm}, {self.spacing_x_mm}")

    @property
    def normal(self) -> NDArray[np.float64]:
        """(3,) unit normal, row x column."""
        normal = np.cross(self.row_cosine, self.column_cosine)
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """Where a slice meets a plane that cuts through it.

    Args:
        distance_mm: (3,) with (x, y, 1) of a pixel of the slice: its distance from the plane, with a sign.
        to_pixel: (2, 3) with the same: (x, y) of the pixel of the plane nearest to it.
    """

    distance_mm: NDArray[np.float64]
    to_pixel: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CrossingCine:
    """A cine of one plane that cuts through a stack.

    Args:
        title: for readers.
        pixels: (t, y, x) intensities.
        geometry: where it lies in the patient.
        phases: for every phase of the stack the one of this cine that is nearest in the heartbeat.
    """

    title: str
    pixels: NDArray[np.float32]
    geometry: PlaneGeometry
    phases: tuple[int, ...]


def crossing_of(stack: StackGeometry, z: int, plane: PlaneGeometry) -> Crossing:
    """Where slice ``z`` of a stack meets a plane.

    >>> stack = StackGeometry.unplaced(2, (10.0, 1.5, 2.0))
    >>> axes = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0])
    >>> plane = PlaneGeometry(np.array([0.0, 6.0, 40.0]), *axes, 1.0, 1.0)
    >>> crossing = crossing_of(stack, 1, plane)
    >>> (crossing.distance_mm @ [5.0, 4.0, 1.0]).item()
    0.0
    >>> (crossing.to_pixel @ [5.0, 4.0, 1.0]).tolist()
    [10.0, 30.0]
    """
    steps_mm = np.stack(
        [
            stack.spacing_x_mm * stack.row_cosine,
            stack.spacing_y_mm * stack.column_cosine,
            stack.positions_mm[z] - plane.position_mm,
        ],
        axis=1,
    )
    across = np.stack([plane.row_cosine / plane.spacing_x_mm, plane.column_cosine / plane.spacing_y_mm])
    return Crossing(distance_mm=plane.normal @ steps_mm, to_pixel=across @ steps_mm)


def cuts_through(stack: StackGeometry, mask: NDArray[np.bool_], plane: PlaneGeometry) -> bool:
    """Whether a plane has voxels of a (z, y, x) mask on both of its sides within one slice."""
    for z in range(stack.n_slices):
        y, x = np.nonzero(mask[z])
        distance_mm = np.stack([x, y, np.ones_like(x)], axis=1) @ crossing_of(stack, z, plane).distance_mm
        if distance_mm.size and distance_mm.min() < 0 < distance_mm.max():
            return True
    return False


def nearest_phases(shares: NDArray[np.float64], other_shares: NDArray[np.float64]) -> list[int]:
    """For every phase of a cine the phase of another one that is nearest to it in the heartbeat.

    Args:
        shares: (t,) of the R-R interval at which each phase was acquired.
        other_shares: the same of the other cine; the end of a heartbeat is next to its beginning.

    >>> nearest_phases(np.array([0.0, 0.5, 0.97]), np.array([0.02, 0.3, 0.6]))
    [0, 2, 0]
    """
    apart = np.abs(shares[:, None] - other_shares[None, :]) % 1.0
    nearest: list[int] = np.minimum(apart, 1.0 - apart).argmin(axis=1).tolist()
    return nearest
