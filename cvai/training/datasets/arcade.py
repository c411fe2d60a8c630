"""ARCADE: X-ray coronary angiograms with SYNTAX segments, and others with the narrowed stretches.

Popov et al., Scientific Data 2024;11:20 (doi:10.1038/s41597-023-02871-z). Single frames of 512 x 512 pixels
with one polygon a line: category, then x and y of its corners in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.port import Source

ARCADE = Source(
    title="ARCADE, X-ray coronary angiograms with SYNTAX segments and stenoses",
    citation=(
        "M. Popov, A. Amanturdieva, N. Zhaksylyk, et al. Dataset for Automatic Region-based Coronary Artery "
        "Disease Diagnostics Using X-Ray Angiography Images. Scientific Data 2024;11:20, "
        "doi 10.1038/s41597-023-02871-z"
    ),
    license="CC-BY-4.0",
    convention="as in ARCADE: segments of the SYNTAX score",
)

Drawn = Literal["syntax", "stenosis"]
"""What is drawn on an image, by the folder that it lies in."""

STENOSIS_CATEGORY = 25
"""Category of a stenosis; those below it are segments in the order of CORONARY_LABELS, from 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Angiogram:
    """One frame with what was drawn on it; what was not drawn is unknown, not absent.

    Args:
        name: id in the data set, such as ``syntax/train/12``.
        drawn: segments, or stenoses.
        image: (y, x) grey levels, vessels dark.
        labels: (y, x) values of CORONARY_LABELS, or 1 in every stenosis.
    """

    name: str
    drawn: Drawn
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.shape != self.labels.shape:
            raise ValueError(f"image {self.image.shape} and labels {self.labels.shape} differ")


def load_angiogram(root: Path, name: str) -> Angiogram:
    """One image of the data set; no file of polygons means that there is nothing to draw.

    Args:
        root: folder that holds ``syntax`` and ``stenosis``.
        name: folder, part and number, such as ``syntax/train/12``.

    Raises:
        ConfigurationInvalid: ``data_missing``, ``dataset_invalid``.
    """
    path = root / f"{name}.webp"
    if not path.is_file():
        raise ConfigurationInvalid(
            "data_missing",
            f"{root.name} holds no {name}.",
            "Point CVAI_DATA at the folder that holds ARCADE (see data/README.md).",
        )
    with Image.open(path) as stored:
        image = np.asarray(stored.convert("L"), dtype=np.uint8)
    drawn = _drawn(name)
    return Angiogram(name, drawn, image, _labels(path.with_suffix(".txt"), image.shape, drawn))


def _drawn(name: str) -> Drawn:
    folder = name.partition("/")[0]
    if folder not in get_args(Drawn):
        raise ConfigurationInvalid("dataset_invalid", f"{name} lies in neither syntax nor stenosis.")
    return cast(Drawn, folder)


def _labels(path: Path, shape: tuple[int, int], drawn: Drawn) -> NDArray[np.uint8]:
    """(y, x) polygons filled in the order of the file; corners are at pixel centres."""
    canvas = Image.new("L", (shape[1], shape[0]))
    pen = ImageDraw.Draw(canvas)
    for line in path.read_text(encoding="ascii").splitlines() if path.is_file() else ():
        category, *corners = line.split()
        if (int(category) == STENOSIS_CATEGORY) != (drawn == "stenosis"):
            raise ConfigurationInvalid("dataset_invalid", f"{path.name} holds category {category}.")
        pen.polygon(
            [float(corner) for corner in corners], fill=1 if drawn == "stenosis" else int(category) + 1
        )
    return np.asarray(canvas, dtype=np.uint8)
