"""A folder in the layout of EMIDEC with drawn hearts of different proportions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cvai.training.tasks.lge.config import LgeConfig
from tests.training.small import few_steps

SIZE = 64
SLICES = 3
GREYS = (90, 170, 60, 230, 40)


def write_emidec_patient(root: Path, patient: str, seed: int) -> None:
    """A ring around a cavity, wider than high; in patients of the group P a quarter of it is infarcted."""
    rng = np.random.default_rng(seed)
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:SIZE, :SIZE]
    for k in range(SLICES):
        distance = np.hypot((y - 32) / 0.8, (x - 30 - seed) / 1.2)
        labels = np.where(distance < 13, 2, 0)
        if "_P" in patient:
            below_right = (y > 32) & (x > 30 + seed)
            labels[(distance < 13) & below_right] = 3
            labels[(distance > 9) & (distance < 11) & below_right] = 4
        labels[distance < 7] = 1
        image = np.clip(np.choose(labels, GREYS) + rng.normal(0, 5, labels.shape), 0, 255)
        for folder, values in (("images", image), ("labels", labels)):
            file = root / folder / f"{patient}_slice{k:03d}.png"
            Image.fromarray(values.astype(np.uint8)).save(file)


def small_lge_config(folder: Path, steps: int = 4) -> LgeConfig:
    """Three patients, a tiny network, a few steps; paths lie in ``folder``."""
    names = ("Case_P001", "Case_N002", "Case_P003")
    for seed, name in enumerate(names):
        write_emidec_patient(folder / "emidec", name, seed)
    (folder / "emidec.toml").write_text(f"train = {list(names[:2])}\nvalidation = {list(names[2:])}\n")
    return LgeConfig.model_validate(
        {
            "name": "tiny_lge",
            "version": "0.0.1",
            "view": "lge",
            "seed": 7,
            "output": folder / "runs" / "tiny_lge",
            "data": {"folder": str(folder / "emidec"), "split": folder / "emidec.toml"},
            "input": {"size": 32},
            "network": {"filters": (8, 12, 16)},
            "augment": {
                "stretch": 1.3,
                "centre_jitter": 0.03,
                "whole": 0.2,
                "bend": 0.02,
                "gamma": 0.3,
                "noise": 0.01,
                "bias_field": 0.05,
                "drop_neighbours": 0.4,
            },
            "optimise": {**few_steps(steps), "infarct": 2.0, "no_reflow": 2.0},
        }
    )
