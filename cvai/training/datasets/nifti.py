"""Pairs of NIfTI files, image and label, described by a ``dataset.toml`` beside them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cvai.domain.anatomy import BACKGROUND, SAX_LABELS, Structure
from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.data import NO_GROUP, LabelledVolume
from cvai.training.datasets.port import Source
from cvai.wrong_keys import worded

DESCRIPTION_FILE = "dataset.toml"
Phase = Literal["ED", "ES"]


def _names_patient_and_phase(pattern: str) -> str:
    if "{patient}" not in pattern or "{phase}" not in pattern:
        raise ValueError("must hold {patient} and {phase}")
    return pattern


Pattern = Annotated[str, AfterValidator(_names_patient_and_phase)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FilesDescription(_Section):
    """Where the files lie, below the folder of the description."""

    image: Pattern = Field(description="such as images/{patient}_{phase}.nii.gz")
    label: Pattern = Field(description="such as labels/{patient}_{phase}.nii.gz")
    phases: tuple[Phase, ...] = Field(default=("ED", "ES"), min_length=1)


class NiftiDescription(_Section):
    """``dataset.toml``."""

    title: str
    citation: str
    license: str
    convention: str | None = Field(default=None, min_length=1, description="how contours are drawn")
    files: FilesDescription
    labels: dict[Structure, Annotated[int, Field(gt=0, lt=256)]] = Field(
        min_length=1, description="value in the label files; a structure left out is not drawn"
    )
    groups: dict[str, str] = Field(default={}, description="disease group by patient")
    stated: dict[str, dict[str, str]] = Field(
        default={}, description="what else is stated, such as sex or vendor, each by patient"
    )


@dataclass(frozen=True, slots=True)
class NiftiFolder:
    """Images (x, y, z) with labels on the same grid; spacing from the header, place and orientation unused.

    Args:
        folder: holds the description.
        description: which files, and what their values mean.
    """

    folder: Path
    description: NiftiDescription

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the description of a folder.

        Raises:
            ConfigurationInvalid: it is missing or wrong.
        """
        path = folder / DESCRIPTION_FILE
        try:
            text = path.read_text(encoding="utf-8")
            return cls(folder, NiftiDescription.model_validate(tomllib.loads(text)))
        except OSError as error:
            raise ConfigurationInvalid(
                "data_missing",
                f"There is no {DESCRIPTION_FILE} in {folder.name}.",
                "It says where images and labels lie and what the values mean (see data/README.md).",
            ) from error
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            what = worded(error, NiftiDescription, text) if isinstance(error, ValidationError) else str(error)
            raise ConfigurationInvalid(
                "dataset_invalid", f"{folder.name}/{DESCRIPTION_FILE}: {what}"
            ) from error

    @property
    def source(self) -> Source:
        """As the description states it."""
        described = self.description
        return Source(described.title, described.citation, described.license, described.convention)

    def volumes(self, patient: str) -> tuple[LabelledVolume, ...]:
        """The phases that the description names."""
        return tuple(self._volume(patient, phase) for phase in self.description.files.phases)

    def _volume(self, patient: str, phase: Phase) -> LabelledVolume:
        files = self.description.files
        image = _load(self.folder / files.image.format(patient=patient, phase=phase))
        label = _load(self.folder / files.label.format(patient=patient, phase=phase))
        _check_pair(image, label, f"{patient} {phase}")
        sx, sy, sz = (float(v) for v in image.header.get_zooms())
        labels = self._to_sax_labels(np.asarray(label.dataobj), f"{patient} {phase}")
        return LabelledVolume(
            patient=patient,
            group=self.description.groups.get(patient, NO_GROUP),
            phase=phase,
            image=np.asarray(image.dataobj, dtype=np.float32).transpose(2, 1, 0),
            labels=labels.transpose(2, 1, 0),
            spacing_mm=(sz, sy, sx),
            drawn=self._drawn(labels.shape[2]),
            stated={fact: by[patient] for fact, by in self.description.stated.items() if patient in by},
        )

    def _to_sax_labels(self, values: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
        """(x, y, z) values of the files as SAX_LABELS; a value without a name is a mistake."""
        described = {BACKGROUND: BACKGROUND} | {
            value: SAX_LABELS[structure] for structure, value in self.description.labels.items()
        }
        unknown = sorted(set(np.unique(values).tolist()) - set(described))
        if unknown:
            raise ConfigurationInvalid(
                "label_unknown",
                f"{name} holds the label {unknown[0]:g}, which {DESCRIPTION_FILE} does not name.",
            )
        lookup = np.zeros(256, dtype=np.uint8)
        for value, label in described.items():
            lookup[value] = label
        return lookup[values.astype(np.uint8)]

    def _drawn(self, n_slices: int) -> dict[Structure, NDArray[np.bool_]]:
        return {structure: np.ones(n_slices, dtype=np.bool_) for structure in self.description.labels}


def _load(path: Path) -> nibabel.Nifti1Image:
    try:
        return nibabel.load(path)
    except (OSError, ImageFileError) as error:
        raise ConfigurationInvalid(
            "data_missing",
            f"{path.name} is not there, or is no NIfTI file.",
            f"{DESCRIPTION_FILE} names the files; the split names the patients.",
        ) from error


def _check_pair(image: nibabel.Nifti1Image, label: nibabel.Nifti1Image, name: str) -> None:
    if image.ndim != 3 or image.shape != label.shape:
        raise ConfigurationInvalid(
            "pair_differs",
            f"{name}: the image is {image.shape}, its labels are {label.shape}; both must be (x, y, z).",
        )
    zooms = (image.header.get_zooms(), label.header.get_zooms())
    if not np.allclose(*zooms, rtol=1e-3) or min(zooms[0]) <= 0:
        raise ConfigurationInvalid(
            "pair_differs",
            f"{name}: the image has a spacing of {_mm(zooms[0])} mm, its labels of {_mm(zooms[1])} mm.",
        )


def _mm(zooms: tuple[float, ...]) -> str:
    return " x ".join(f"{float(zoom):g}" for zoom in zooms)
