"""Where a stack of parallel slices lies in the patient, in DICOM's LPS millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class StackGeometry:
    """Parallel slices on one pixel grid; slices are equally spaced along their common normal.

    Slices may be shifted within their plane against each other (a sheared stack), so every slice keeps its
    own position. A voxel ``(z, y, x)`` lies at
    ``positions_mm[z] + x * spacing_x_mm * row_cosine + y * spacing_y_mm * column_cosine``
    (PS3.3 C.7.6.2.1.1, where PixelSpacing[0] is ``spacing_y_mm``, PixelSpacing[1] ``spacing_x_mm``).

    Args:
        positions_mm: (z, 3) LPS centre of the first pixel of every slice.
        row_cosine: (3,) direction of increasing x (column index), unit length.
        column_cosine: (3,) direction of increasing y (row index), unit length, orthogonal to row_cosine.
        spacing_y_mm: distance between neighbouring rows.
        spacing_x_mm: distance between neighbouring columns.

    Raises:
        ValueError: shapes, lengths or angles are wrong, or slices do not advance evenly along the normal.
    """

    positions_mm: NDArray[np.float64]
    row_cosine: NDArray[np.float64]
    column_cosine: NDArray[np.float64]
    spacing_y_mm: float
    spacing_x_mm: float

    def __post_init__(self) -> None:
        if self.positions_mm.ndim != 2 or self.positions_mm.shape[1] != 3 or len(self.positions_mm) < 2:
            raise ValueError(f"positions_mm must be (z >= 2, 3), got shape {self.positions_mm.shape}")
        for name in ("row_cosine", "column_cosine"):
            length = float(np.linalg.norm(getattr(self, name)))
            if not np.isclose(length, 1.0, atol=1e-3):
                raise ValueError(f"{name} must have unit length, got {length:.4f}")
        if abs(float(self.row_cosine @ self.column_cosine)) > 1e-3:
            raise ValueError("row_cosine and column_cosine must be orthogonal")
        if not (0 < self.spacing_y_mm < np.inf and 0 < self.spacing_x_mm < np.inf):
            raise ValueError(f"pixel spacing must be positive, got {self.spacing_y_mm}, {self.spacing_x_mm}")
        gaps_mm = np.diff(self.positions_mm @ self.normal)
        if np.any(gaps_mm == 0) or np.any(np.sign(gaps_mm) != np.sign(gaps_mm[0])):
            raise ValueError("slices must advance in one direction along the normal")
        for array in (self.positions_mm, self.row_cosine, self.column_cosine):
            array.setflags(write=False)

    @classmethod
    def unplaced(cls, n_slices: int, spacing_mm: tuple[float, float, float]) -> StackGeometry:
        """A stack of which only the (z, y, x) spacing is known: its place in the patient is arbitrary.

        >>> StackGeometry.unplaced(4, (10.0, 1.5, 2.0)).voxel_volume_ml
        0.03
        """
        positions_mm = np.zeros((n_slices, 3))
        positions_mm[:, 2] = np.arange(n_slices) * spacing_mm[0]
        return cls(positions_mm, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), *spacing_mm[1:])

    @property
    def normal(self) -> NDArray[np.float64]:
        """(3,) unit normal of the slices, row x column."""
        normal = np.cross(self.row_cosine, self.column_cosine)
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return len(self.positions_mm)

    @property
    def slice_spacing_mm(self) -> float:
        """Mean distance between neighbouring slice planes, measured along the normal."""
        along_mm = self.positions_mm @ self.normal
        return float(abs(along_mm[-1] - along_mm[0]) / (self.n_slices - 1))

    @property
    def voxel_volume_ml(self) -> float:
        """Volume that one voxel stands for, gap between slices included, in millilitres."""
        return self.slice_spacing_mm * self.spacing_y_mm * self.spacing_x_mm / 1000.0

    def point_mm(self, z: int, y: float, x: float) -> NDArray[np.float64]:
        """(3,) LPS position of the pixel at row ``y``, column ``x`` of slice ``z``."""
        return np.asarray(
            self.positions_mm[z]
            + x * self.spacing_x_mm * self.row_cosine
            + y * self.spacing_y_mm * self.column_cosine,
            dtype=np.float64,
        )
