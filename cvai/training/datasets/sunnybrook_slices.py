"""Slices with contours of the left ventricle, as they were taken out of the Sunnybrook cardiac data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.data import NO_GROUP, LabelledVolume
from cvai.training.datasets.port import Source
from cvai.training.datasets.sunnybrook import SUNNYBROOK

PHASES = 20
"""Frames of each slice's cine: image numbers of one phase are this far apart from slice to slice."""

SPACING_MM = (10.0, 1.36, 1.36)
"""About what it was (it differs from patient to patient by a tenth): the files do not say. Volumes are
therefore rough; ejection fractions, which are ratios, are not."""

SLICES_STATED: Mapping[str, str] = MappingProxyType(
    {"vendor": "GE MEDICAL SYSTEMS", "field strength": "1.5 T"}
)
"""Of all patients (Radau et al.)."""

_GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "HF-I": "heart failure, infarct",
        "HF-NI": "heart failure, no infarct",
        "HYP": "hypertrophy",
        "N": "normal",
    }
)


@dataclass(frozen=True, slots=True)
class SunnybrookSlicesFolder:
    """``SC-…/NNNN.png`` with ``NNNN_endo.png`` and, at end-diastole, ``NNNN_epi.png``.

    The cavity is drawn in every slice that is there, the outside of the wall at end-diastole alone, the right
    ventricle never. A slice that is not there is an image of zeros in which nothing was drawn.
    """

    folder: Path

    @property
    def source(self) -> Source:
        """The challenge and its licence."""
        return SUNNYBROOK

    def volumes(self, patient: str) -> tuple[LabelledVolume, ...]:
        """End-diastole and end-systole.

        Raises:
            ConfigurationInvalid: ``data_missing``.
        """
        case = self.folder / patient
        numbers = sorted(int(path.stem.removesuffix("_endo")) for path in case.glob("*_endo.png"))
        if not numbers:
            raise ConfigurationInvalid("data_missing", f"{patient} has no contours.", "See data/README.md.")
        by_phase = [
            [n for n in numbers if n % PHASES == phase] for phase in sorted({n % PHASES for n in numbers})
        ]
        volumes = [_volume(case, of_phase) for of_phase in by_phase]
        return tuple(sorted(volumes, key=lambda volume: volume.phase))


def _volume(case: Path, numbers: list[int]) -> LabelledVolume:
    """The slices of one phase, those between that are missing left empty."""
    places = {(n - numbers[0]) // PHASES: n for n in numbers}
    first = _pixels(case / f"{numbers[0]:04d}.png")
    image = np.zeros((max(places) + 1, *first.shape), dtype=np.float32)
    labels = np.zeros(image.shape, dtype=np.uint8)
    drawn = {s: np.zeros(len(image), dtype=np.bool_) for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)}
    for z, number in places.items():
        image[z] = _pixels(case / f"{number:04d}.png")
        outside = case / f"{number:04d}_epi.png"
        if outside.is_file():
            labels[z][_pixels(outside) > 0] = SAX_LABELS[Structure.LV_MYOCARDIUM]
            drawn[Structure.LV_MYOCARDIUM][z] = True
        labels[z][_pixels(case / f"{number:04d}_endo.png") > 0] = SAX_LABELS[Structure.LV_CAVITY]
        drawn[Structure.LV_CAVITY][z] = True
    phase = "ED" if drawn[Structure.LV_MYOCARDIUM].any() else "ES"
    known = {structure: slices for structure, slices in drawn.items() if slices.any()}
    return LabelledVolume(
        case.name, _group(case.name), phase, image, labels, SPACING_MM, drawn=known, stated=SLICES_STATED
    )


def _group(patient: str) -> str:
    """Disease group, which ids name: ``SC-HF-I-01``."""
    return _GROUPS.get(patient.removeprefix("SC-").rpartition("-")[0], NO_GROUP)


def _pixels(path: Path) -> NDArray[np.uint8]:
    """(y, x) values of a grey or one-bit picture."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), dtype=np.uint8)
