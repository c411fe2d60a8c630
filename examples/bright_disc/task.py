"""Discs as a training task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from cvai.training.tasks.bright_disc.config import DiscConfig
from cvai.training.tasks.bright_disc.frames import read_frame
from matplotlib.figure import Figure

from cvai.training.core.loss import UNKNOWN, dice_and_cross_entropy
from cvai.training.core.spec import Batch
from cvai.training.datasets.data import data_root, load_split


class DiscTask:
    """Frames of one size, turned by quarters."""

    def __init__(self, config: DiscConfig) -> None:
        folder, split = data_root() / config.data.folder, load_split(config.data.split)
        self._config = config
        self._training = [read_frame(folder, name) for name in split.train]
        self._validation = [read_frame(folder, name) for name in split.validation]

    def batches(self, start: int) -> Iterator[Batch]:
        """See ``TrainingTask``; ``image`` and ``label`` (n, 1, y, x)."""
        chance = torch.Generator().manual_seed(self._config.seed + start)
        n = self._config.optimise.batch_size
        while True:
            chosen = torch.randint(len(self._training), (n,), generator=chance).tolist()
            turns = torch.randint(4, (n,), generator=chance).tolist()
            turned = [
                [values.rot90(k, (1, 2)) for values in self._training[i]]
                for i, k in zip(chosen, turns, strict=True)
            ]
            image, label = (torch.stack(values) for values in zip(*turned, strict=True))
            yield {"image": image, "label": label}

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Dice and cross-entropy of what is known."""
        return dice_and_cross_entropy(logits, batch["label"])

    @torch.no_grad()
    def look(self, network: torch.nn.Module, picture: Path) -> dict[str, float]:
        """The share of pixels labelled rightly, and a picture of the first frame."""
        network.eval()
        image, label = (torch.stack(values) for values in zip(*self._validation, strict=True))
        found = network(image).argmax(dim=1, keepdim=True)
        figure = Figure()
        figure.subplots().imshow(found[0, 0])
        figure.savefig(picture)
        return {"accuracy": float((found == label)[label != UNKNOWN].float().mean())}
