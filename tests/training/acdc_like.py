"""A folder in the layout of ACDC with drawn hearts: enough to run every step of training in seconds."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from cvai.training.tasks.sax.config import SaxConfig
from tests.training.small import few_steps

SPACING_MM = (1.5, 1.8, 10.0)  # x, y, z: anisotropic on every axis


def write_patient(folder: Path, seed: int, shape: tuple[int, int, int] = (96, 80, 4)) -> None:
    """Write one patient: x, y, z volumes of ED and ES with labels 1 RV, 2 wall, 3 LV."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    (folder / "Info.cfg").write_text("ED: 1\nES: 9\nGroup: NOR\nHeight: 170\nNbFrame: 20\nWeight: 70\n")
    x, y, _ = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    cx, cy = 40 + rng.uniform(-5, 5), 40 + rng.uniform(-5, 5)
    for frame, radius in ((1, 12.0), (9, 8.0)):
        r = np.hypot(x - cx, y - cy)
        labels = np.zeros(shape, dtype=np.uint8)
        labels[np.hypot(x - cx - 20, y - cy) < radius] = 1
        labels[r < radius + 5] = 2
        labels[r < radius] = 3
        image = np.choose(labels, (30, 180, 60, 200)) + rng.normal(0, 8, shape)
        stem = f"{folder.name}_frame{frame:02d}"
        for name, values in ((f"{stem}.nii.gz", image.astype(np.int16)), (f"{stem}_gt.nii.gz", labels)):
            nifti = nibabel.Nifti1Image(values, np.diag([*SPACING_MM, 1.0]))
            nibabel.save(nifti, folder / name)


def small_config(folder: Path, steps: int = 4) -> SaxConfig:
    """Four patients, a tiny network, a few steps; paths lie in ``folder``."""
    for k in range(1, 5):
        write_patient(folder / "acdc" / f"patient{k:03d}", seed=k)
    split = folder / "split.toml"
    split.write_text('train = ["patient001", "patient002"]\nvalidation = ["patient003", "patient004"]\n')
    return SaxConfig.model_validate(
        {
            "name": "tiny",
            "version": "0.0.1",
            "view": "sax",
            "seed": 7,
            "output": folder / "runs" / "tiny",
            "data": {"kind": "acdc", "folder": str(folder / "acdc"), "split": split},
            "input": {"spacing_mm": 2.0, "size": 64},
            "network": {"filters": (8, 12, 16, 16, 16)},
            "augment": {
                "scale": 0.1,
                "shear": 0.05,
                "centre_jitter_mm": 5.0,
                "anywhere": 0.1,
                "gamma": 0.2,
                "noise": 0.02,
                "bias_field": 0.1,
                "drop_neighbour": 0.1,
            },
            "optimise": few_steps(steps),
        }
    )
