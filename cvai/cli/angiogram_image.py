"""A frame of an angiogram as PNG for ``cvai segment``."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvai.cli.grey import require_grey_levels
from cvai.errors import FileRefused, GeometryRefused

LARGEST_FRAME_PIXELS = 64_000_000
SMALLEST_SIDE_PIXELS = 64

_PNG_ERRORS = (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error)
"""What Pillow raises on a file that is no PNG, is damaged, or ends early."""


def read_angiogram(path: Path) -> NDArray[np.float32]:
    """(y, x) grey levels 0..1 of a PNG of any depth; colours are turned into grey.

    Raises:
        FileRefused: ``not_png``, ``image_too_large`` or ``not_grey_levels``.
        GeometryRefused: ``not_a_frame``, the file is animated or far too small.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG",)) as image:
                _require_one_frame(image)
                levels = _grey(image)
    except Image.DecompressionBombError as error:
        raise _too_large("more pixels than any frame has") from error
    except _PNG_ERRORS as error:
        raise FileRefused(
            "not_png", "The file cannot be read as PNG.", "Give a .png file that exists."
        ) from error
    require_grey_levels(levels)
    return levels


def _require_one_frame(image: Image.Image) -> None:
    """What is known before pixels are decoded."""
    n_frames = getattr(image, "n_frames", 1)
    if n_frames != 1:
        raise GeometryRefused(
            "not_a_frame", f"The PNG is animated: it holds {n_frames} frames.", "Give one frame a file."
        )
    if image.width * image.height > LARGEST_FRAME_PIXELS:
        raise _too_large(f"{image.width} x {image.height} pixels")
    if min(image.width, image.height) < SMALLEST_SIDE_PIXELS:
        raise GeometryRefused(
            "not_a_frame",
            f"The PNG is {image.width} x {image.height} pixels.",
            f"Give a frame of at least {SMALLEST_SIDE_PIXELS} pixels on a side.",
        )


def _too_large(stated: str) -> FileRefused:
    return FileRefused(
        "image_too_large", f"The PNG states {stated}.", "Give the frame as the machine stored it."
    )


def _grey(image: Image.Image) -> NDArray[np.float32]:
    if not image.mode.startswith("I"):
        return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
    # 16 bits, of which stored frames use 10 to 16: the brightest pixel is white.
    deep = np.asarray(image, dtype=np.float32)
    return deep / np.float32(max(float(deep.max()), 1.0))
