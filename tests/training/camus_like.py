"""A folder in the layout of CAMUS with drawn hearts: enough to run every step of training in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cvai.training.tasks.echo.config import EchoConfig
from tests.training.acdc_like import write_patient
from tests.training.small import few_steps

SIZE = 72


def write_camus_patient(root: Path, patient: str, part: str, seed: int) -> None:
    """Four frames in a sector: an ellipse of blood in a wall above an atrium; lateral axis first."""
    rng = np.random.default_rng(seed)
    folder = root / part / patient
    folder.mkdir(parents=True)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    sector = np.abs(x - 0.5) < 0.6 * y
    for view, middle in (("4CH", 0.55), ("2CH", 0.45)):
        for phase, half in (("ED", 0.13), ("ES", 0.09)):
            across, along = (x - middle), (y - 0.45) / 2
            labels = np.zeros((SIZE, SIZE), np.uint8)
            labels[(np.hypot(across, along) < half + 0.06) & (y < 0.62)] = 2
            labels[(np.hypot(across, along) < half) & (y < 0.62)] = 1
            labels[(np.hypot(across, y - 0.75) < 0.12) & (y >= 0.62)] = 3
            brightness = np.choose(labels, (90, 30, 190, 40)) * rng.gamma(8, 1 / 8, labels.shape) * sector
            image = np.clip(brightness, 0, 255).astype(np.uint8)
            stem = f"{patient}_{view}_{phase}"
            for name, values in ((f"{stem}.png", image), (f"{stem}_gt.png", labels)):
                Image.fromarray(np.ascontiguousarray(values.T)).save(folder / name)


def small_echo_config(folder: Path, steps: int = 4) -> EchoConfig:
    """Three patients, a tiny network, a few steps; paths lie in ``folder``."""
    for k, part in ((1, "train"), (2, "train"), (3, "val")):
        write_camus_patient(folder / "camus", f"patient000{k}", part, seed=k)
        write_patient(folder / "acdc" / f"patient00{k}", seed=k)
    for name, digits in (("camus", "000"), ("acdc", "00")):
        train = ", ".join(f'"patient{digits}{k}"' for k in (1, 2))
        (folder / f"{name}.toml").write_text(f'train = [{train}]\nvalidation = ["patient{digits}3"]\n')
    return EchoConfig.model_validate(
        {
            "name": "tiny_echo",
            "version": "0.0.1",
            "view": "echo",
            "seed": 7,
            "output": folder / "runs" / "tiny_echo",
            "data": {
                "camus": str(folder / "camus"),
                "split": folder / "camus.toml",
                "other": str(folder / "acdc"),
                "other_split": folder / "acdc.toml",
            },
            "input": {"size": 64},
            "network": {"filters": (8, 12, 16, 16)},
            "augment": {
                "rotate_degrees": 10.0,
                "scale": 0.1,
                "shift": 0.05,
                "flip": 0.1,
                "gamma": 0.2,
                "noise": 0.02,
                "speckle": 0.2,
                "attenuation": 0.5,
                "shadow": 0.2,
                "sector_cut": 0.1,
                "scrambled": 0.1,
                "other": 0.1,
            },
            "optimise": few_steps(steps),
        }
    )
