"""Labelled frames in PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cvai.models.intensity import normalised


def read_frame(folder: Path, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, y, x) brightness 0..1 and (1, y, x) labels of a square frame."""
    image, label = (np.asarray(Image.open(folder / f"{name}{end}.png")) for end in ("", "_label"))
    brightness = normalised(image.astype(np.float32))
    return torch.from_numpy(brightness)[None], torch.from_numpy(label.astype(np.int64))[None]
