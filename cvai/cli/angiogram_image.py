"""A frame of an angiogram as PNG for ``cvai segment``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvai.cli.grey import require_grey_levels
from cvai.cli.png import open_png
from cvai.errors import GeometryRefused

SMALLEST_SIDE_PIXELS = 64


def read_angiogram(path: Path) -> NDArray[np.float32]:
    """(y, x) grey levels 0..1 of a PNG of any depth; colours are turned into grey.

    Raises:
        FileRefused: ``not_png``, ``image_too_large`` or ``not_grey_levels``.
        GeometryRefused: ``not_a_frame``, the file is animated or far too small.
    """
    with open_png(path) as image:
        _require_large_enough(image)
        levels = _grey(image)
    require_grey_levels(levels)
    return levels


def _require_large_enough(image: Image.Image) -> None:
    if min(image.width, image.height) < SMALLEST_SIDE_PIXELS:
        raise GeometryRefused(
            "not_a_frame",
            f"The PNG is {image.width} x {image.height} pixels.",
            f"Give a frame of at least {SMALLEST_SIDE_PIXELS} pixels on a side.",
        )


def _grey(image: Image.Image) -> NDArray[np.float32]:
    if not image.mode.startswith("I"):
        return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
    # 16 bits, of which stored frames use 10 to 16: the brightest pixel is white.
    deep = np.asarray(image, dtype=np.float32)
    return deep / np.float32(max(float(deep.max()), 1.0))
