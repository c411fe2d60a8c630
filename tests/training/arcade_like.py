"""Angiograms of a few curved vessels, stored the way ARCADE stores its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tomlkit
from PIL import Image, ImageDraw

from cvai.training.tasks.coronary.config import CoronaryConfig
from tests.training.small import few_steps

SIDE = 128
PARTS = {0: ((20, 20), (60, 30)), 1: ((60, 30), (80, 70)), 2: ((80, 70), (60, 110))}
"""Ends (x, y) of the segments of a right coronary artery, by category."""


def write_angiogram(root: Path, name: str, seed: int) -> None:
    """A dark vessel on noise: its three segments, or a stenosis in the middle one."""
    rng = np.random.default_rng(seed)
    path = root / f"{name}.webp"
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = Image.fromarray(rng.normal(150, 6, (SIDE, SIDE)).clip(0, 255).astype(np.uint8))
    pen, lines, shift = ImageDraw.Draw(canvas), [], rng.integers(-6, 7, 2)
    for category, ends in PARTS.items():
        corners = _ribbon(*(np.array(end) + shift for end in ends), half_width=5.0)
        pen.polygon(corners, fill=40)
        drawn = category if name.startswith("syntax") else 25 if category == 1 else None
        if drawn is not None:
            lines.append(" ".join([str(drawn), *(f"{value:.1f}" for value in corners)]))
    canvas.convert("RGB").save(path, lossless=True)
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")


def _ribbon(start: np.ndarray, end: np.ndarray, half_width: float) -> list[float]:
    along = (end - start) / np.hypot(*(end - start))
    across = half_width * np.array([-along[1], along[0]])
    return [float(v) for point in (start + across, end + across, end - across, start - across) for v in point]


def small_coronary_config(folder: Path, **changed: Any) -> CoronaryConfig:
    """A run of seconds on two training and two validation images of each kind, in ``folder`` / arcade."""
    names = {
        p: [f"{kind}/{p}/{k}" for kind in ("syntax", "stenosis") for k in (1, 2)] for p in ("train", "val")
    }
    for seed, name in enumerate([*names["train"], *names["val"]]):
        write_angiogram(folder / "arcade", name, seed)
    split = folder / "arcade.toml"
    split.write_text(tomlkit.dumps({"train": names["train"], "validation": names["val"]}))
    values: dict[str, Any] = {
        "name": "coronary",
        "version": "0.0.1",
        "view": "coronary",
        "seed": 7,
        "output": folder / "runs" / "coronary",
        "data": {"arcade": "arcade", "split": split, "stenosis_share": 0.3},
        "input": {"size": SIDE // 4},
        "network": {"filters": [8, 12, 16]},
        "augment": {
            "rotate_degrees": 15.0,
            "scale": 0.1,
            "aspect": 0.1,
            "shift": 0.05,
            "bend": 0.01,
            "gamma": 0.3,
            "contrast": 0.2,
            "brightness": 0.1,
            "noise": 0.02,
            "blur": 0.5,
            "darkening": 0.3,
            "collimated": 0.2,
        },
        "optimise": few_steps(4),
    }
    return CoronaryConfig.model_validate(values | changed)
