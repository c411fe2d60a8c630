"""What makes one phantom heart differ in shape from the next: drawn once from the seed, then fixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.phantom.seeds import Stream, generator

N_ANGLES = 1024
"""Boundaries are tabulated at this many angles around the long axis of the left ventricle."""

ANGLES_RAD = np.linspace(0.0, 2.0 * np.pi, N_ANGLES, endpoint=False)
"""(angle,) counted from the heart plane's u axis (to the patient's back on the left) to its v axis (down)."""
ANGLES_RAD.setflags(write=False)

SEPTUM_RAD = np.pi
"""Direction from the left ventricle to the middle of the septum: the right ventricle lies to the left."""


_TRABECULATED_LAYER = 0.18
"""Least reach of LV trabeculae in any direction, relative to the longest: they line the wall all round."""


def angle_from(centre_rad: float) -> NDArray[np.float64]:
    """(angle,) signed angle of every tabulated direction from ``centre_rad``, between -pi and pi."""
    return np.asarray((ANGLES_RAD - centre_rad + np.pi) % (2.0 * np.pi) - np.pi)


@dataclass(frozen=True, slots=True, eq=False)
class Individual:
    """Shape of one person's heart.

    Args:
        lv_harmonics: (n, 3) order, relative amplitude and phase in radians of the LV outline's departure
            from a circle.
        harmonic_twist_rad: turn of those harmonics from base to apex.
        rv_centre_rad: direction of the middle of the right ventricle.
        rv_anterior_rad: angle from there to the anterior insertion.
        rv_inferior_rad: angle from there to the inferior insertion.
        papillary_rad: directions of the anterolateral and the posteromedial papillary muscle.
        papillary_share: radius of a papillary muscle as a share of the cavity's radius.
        fat_mm: (angle,) thickness of epicardial fat.
        lv_trabeculae: (angle,) 0..1, how far trabeculae reach into the LV cavity in each direction.
        rv_trabeculae: (angle,) the same for the RV cavity.
    """

    lv_harmonics: NDArray[np.float64]
    harmonic_twist_rad: float
    rv_centre_rad: float
    rv_anterior_rad: float
    rv_inferior_rad: float
    papillary_rad: tuple[float, float]
    papillary_share: tuple[float, float]
    fat_mm: NDArray[np.float64]
    lv_trabeculae: NDArray[np.float64]
    rv_trabeculae: NDArray[np.float64]

    @property
    def septum_rad(self) -> float:
        """Direction of the middle of the septum, halfway between the insertions of the right ventricle."""
        return self.rv_centre_rad + (self.rv_anterior_rad - self.rv_inferior_rad) / 2

    @classmethod
    def drawn(cls, seed: int) -> Individual:
        """The heart that belongs to ``seed``."""
        rng = generator(seed, Stream.SHAPE)
        orders = np.array([2.0, 3.0, 4.0, 5.0])
        amplitudes = rng.uniform(0.3, 1.0, 4) * np.array([0.05, 0.025, 0.015, 0.010])
        return cls(
            lv_harmonics=np.stack([orders, amplitudes, rng.uniform(0, 2 * np.pi, 4)], axis=1),
            harmonic_twist_rad=rng.uniform(-0.6, 0.6),
            rv_centre_rad=SEPTUM_RAD - rng.uniform(0.05, 0.25),
            rv_anterior_rad=rng.uniform(1.15, 1.4),
            rv_inferior_rad=rng.uniform(1.3, 1.6),
            papillary_rad=(rng.uniform(-1.0, -0.6), rng.uniform(1.1, 1.6)),
            papillary_share=(rng.uniform(0.17, 0.24), rng.uniform(0.17, 0.24)),
            fat_mm=_fat_mm(rng),
            lv_trabeculae=_TRABECULATED_LAYER + (1.0 - _TRABECULATED_LAYER) * _trabeculae(rng),
            rv_trabeculae=_trabeculae(rng),
        )

    def lv_outline(self, depth_share: NDArray[np.float64]) -> NDArray[np.float64]:
        """(plane, angle) radius relative to that of the circle of the same area.

        Args:
            depth_share: (plane,) 0 at the base, 1 at the apex.
        """
        outline = np.ones((depth_share.size, N_ANGLES))
        for order, amplitude, phase_rad in self.lv_harmonics:
            turn_rad = phase_rad + self.harmonic_twist_rad * depth_share[:, None]
            outline += amplitude * np.cos(order * ANGLES_RAD[None, :] + turn_rad)
        rms = np.sqrt((outline**2).mean(axis=1, keepdims=True))
        return np.asarray(outline / rms)

    def rv_outline(self) -> NDArray[np.float64]:
        """(angle,) 1 at the middle of the RV free wall, 0 at and beyond the insertion points.

        The inferior half bulges, as the right ventricle lies on the diaphragm.
        """
        from_centre_rad = angle_from(self.rv_centre_rad)
        # Angles grow from u towards v, which points down: seen from the septum, up is the positive side.
        reach_rad = np.where(from_centre_rad > 0, self.rv_anterior_rad, self.rv_inferior_rad)
        inside = np.clip(1.0 - (from_centre_rad / reach_rad) ** 2, 0.0, 1.0)
        return np.asarray(inside**0.6 * (1.0 - 0.3 * np.sin(from_centre_rad)))


def _fat_mm(rng: np.random.Generator) -> NDArray[np.float64]:
    """(angle,) epicardial fat: thick in the grooves where the right ventricle is inserted, thin elsewhere."""
    amount_mm = rng.uniform(1.5, 5.0)
    grooves = sum(np.exp(-((angle_from(SEPTUM_RAD + side) / 0.35) ** 2)) for side in (-1.25, 1.2))
    waves = 1.0 + 0.5 * np.cos(3 * ANGLES_RAD + rng.uniform(0, 6.0)) * np.cos(
        2 * ANGLES_RAD + rng.uniform(0, 6)
    )
    return np.asarray(amount_mm * (0.4 * waves + 1.5 * grooves))


def _trabeculae(rng: np.random.Generator) -> NDArray[np.float64]:
    """(angle,) a dozen narrow ridges of different height."""
    ridges = np.zeros(N_ANGLES)
    for centre_rad in rng.uniform(0, 2 * np.pi, 14):
        width_rad = rng.uniform(0.05, 0.12)
        ridge = rng.uniform(0.4, 1.0) * np.exp(-((angle_from(float(centre_rad)) / width_rad) ** 2))
        ridges = np.maximum(ridges, ridge)
    return ridges
