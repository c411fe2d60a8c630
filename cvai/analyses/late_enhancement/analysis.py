"""Everything that is known about one stack of late enhancement once it has been analysed, as one value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.late_enhancement.codes import enhancement_coding
from cvai.dicom.read.values import AssembledCine
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import MeasurementCoding

KIND, VIEW = "late_enhancement", "sax_lge"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EnhancementAnalysis(Analysed):
    """A measured stack of late enhancement.

    Args:
        stack: the images with their sources, as a cine of one phase.
        labels: (z, y, x) values of LGE_LABELS on their grid.
    """

    stack: AssembledCine
    labels: NDArray[np.uint8]

    @property
    def kind(self) -> str:
        """As the registry names it."""
        return KIND

    @property
    def view(self) -> str:
        """As in result.json."""
        return VIEW

    @property
    def images(self) -> AssembledCine:
        """The source images."""
        return self.stack

    @property
    def key_frames(self) -> dict[str, int]:
        """The one phase that there is."""
        return {"ed": 0, "es": 0}

    @property
    def curves(self) -> dict[str, list[float] | None]:
        """None: one phase has no course."""
        return {"time_ms": None}

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes."""
        return enhancement_coding(name)
