"""A frame of an image as PNG for ``cvai segment``."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from cvai.errors import FileRefused, GeometryRefused

LARGEST_FRAME_PIXELS = 64_000_000

_PNG_ERRORS = (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error)
"""What Pillow raises on a file that is no PNG, is damaged, or ends early."""


@contextmanager
def open_png(path: Path) -> Iterator[Image.Image]:
    """A PNG of one frame, whose pixels are to be decoded within the context.

    Raises:
        FileRefused: ``not_png`` or ``image_too_large``; also where its pixels cannot be decoded.
        GeometryRefused: ``not_a_frame``, the file is animated.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG",)) as image:
                _require_one_frame(image)
                yield image
    except Image.DecompressionBombError as error:
        raise _too_large("more pixels than any frame has") from error
    except _PNG_ERRORS as error:
        raise FileRefused(
            "not_png", "The file cannot be read as PNG.", "Give a .png file that exists."
        ) from error


def _require_one_frame(image: Image.Image) -> None:
    """What is known before pixels are decoded."""
    n_frames = getattr(image, "n_frames", 1)
    if n_frames != 1:
        raise GeometryRefused(
            "not_a_frame", f"The PNG is animated: it holds {n_frames} frames.", "Give one frame a file."
        )
    if image.width * image.height > LARGEST_FRAME_PIXELS:
        raise _too_large(f"{image.width} x {image.height} pixels")


def _too_large(stated: str) -> FileRefused:
    return FileRefused(
        "image_too_large", f"The PNG states {stated}.", "Give the frame as the machine stored it."
    )
