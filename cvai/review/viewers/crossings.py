"""Cines of planes that cut through a stack, as the page shows them beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cvai.analyses.shown import ShownStack
from cvai.domain.crossing import CrossingCine, crossing_of
from cvai.domain.geometry import StackGeometry
from cvai.files import write_whole
from cvai.review.viewers.packed import StoredScale

_WINDOW_PERCENTILES = (1.0, 99.5)


def crossing_file(folder: Path, index: int) -> Path:
    """Where the frames of one of them lie: (t, y, x) as unsigned 16-bit little endian."""
    return folder / f"crossing-{index}.u16"


def write_crossings(folder: Path, shown: ShownStack) -> list[dict[str, Any]]:
    """Write the frames of all; returns what a page must know of each."""
    described = []
    for index, cine in enumerate(shown.crossings):
        scale = StoredScale.of(cine.pixels)
        write_whole(crossing_file(folder, index), scale.stored(cine.pixels).tobytes())
        described.append({**_described(cine, shown.cine.stack.geometry), **asdict(scale)})
    return described


def _described(cine: CrossingCine, stack: StackGeometry) -> Mapping[str, Any]:
    """``slices`` holds for every slice of the stack where it meets the plane, see ``Crossing``."""
    n_phases, rows, columns = cine.pixels.shape
    low, high = np.percentile(cine.pixels, _WINDOW_PERCENTILES).tolist()
    crossings = [crossing_of(stack, z, cine.geometry) for z in range(stack.n_slices)]
    return {
        "title": cine.title,
        "n_phases": n_phases,
        "rows": rows,
        "columns": columns,
        "spacing_y_mm": cine.geometry.spacing_y_mm,
        "spacing_x_mm": cine.geometry.spacing_x_mm,
        "window": [low, max(high, low + 1e-6)],
        "phases": list(cine.phases),
        "slices": [
            {"distance_mm": c.distance_mm.tolist(), "to_pixel": c.to_pixel.tolist()} for c in crossings
        ],
    }
