"""Ventricles whose wall is as thick as somebody said, segment by segment, on any grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.geometry import StackGeometry
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment

TO_APEX = np.array([0.70, -0.55, -0.45]) / np.linalg.norm([0.70, -0.55, -0.45])
"""Of a heart in its usual place, in LPS."""

ANTERIOR = np.array([0.0, 0.0, 1.0]) - TO_APEX[2] * TO_APEX
ANTERIOR /= np.linalg.norm(ANTERIOR)
SEPTUM = np.cross(TO_APEX, ANTERIOR)
"""Seen from the apex, the septum follows counter-clockwise on the anterior wall."""

SLICES_A_LEVEL = 3
SHAPE = (110, 150)


def stepped_mm(segment: WallSegment) -> float:
    """A thickness that no other segment has."""
    return 6.0 + 0.3 * segment.number


@dataclass(frozen=True)
class Grid:
    """How the heart is imaged: turned in its plane, seen from apex or base, slices in either order."""

    turned_deg: float = 17.0
    from_apex: bool = True
    base_first: bool = True
    spacing_mm: tuple[float, float] = (1.1, 0.8)

    @property
    def geometry(self) -> StackGeometry:
        turn = np.deg2rad(self.turned_deg)
        row = -np.cos(turn) * SEPTUM + np.sin(turn) * ANTERIOR
        normal = -TO_APEX if self.from_apex else TO_APEX
        column = np.cross(normal, row)
        centre = np.array([12.0, -34.0, 56.0])
        corner = (
            centre
            - row * 0.47 * SHAPE[1] * self.spacing_mm[1]
            - column * 0.52 * SHAPE[0] * self.spacing_mm[0]
        )
        steps = np.arange(len(Level) * SLICES_A_LEVEL)[:: 1 if self.base_first else -1]
        positions = corner + steps[:, np.newaxis] * 8.0 * TO_APEX
        return StackGeometry(positions, row, column, *self.spacing_mm)

    def labels(self, thickness_mm: Callable[[WallSegment], float], cavity_mm: float = 21.0) -> np.ndarray:
        """(z, y, x) of a round cavity with a wall of ``thickness_mm`` and a right ventricle on its septum."""
        geometry = self.geometry
        y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
        slices = []
        for z in range(geometry.n_slices):
            level = tuple(Level)[(z if self.base_first else geometry.n_slices - 1 - z) // SLICES_A_LEVEL]
            points = np.stack([y, x], axis=-1).astype(float)
            offsets = (
                geometry.positions_mm[z]
                + points[..., 1:] * geometry.spacing_x_mm * geometry.row_cosine
                + points[..., :1] * geometry.spacing_y_mm * geometry.column_cosine
            ) - np.array([12.0, -34.0, 56.0])
            slices.append(_slice(offsets, level, thickness_mm, cavity_mm))
        return np.stack(slices)


def _slice(
    offsets_mm: np.ndarray, level: Level, thickness_mm: Callable[[WallSegment], float], cavity_mm: float
) -> np.ndarray:
    towards_septum, towards_anterior = offsets_mm @ SEPTUM, offsets_mm @ ANTERIOR
    radius_mm = np.hypot(towards_septum, towards_anterior)
    angle_deg = np.rad2deg(np.arctan2(-towards_anterior, towards_septum))
    if level is Level.APICAL:
        cavity_mm *= 0.7
    wall_mm = np.zeros_like(radius_mm)
    for segment in (s for s in WALL_SEGMENTS if s.level is level):
        off_centre = (angle_deg - segment.centre_deg + 180) % 360 - 180
        wall_mm[np.abs(off_centre) <= segment.width_deg / 2] = thickness_mm(segment)
    labels = np.zeros(radius_mm.shape, np.uint8)
    beside = (np.abs(angle_deg) < 60) & (radius_mm < cavity_mm + wall_mm + 20)
    labels[beside] = SAX_LABELS[Structure.RV_CAVITY]
    labels[radius_mm < cavity_mm + wall_mm] = SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[radius_mm < cavity_mm] = SAX_LABELS[Structure.LV_CAVITY]
    return labels
