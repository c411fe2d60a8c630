"""Round ventricles whose radii in every phase are known, on the grid of ``known_walls``."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.rings import BeatRings, beat_rings
from cvai.domain.ventricles.segments import WallSegment
from tests.domain.known_walls import Grid

PERIOD_MS, N_PHASES = 900.0, 25
TIMES_MS = np.arange(N_PHASES) * (PERIOD_MS / N_PHASES)
HEART_RATE_BPM = 60_000.0 / PERIOD_MS
CAVITY_MM, SHORTENING = 22.0, 0.24


def cosine_share() -> NDArray[np.float64]:
    """(t,) 0 at end-diastole, 1 at end-systole half a beat later."""
    return np.asarray((1 - np.cos(2 * np.pi * TIMES_MS / PERIOD_MS)) / 2)


def wall_mm(inner_mm: float) -> float:
    """Thickness of a wall that was 8 mm thick around the cavity of end-diastole and keeps its area."""
    return float(np.sqrt(inner_mm**2 + (CAVITY_MM + 8.0) ** 2 - CAVITY_MM**2) - inner_mm)


@cache
def whole_beat(shortening: float = SHORTENING) -> CineSegmentation:
    """A heartbeat of a cosine, made once."""
    return beating_round(cosine_share(), shortening=shortening)


@cache
def whole_beat_rings(shortening: float = SHORTENING) -> BeatRings:
    """Its rings."""
    return beat_rings(whole_beat(shortening))


def beating_round(
    share: NDArray[np.float64], grid: Grid | None = None, shortening: float = SHORTENING
) -> CineSegmentation:
    """A ventricle whose radius shrinks by ``shortening``, see ``wall_mm``."""
    grid = grid or Grid(spacing_mm=(1.3, 1.3))
    labels = []
    for part in share:
        inner_mm = CAVITY_MM * (1 - shortening * part)
        labels.append(grid.labels(partial(_everywhere, wall_mm(inner_mm)), cavity_mm=inner_mm))
    return CineSegmentation(np.stack(labels), grid.geometry)


def _everywhere(thickness_mm: float, _: WallSegment) -> float:
    return thickness_mm
