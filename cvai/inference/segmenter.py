"""The role every model plays for the engine, and what all that run a network have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

from cvai.heart.cine import CineStack
from cvai.heart.segmentation import CineSegmentation, ModelIdentity
from cvai.heart.uncertainty import Uncertainty
from cvai.inference.network import Network, open_network


class Segmenter(Protocol):
    """Labels every frame of a cine on the cine's own grid, or raises HeartRefused."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model runs, and on what."""
        ...

    @property
    def uncertainty(self) -> Uncertainty | None:
        """How far what is measured on its labels may be off; None where that is not known."""
        ...

    def segment(self, stack: CineStack) -> CineSegmentation:
        """Label every frame."""
        ...


class NetworkSegmenter:
    """A network with what its card says about it."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @classmethod
    def load(cls, folder: Path, threads: int = 2, provider: str = "auto") -> Self:
        """Load a model folder; see ``open_network`` for arguments and errors."""
        return cls(open_network(folder, threads, provider))

    @property
    def identity(self) -> ModelIdentity:
        """Which model runs, and on what."""
        card = self._network.card
        return ModelIdentity(card.name, card.version, card.sha256, self._network.provider)

    @property
    def uncertainty(self) -> Uncertainty | None:
        """As the card states it."""
        stated = self._network.card.uncertainty
        return None if stated is None else stated.to_uncertainty()
