"""Ultrasound frames as PNG or NIfTI for ``cvai segment``, and their labels on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cvai.errors import ConfigurationInvalid, FileRefused, GeometryRefused, HeartRefused
from cvai.heart.loop import EchoLoop
from cvai.heart.sector import sector_of_frame
from cvai.inference.sector import lies_sideways

_MM_PER_INCH = 25.4


@dataclass(frozen=True, slots=True, eq=False)
class EchoImage:
    """Frames as they lie in a file, and which way they lie there.

    Args:
        stored: (t, rows, columns) as stored: of a PNG as displayed, of NIfTI (x, y) as (row, column).
        sideways: whether rows and columns have to be exchanged for the transducer to be at the top.
    """

    stored: NDArray[np.uint8]
    sideways: bool

    @classmethod
    def of(cls, stored: NDArray[np.uint8], sideways_if_in_doubt: bool) -> EchoImage:
        """Which way frames lie, from the symmetry of their sector.

        Raises:
            HeartRefused: ``sector_not_found``, the image is black.
        """
        sector = sector_of_frame(stored.max(axis=0))
        if not sector.any():
            raise HeartRefused(
                "sector_not_found",
                "The image is black: it holds no ultrasound sector.",
                "Give an ultrasound frame in grey levels.",
            )
        sideways = lies_sideways(sector)
        return cls(stored, sideways_if_in_doubt if sideways is None else sideways)

    @property
    def loop(self) -> EchoLoop:
        """The frames with the transducer at the top."""
        frames = self._turned(self.stored)
        return EchoLoop(frames, sector_of_frame(frames.max(axis=0)), None, None, None)

    def as_stored(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(t, y, x) labels of ``loop``, the way the frames lie in the file."""
        return self._turned(labels)

    def _turned(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(frames.transpose(0, 2, 1)) if self.sideways else frames


def read_png(path: Path) -> EchoImage:
    """One frame; colour is turned into grey.

    Raises:
        FileRefused: ``not_png``.
        HeartRefused: ``sector_not_found``.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            grey = np.asarray(image.convert("L"), dtype=np.uint8)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise FileRefused(
            "not_png", f"{path.name} cannot be read as PNG.", "Give a .png file that exists."
        ) from error
    return EchoImage.of(grey[None], sideways_if_in_doubt=False)


def write_png(labels: NDArray[np.uint8], spacing_mm: tuple[float, float] | None, path: Path) -> None:
    """(rows, columns) label values as they are; a known pixel size goes into the file's pHYs chunk."""
    dpi = None if spacing_mm is None else tuple(_MM_PER_INCH / mm for mm in reversed(spacing_mm))
    Image.fromarray(labels).save(path, format="PNG", **({} if dpi is None else {"dpi": dpi}))


def frames_of_nifti(image: nibabel.Nifti1Image) -> EchoImage:
    """Frames (x, y), (x, y, 1), (x, y, t) or (x, y, 1, t), brightness scaled to 0..255 where it is not so.

    Raises:
        GeometryRefused: ``not_a_frame``, the image has other dimensions.
        HeartRefused: ``sector_not_found``.
    """
    if image.ndim not in (2, 3, 4) or (image.ndim == 4 and image.shape[2] != 1):
        raise GeometryRefused(
            "not_a_frame",
            f"The image is {' x '.join(map(str, image.shape))}.",
            "Give ultrasound frames as (x, y), (x, y, t) or (x, y, 1, t).",
        )
    data = np.asarray(image.dataobj, dtype=np.float32)
    frames = data.reshape(*image.shape[:2], -1).transpose(2, 0, 1)
    return EchoImage.of(_as_bytes(frames), sideways_if_in_doubt=True)


def _as_bytes(frames: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(frames.min()), float(frames.max())
    if low < 0 or high > 255 or 0 < high <= 1:
        frames = (frames - low) * (255.0 / max(high - low, 1e-6))
    return np.rint(frames).astype(np.uint8)


def parsed_spacing_mm(text: str) -> tuple[float, float]:
    """Pixel size as one number, or as rows and columns.

    Raises:
        ConfigurationInvalid: ``spacing_invalid``.

    >>> parsed_spacing_mm("0.308"), parsed_spacing_mm("0.67,0.81")
    ((0.308, 0.308), (0.67, 0.81))
    """
    parts = text.replace(",", " ").replace("x", " ").split()
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(0 < number < 100 for number in numbers):
        raise ConfigurationInvalid(
            "spacing_invalid",
            f"{text!r} is no pixel size.",
            "Give millimetres between rows and between columns, such as 0.67,0.81.",
        )
    return numbers[0], numbers[-1]
