"""Labelled patients, and which of them train and validate."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.errors import ConfigurationInvalid

ACDC_LABELS = {1: Structure.RV_CAVITY, 2: Structure.LV_MYOCARDIUM, 3: Structure.LV_CAVITY}
"""Label values in the ACDC ground truth files (Bernard et al., IEEE TMI 2018;37:2514)."""

NO_GROUP = "not stated"
"""The disease group of patients whose data set names none."""

_AGE_BANDS_YEARS = ((45, "under 45"), (65, "45 to 64"))
_OLDEST = "65 and over"


@dataclass(frozen=True, slots=True)
class Split:
    """Which patients train and which validate; no patient is in both."""

    train: tuple[str, ...]
    validation: tuple[str, ...]

    def __post_init__(self) -> None:
        both = set(self.train) & set(self.validation)
        if both:
            raise ValueError(f"patients in both parts of the split: {sorted(both)}")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledVolume:
    """One phase of one patient with reference labels.

    Args:
        patient: id in the data set.
        group: disease group in the data set.
        phase: ``ED`` or ``ES``.
        image: (z, y, x) intensities.
        labels: (z, y, x) values of SAX_LABELS.
        spacing_mm: (z, y, x).
        drawn: (z,) for each structure that somebody drew, in which slices; None where everything was drawn
            everywhere. Elsewhere a label of 0 says nothing.
        stated: what the data set states of patient and scanner besides, such as ``{"sex": "F"}``.
    """

    patient: str
    group: str
    phase: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    drawn: Mapping[Structure, NDArray[np.bool_]] | None = None
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_drawn_throughout(self) -> bool:
        """Whether every voxel's label is known, as training needs it."""
        if self.drawn is None:
            return True
        return set(self.drawn) == set(SAX_LABELS) and all(slices.all() for slices in self.drawn.values())

    def drawn_slices(self, structure: Structure) -> NDArray[np.intp] | None:
        """Indices of the slices in which ``structure`` was drawn, None where it was not drawn at all."""
        if self.drawn is None:
            return np.arange(len(self.labels))
        return np.flatnonzero(self.drawn[structure]) if structure in self.drawn else None


def data_root() -> Path:
    """Folder of the data sets: CVAI_DATA, by default ``../shared/data``."""
    return Path(os.environ.get("CVAI_DATA", "../shared/data"))


def load_split(path: Path) -> Split:
    """Read a committed split.

    Raises:
        ConfigurationInvalid: the file is missing.
    """
    if not path.is_file():
        raise ConfigurationInvalid("split_missing", f"There is no split file {path}.")
    lists = tomllib.loads(path.read_text(encoding="utf-8"))
    return Split(train=tuple(lists["train"]), validation=tuple(lists["validation"]))


def spread_over(patients: Sequence[str], at_most: int | None) -> tuple[str, ...]:
    """``at_most`` patients, evenly from first to last: a split lists its patients by disease group.

    >>> spread_over(["a", "b", "c", "d", "e"], 3)
    ('a', 'c', 'e')
    """
    n = len(patients) if at_most is None else min(at_most, len(patients))
    chosen = np.linspace(0, len(patients) - 1, n).round().astype(int)
    return tuple(patients[k] for k in chosen)


def age_band(years: float) -> str:
    """A third of adult life, for tables.

    >>> age_band(30), age_band(64.9), age_band(65)
    ('under 45', '45 to 64', '65 and over')
    """
    return next((title for bound, title in _AGE_BANDS_YEARS if years < bound), _OLDEST)


def _to_sax_labels(acdc: NDArray[np.uint8]) -> NDArray[np.uint8]:
    lookup = np.zeros(256, dtype=np.uint8)
    for value, structure in ACDC_LABELS.items():
        lookup[value] = SAX_LABELS[structure]
    return lookup[acdc]


def load_acdc_patient(folder: Path) -> tuple[LabelledVolume, LabelledVolume]:
    """The end-diastolic and end-systolic volume of one ACDC patient folder.

    Raises:
        ConfigurationInvalid: the folder is not an ACDC patient.
    """
    info_file = folder / "Info.cfg"
    if not info_file.is_file():
        raise ConfigurationInvalid(
            "data_missing",
            f"{folder.name} has no Info.cfg.",
            "Point CVAI_DATA at the folder that holds the ACDC patients (see data/README.md).",
        )
    info = dict(line.split(":", 1) for line in info_file.read_text().splitlines() if ":" in line)
    ed, es = (_load_phase(folder, info, phase) for phase in ("ED", "ES"))
    return ed, es


def _load_phase(folder: Path, info: dict[str, str], phase: str) -> LabelledVolume:
    stem = f"{folder.name}_frame{int(info[phase]):02d}"
    image = nibabel.load(folder / f"{stem}.nii.gz")
    truth = nibabel.load(folder / f"{stem}_gt.nii.gz")
    sx, sy, sz = (float(v) for v in image.header.get_zooms()[:3])
    return LabelledVolume(
        patient=folder.name,
        group=info["Group"].strip(),
        phase=phase,
        image=np.asarray(image.dataobj, dtype=np.float32).transpose(2, 1, 0),
        labels=_to_sax_labels(np.asarray(truth.dataobj).astype(np.uint8).transpose(2, 1, 0)),
        spacing_mm=(sz, sy, sx),
    )
