"""The labelled hearts that accuracy is measured on: ACDC's, or phantoms where CVAI_DATA holds no ACDC."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.training.datasets.data import NO_GROUP, LabelledVolume, data_root, load_split, spread_over
from cvai.training.datasets.kinds import DatasetKind, open_dataset
from cvai.training.datasets.port import Dataset, Source
from cvai.training.tasks.sax.evaluation.cohort import Cohort

SPLIT = Path("data/splits/acdc.toml")
ACDC = "acdc"
N_PHANTOMS = 20
"""As many as the split has validation patients."""

EF_PERCENT = (25.0, 40.0, 55.0, 65.0)
"""From a failing heart to a healthy one; each in turn."""


@dataclass(frozen=True, slots=True)
class PhantomHearts:
    """Synthetic hearts by their number; every voxel's label is known."""

    source = Source("cvai's phantoms", "none", "Apache-2.0")

    def volumes(self, patient: str) -> tuple[LabelledVolume, ...]:
        """End-diastole and end-systole of the phantom of this seed."""
        seed = int(patient)
        heart = PhantomHeart.drawn(seed, EF_PERCENT[seed % len(EF_PERCENT)])
        phantom = make_phantom(heart, PhantomAcquisition(n_phases=8, seed=seed))
        geometry = phantom.labels.geometry
        phases = phantom.truth.phases
        return tuple(
            LabelledVolume(
                patient=patient,
                group=NO_GROUP,
                phase=phase,
                image=phantom.pixels[t].astype(np.float32),
                labels=phantom.labels.labels[t],
                spacing_mm=(geometry.slice_spacing_mm, geometry.spacing_y_mm, geometry.spacing_x_mm),
            )
            for phase, t in (("ED", phases.end_diastole), ("ES", phases.end_systole))
        )


def validation(at_most: int) -> Cohort:
    """ACDC's validation patients, or as many phantoms where ACDC is missing, which stderr says."""
    if has_acdc():
        return Cohort.validation(open_dataset(DatasetKind.ACDC, ACDC), SPLIT, at_most)
    print("No ACDC below CVAI_DATA: accuracy is measured on phantoms.", file=sys.stderr)
    seeds = [str(seed) for seed in range(1, N_PHANTOMS + 1)]
    return Cohort("phantoms", PhantomHearts(), spread_over(seeds, at_most))


def training(n: int) -> tuple[Dataset, tuple[str, ...]]:
    """So many of ACDC's training patients, spread over the split, or phantoms that validate nothing."""
    if has_acdc():
        return open_dataset(DatasetKind.ACDC, ACDC), spread_over(load_split(SPLIT).train, n)
    return PhantomHearts(), tuple(str(N_PHANTOMS + 1 + k) for k in range(n))


def has_acdc() -> bool:
    """Whether the ACDC patients are there."""
    return (data_root() / ACDC).is_dir()
