"""Batches of samples that are augmented one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.transforms import Compose
from torch.utils.data import WeightedRandomSampler

from cvai.training.core.spec import Batch


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
