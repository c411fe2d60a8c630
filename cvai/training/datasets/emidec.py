"""EMIDEC: short-axis late enhancement with reference contours, as a PNG a slice.

Lalande et al., Data 2020;5(4):89 (doi:10.3390/data5040089). Size and proportions of pixels are lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvai.domain.anatomy import LGE_LABELS, Structure
from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.port import Source

EMIDEC = Source(
    title="EMIDEC, short-axis late gadolinium enhancement MR",
    citation=(
        "A. Lalande, Z. Chen, T. Decourselle, A. Qayyum, et al. Emidec: A Database Usable for the Automatic "
        "Evaluation of Myocardial Infarction from Delayed-Enhancement Cardiac MRI. Data, vol. 5, no. 4, 89, "
        "2020, doi 10.3390/data5040089"
    ),
    license="CC-BY-NC-SA-4.0",
    convention="as in EMIDEC: infarct and no-reflow within the myocardium",
)

EMIDEC_LABELS = {
    1: Structure.LV_CAVITY,
    2: Structure.LV_MYOCARDIUM,
    3: Structure.INFARCT,
    4: Structure.NO_REFLOW,
}
"""Label values in the reference files."""


@dataclass(frozen=True, slots=True, eq=False)
class EnhancementStack:
    """The slices of one patient with their labels.

    Args:
        patient: id in the data set; ``Case_P...`` were examined for an infarct, ``Case_N...`` have none.
        image: (z, y, x) grey levels.
        labels: (z, y, x) values of LGE_LABELS.
    """

    patient: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape != self.labels.shape:
            raise ValueError(f"image {self.image.shape} and labels {self.labels.shape} differ")


def load_emidec_patient(root: Path, patient: str) -> EnhancementStack:
    """All slices of one patient in their order.

    Args:
        root: folder that holds ``images`` and ``labels``.
        patient: such as ``Case_P001``.

    Raises:
        ConfigurationInvalid: the patient is not there, or slices differ in size.
    """
    files = sorted((root / "images").glob(f"{patient}_slice*.png"))
    if not files:
        raise ConfigurationInvalid(
            "data_missing",
            f"{root.name} holds no {patient}.",
            "Point CVAI_DATA at the folder that holds EMIDEC (see data/README.md).",
        )
    images = [_pixels(file) for file in files]
    labels = [_to_lge_labels(_pixels(root / "labels" / file.name)) for file in files]
    if len({plane.shape for plane in (*images, *labels)}) != 1:
        raise ConfigurationInvalid("data_invalid", f"Slices of {patient} in {root.name} differ in size.")
    return EnhancementStack(patient, np.stack(images), np.stack(labels))


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image, dtype=np.uint8)


def _to_lge_labels(emidec: NDArray[np.uint8]) -> NDArray[np.uint8]:
    lookup = np.zeros(256, dtype=np.uint8)
    for value, structure in EMIDEC_LABELS.items():
        lookup[value] = LGE_LABELS[structure]
    return lookup[emidec]
