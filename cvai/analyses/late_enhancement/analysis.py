"""Everything that is known about one stack of late enhancement once it has been analysed, as one value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.late_enhancement.codes import enhancement_coding
from cvai.analyses.late_enhancement.guide import guide_factors
from cvai.dicom.read.values import AssembledCine
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import MeasurementCoding
from cvai.domain.message import say
from cvai.domain.tissue.segments import CineGuide, share_name
from cvai.domain.ventricles.segments import WALL_SEGMENTS

KIND, VIEW = "late_enhancement", "sax_lge"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EnhancementAnalysis(Analysed):
    """A measured stack of late enhancement.

    Args:
        stack: the images with their sources, as a cine of one phase.
        labels: (z, y, x) values of LGE_LABELS on their grid.
        guide: from the cine, or why there is none.
        cine_model: name and version of the model that labelled the cine; empty where none did.
    """

    stack: AssembledCine
    labels: NDArray[np.uint8]
    guide: CineGuide | str
    cine_model: str = ""

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
    def factors(self) -> dict[str, float]:
        """What the cine told, to measure a reader's contours by."""
        return {} if isinstance(self.guide, str) else guide_factors(self.guide)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Where the segments are from."""
        named = any(measurement.name == share_name(WALL_SEGMENTS[0]) for measurement in self.measurements)
        if not named:
            return ()
        by = say(", as {model} labels it", model=self.cine_model) if self.cine_model else ""
        return (say("Segments are counted from the septum in the cine of the study{by}.", by=by),)

    @property
    def curves(self) -> dict[str, list[float] | None]:
        """None: one phase has no course."""
        return {"time_ms": None}

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes."""
        return enhancement_coding(name)
