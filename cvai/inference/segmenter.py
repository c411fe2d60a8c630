"""The role every model plays for the engine."""

from __future__ import annotations

from typing import Protocol

from cvai.heart.cine import CineStack
from cvai.heart.segmentation import CineSegmentation, ModelIdentity
from cvai.heart.uncertainty import Uncertainty


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
