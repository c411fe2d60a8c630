"""The role every model plays for the engine."""

from __future__ import annotations

from typing import Protocol

from cvai.heart.cine import CineStack
from cvai.heart.segmentation import CineSegmentation, ModelIdentity


class Segmenter(Protocol):
    """Labels every frame of a cine on the cine's own grid, or raises HeartRefused."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model runs, and on what."""
        ...

    def segment(self, stack: CineStack) -> CineSegmentation:
        """Label every frame."""
        ...
