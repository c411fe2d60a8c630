"""The two networks of late enhancement: its own, and that of the cine, which shows the septum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cvai.domain.segmentation import ModelIdentity
from cvai.domain.tissue.labelled import LabelledSlices
from cvai.domain.uncertainty import Uncertainty
from cvai.models.folders import installed_models, model_folder
from cvai.models.lge import LgeSegmenter
from cvai.models.sax import SaxSegmenter
from cvai.models.segmenter import Segmenter
from cvai.models.site_intervals import SiteIntervals

_SHORT_AXIS = "sax"
"""Name of the installed model for cines."""


class SliceSegmenter(Protocol):
    """Labels slices of late enhancement, or raises HeartRefused."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model runs, and on what."""
        ...

    def at_site(self, intervals: SiteIntervals) -> Self:
        """The same with the intervals of a site, where they are of its model."""
        ...

    @property
    def uncertainty(self) -> Uncertainty | None:
        """How far what is measured on its labels may be off; None where that is not known."""
        ...

    def segment(self, images: NDArray[np.float32]) -> LabelledSlices:
        """Label (z, y, x) slices."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class EnhancementSegmenter:
    """What labels a study with late enhancement.

    Args:
        slices: labels late enhancement; results are under its name.
        cine: labels one phase of the cine; None where no model for that is installed.
    """

    slices: SliceSegmenter
    cine: Segmenter | None

    @classmethod
    def load(
        cls, folder: Path, threads: int = 2, provider: str = "auto", device_batch: int | None = None
    ) -> Self:
        """Load a model folder and the installed model for cines; see ``open_network``."""
        slices = LgeSegmenter.load(folder, threads, provider, device_batch)
        if _SHORT_AXIS not in installed_models():
            return cls(slices, None)
        return cls(slices, SaxSegmenter.load(model_folder(_SHORT_AXIS), threads, provider, device_batch))

    def at_site(self, intervals: SiteIntervals) -> Self:
        """The same with the intervals of a site, where they are of its model."""
        return replace(self, slices=self.slices.at_site(intervals))

    @property
    def identity(self) -> ModelIdentity:
        """That of late enhancement."""
        return self.slices.identity
