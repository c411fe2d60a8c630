"""What is particular to the training of one kind of model; the loop is the same for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.transforms import Compose
from torch.utils.data import WeightedRandomSampler

Batch = dict[str, torch.Tensor]
"""Tensors of equally many samples by name; ``image`` (n, c, y, x) is what the network is given."""


class TrainingTask(Protocol):
    """Samples, loss and an early look at the result."""

    def batches(self, start: int) -> Iterator[Batch]:
        """Endless random batches; ``start``, the step a resumed run stands at, varies the seed."""
        ...

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of (n, k, y, x) logits, a scalar."""
        ...

    def look(self, network: torch.nn.Module, picture: Path) -> dict[str, float]:
        """Scores on validation samples by name, and a picture of some of them."""
        ...


def weighted_batches(
    samples: Sequence[Mapping[str, Any]],
    weights: Sequence[float],
    transforms: Compose,
    batch_size: int,
    seed: int,
) -> Iterator[Batch]:
    """Endless batches of transformed samples, drawn as often as their weights say, by one worker process."""
    transforms.set_random_state(seed)
    loader = DataLoader(
        CacheDataset(samples, transforms, cache_rate=0.0, progress=False),
        batch_size=batch_size,
        sampler=WeightedRandomSampler(weights, len(samples), generator=torch.Generator().manual_seed(seed)),
        drop_last=True,
        num_workers=1,
        persistent_workers=True,
    )
    while True:
        for batch in loader:
            yield {key: _plain(value) for key, value in batch.items() if isinstance(value, torch.Tensor)}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    plain: torch.Tensor = tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor
    return plain
