"""Everything that is known about one short-axis cine once it has been analysed, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.values import AssembledCine
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import MeasurementCoding, measurement_coding
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation

KIND, VIEW = "cine_sax", "sax_cine"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CineAnalysis(Analysed):
    """A measured short-axis cine.

    Args:
        cine: the assembled cine with its sources.
        segmentation: labels on the cine's grid.
        phases: end-diastole and end-systole.
        lv_curve_ml: (t,) LV cavity volume.
        rv_curve_ml: (t,) RV cavity volume.
    """

    cine: AssembledCine
    segmentation: CineSegmentation
    phases: KeyPhases
    lv_curve_ml: NDArray[np.float64]
    rv_curve_ml: NDArray[np.float64]

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
        return self.cine

    @property
    def key_frames(self) -> dict[str, int]:
        """Phases of end-diastole and end-systole."""
        return {"ed": self.phases.end_diastole, "es": self.phases.end_systole}

    @property
    def curves(self) -> dict[str, list[float] | None]:
        """Volume of both ventricles in every phase."""
        times_ms = self.cine.stack.phase_times_ms
        return {
            "time_ms": None if times_ms is None else times_ms.tolist(),
            "lv_ml": self.lv_curve_ml.tolist(),
            "rv_ml": self.rv_curve_ml.tolist(),
        }

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes."""
        return measurement_coding(name)
