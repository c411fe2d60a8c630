"""Random numbers that augment batches."""

from __future__ import annotations

import torch


class Chance:
    """Random numbers on a device, the same again from the same seed."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        self._generator = torch.Generator(device).manual_seed(seed)
        self._by_batch = torch.Generator().manual_seed(seed)
        self.order = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Evenly between ``low`` and ``high``."""
        drawn = torch.rand(shape, generator=self._generator, device=self._device)
        return drawn * (high - low) + low

    def normal(self, *shape: int) -> torch.Tensor:
        """With mean 0 and standard deviation 1."""
        return torch.randn(shape, generator=self._generator, device=self._device)

    def some(self, share: float, n: int) -> torch.Tensor:
        """(n, 1, 1, 1) of which ``share`` are true."""
        return self.uniform(0, 1, n, 1, 1, 1) < share

    def weighted(self, weights: torch.Tensor, n: int) -> torch.Tensor:
        """(n,) indices, each as often as its weight says."""
        return torch.multinomial(weights, n, replacement=True, generator=self._generator)

    def number(self, low: float, high: float) -> float:
        """One for a whole batch, known to the processor without asking the device."""
        return low + (high - low) * float(torch.rand((), generator=self._by_batch))
