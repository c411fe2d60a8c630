"""Ultrasound frames as PNG or NIfTI for ``cvai segment``, and their labels on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvai.cli.grey import require_grey_levels
from cvai.cli.nifti import NiftiImage
from cvai.cli.png import open_png
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_frame
from cvai.errors import ConfigurationInvalid, GeometryRefused, HeartRefused
from cvai.models.sector import lies_sideways

_MM_PER_INCH = 25.4

_COLOURED = 40
"""Difference of the channels, in grey levels, above which a pixel is coloured; as for DICOM loops."""

_COLOURED_SHARE = 0.01
"""Of the sector; colour Doppler fills more, a tinted marker less."""

_TINTED_SHARE = 0.8
"""Of what is as bright as coloured pixels are: above, the whole image is tinted."""

_SPACING_LIMITS_MM = (0.01, 10.0)
"""Pixels outside this are of no ultrasound image."""


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
    """One frame, of any depth; colours that tint grey levels are turned into grey.

    Raises:
        FileRefused: ``not_png``, ``image_too_large`` or ``not_grey_levels``.
        GeometryRefused: ``not_a_frame``, the file holds several.
        HeartRefused: ``sector_not_found`` or ``colour_doppler``.
    """
    levels, coloured = png_levels(path)
    frame = EchoImage.of(_as_bytes(levels[None]), sideways_if_in_doubt=False)
    require_grey_levels(levels)
    share = _coloured_share(levels, coloured, sector_of_frame(frame.stored[0]))
    if share > _COLOURED_SHARE:
        raise HeartRefused(
            "colour_doppler",
            f"{100 * share:.0f} % of the sector is coloured: this is Doppler.",
            "Give the frame in grey scale.",
        )
    return frame


def png_levels(path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(y, x) grey levels of a PNG as displayed on black, and where there are colours.

    Raises:
        FileRefused: ``not_png`` or ``image_too_large``.
        GeometryRefused: ``not_a_frame``, the file holds several.
    """
    with open_png(path) as image:
        return _displayed(image)


def _displayed(image: Image.Image) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(y, x) grey levels as displayed on black, and where there are colours."""
    if image.mode.startswith("I"):  # 16 bits; Pillow would cut them off at 255
        deep = np.asarray(image, dtype=np.float32)
        return deep, np.zeros(deep.shape, dtype=bool)
    if image.mode in ("1", "L"):
        levels = np.asarray(image.convert("L"), dtype=np.float32)
        return levels, np.zeros(levels.shape, dtype=bool)
    shown = image.convert("RGBA")
    on_black = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), shown).convert("RGB")
    colours = np.asarray(on_black, dtype=np.int16)
    return np.asarray(on_black.convert("L"), dtype=np.float32), np.ptp(colours, axis=2) > _COLOURED


def _coloured_share(
    levels: NDArray[np.float32], coloured: NDArray[np.bool_], sector: NDArray[np.bool_]
) -> float:
    """Share of the sector that is coloured; none where all of it is tinted.

    A tint colours whatever is bright enough; colour Doppler leaves tissue as bright as itself grey.
    """
    bright = levels[coloured & sector]
    if bright.size == 0:
        return 0.0
    as_bright = sector & (levels >= np.percentile(bright, 10))
    is_tint = float(coloured[as_bright].mean()) > _TINTED_SHARE
    return 0.0 if is_tint else float(coloured[sector].mean())


def write_png(labels: NDArray[np.uint8], spacing_mm: tuple[float, float] | None, path: Path) -> None:
    """(rows, columns) label values as they are; a known pixel size goes into the file's pHYs chunk."""
    dpi = None if spacing_mm is None else tuple(_MM_PER_INCH / mm for mm in reversed(spacing_mm))
    Image.fromarray(labels).save(path, format="PNG", **({} if dpi is None else {"dpi": dpi}))


def frames_of_nifti(image: NiftiImage) -> EchoImage:
    """Frames (x, y), (x, y, 1), (x, y, t) or (x, y, 1, t), brightness scaled to 0..255 where it is not so.

    Raises:
        FileRefused: ``not_grey_levels``.
        GeometryRefused: ``not_a_frame``, the image has other dimensions.
        HeartRefused: ``sector_not_found``.
    """
    shape = image.shape
    if len(shape) not in (2, 3, 4) or (len(shape) == 4 and shape[2] != 1):
        raise GeometryRefused(
            "not_a_frame",
            f"The image is {' x '.join(map(str, shape))}.",
            "Give ultrasound frames as (x, y), (x, y, t) or (x, y, 1, t).",
        )
    frames = image.values.reshape(*shape[:2], -1).transpose(2, 0, 1)
    found = EchoImage.of(_as_bytes(frames), sideways_if_in_doubt=True)
    require_grey_levels(image.values)
    return found


def _as_bytes(frames: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(t, y, x) brightness 0..255: as it is where it lies there, else spread over it."""
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
    if len(numbers) not in (1, 2) or not all(
        _SPACING_LIMITS_MM[0] <= number <= _SPACING_LIMITS_MM[1] for number in numbers
    ):
        raise ConfigurationInvalid(
            "spacing_invalid",
            f"{text!r} is no pixel size of an ultrasound image.",
            "Give millimetres between rows and between columns, such as 0.67,0.81.",
        )
    return numbers[0], numbers[-1]
