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
from cvai.domain.ventricles.circumferential import CircumferentialStrain, Layer

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
        strain: circumferential strain of the left ventricle, None where it was not measured.
    """

    cine: AssembledCine
    segmentation: CineSegmentation
    phases: KeyPhases
    lv_curve_ml: NDArray[np.float64]
    rv_curve_ml: NDArray[np.float64]
    strain: CircumferentialStrain | None = None

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
        """Volume of both ventricles in every phase, and circumferential strain."""
        times_ms = self.cine.stack.phase_times_ms
        return {
            "time_ms": None if times_ms is None else times_ms.tolist(),
            "lv_ml": self.lv_curve_ml.tolist(),
            "rv_ml": self.rv_curve_ml.tolist(),
            **strain_curves(self.strain),
        }

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes."""
        return measurement_coding(name)


def strain_curve_name(layer: Layer, z: int | None = None) -> str:
    """Name of a strain curve: of all slices together, or of the slice with this index.

    >>> strain_curve_name(Layer.ENDOCARDIUM), strain_curve_name(Layer.MID_WALL, 2)
    ('gcs_endo_percent', 'cs_mid_slice_3_percent')
    """
    return f"gcs_{layer}_percent" if z is None else f"cs_{layer}_slice_{z + 1}_percent"


def strain_curves(strain: CircumferentialStrain | None) -> dict[str, list[float] | None]:
    """Strain of both layers in every phase, of all slices together and of each that was measured."""
    if strain is None:
        return {strain_curve_name(layer): None for layer in Layer}
    together: dict[str, list[float] | None] = {
        strain_curve_name(layer): percent.tolist() for layer, percent in strain.percent.items()
    }
    for layer, by_slice in strain.by_slice.items():
        for z, percent in zip(strain.slices, by_slice.T, strict=True):
            together[strain_curve_name(layer, z)] = percent.tolist()
    return together
