"""Synthetic hearts as a data set of NIfTI pairs: every step of training can be tried without a patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import tomlkit
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.training.datasets.nifti import DESCRIPTION_FILE

_IMAGE, _LABEL = "images/{patient}_{phase}.nii.gz", "labels/{patient}_{phase}.nii.gz"


def write_phantom_pairs(folder: Path, ef_percents: Sequence[float]) -> tuple[str, ...]:
    """Write end-diastole and end-systole of one synthetic heart for each ejection fraction.

    Args:
        folder: made where it is missing; it becomes a data set of kind ``nifti``.
        ef_percents: true ejection fraction of each heart, whose shape is drawn with its place in the list.

    Returns:
        The names of the hearts, as a split lists them.
    """
    names = tuple(f"phantom{k:02d}" for k in range(1, len(ef_percents) + 1))
    for seed, (name, ef_percent) in enumerate(zip(names, ef_percents, strict=True), start=1):
        heart = PhantomHeart.drawn(seed, ef_percent)
        acquisition = PhantomAcquisition(seed=seed, n_phases=8, rows=180, columns=180)
        _write_pairs(folder, name, make_phantom(heart, acquisition))
    description = {
        "title": "Synthetic hearts of known volume",
        "citation": "cvai phantom",
        "license": "Apache-2.0",
        "files": {"image": _IMAGE, "label": _LABEL},
        "labels": {structure.value: value for structure, value in SAX_LABELS.items()},
    }
    (folder / DESCRIPTION_FILE).write_text(tomlkit.dumps(description), encoding="utf-8")
    return names


def _write_pairs(folder: Path, name: str, phantom: Phantom) -> None:
    phases, geometry = phantom.truth.phases, phantom.labels.geometry
    zooms = (geometry.spacing_x_mm, geometry.spacing_y_mm, geometry.slice_spacing_mm)
    for phase, t in (("ED", phases.end_diastole), ("ES", phases.end_systole)):
        for pattern, values in ((_IMAGE, phantom.pixels[t]), (_LABEL, phantom.labels.labels[t])):
            path = folder / pattern.format(patient=name, phase=phase)
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(_in_file_axes(values), np.diag([*zooms, 1.0])), path)


def _in_file_axes(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """(z, y, x) to the (x, y, z) of NIfTI."""
    return np.ascontiguousarray(values.transpose(2, 1, 0))
