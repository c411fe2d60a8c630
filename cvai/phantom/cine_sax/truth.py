"""What is true about a phantom.

The truth is what a perfect reader measures: every voxel carries the label of the structure its centre lies
in, and a volume is the number of voxels times the volume of one. The continuous volume of the same geometry,
which no stack of thick slices can see, stands beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from cvai.domain.anatomy import Structure
from cvai.domain.function import ejection_fraction_percent
from cvai.domain.phases import KeyPhases, key_phases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.circumferential import Layer
from cvai.domain.volumes import mass_g, volume_curve_ml
from cvai.phantom.cine_sax.strain import TrueContours, true_contours
from cvai.phantom.cine_sax.ventricles import Discs, Ventricles
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.phantom.uids import phantom_uid

TRUTH_SCHEMA = "cvai.phantom/1"


@dataclass(frozen=True, slots=True)
class VentricleVolumes:
    """Volumes of one ventricle at end-diastole and end-systole."""

    edv_ml: float
    esv_ml: float

    @property
    def ef_percent(self) -> float:
        """Ejection fraction."""
        return ejection_fraction_percent(self.edv_ml, self.esv_ml)


@dataclass(frozen=True, slots=True)
class PhantomTruth:
    """True volumes of a phantom.

    Args:
        lv: left ventricle, by voxels.
        rv: right ventricle, by voxels, at the phases of the left one.
        lv_mass_g: wall of the left ventricle at end-diastole, by voxels.
        continuous_lv: left ventricle, continuous.
        continuous_rv: right ventricle, continuous.
        phases: end-diastole and end-systole.
        lv_curve_ml: volume of the left ventricle in every phase, by voxels.
        rv_curve_ml: volume of the right ventricle in every phase, by voxels.
        contours: of the left ventricle, continuous.
        heart: what was asked for.
        acquisition: how it was imaged.
    """

    lv: VentricleVolumes
    rv: VentricleVolumes
    lv_mass_g: float
    continuous_lv: VentricleVolumes
    continuous_rv: VentricleVolumes
    phases: KeyPhases
    lv_curve_ml: tuple[float, ...]
    rv_curve_ml: tuple[float, ...]
    contours: TrueContours = field(compare=False)  # arrays, which follow from what is compared
    heart: PhantomHeart
    acquisition: PhantomAcquisition

    @property
    def study_uid(self) -> UID:
        """StudyInstanceUID of the phantom as DICOM."""
        return phantom_uid(self.heart, self.acquisition, "study")

    def to_json(self) -> dict[str, Any]:
        """The content of truth.json; ``measurements`` has the names of result.json."""
        strain = {layer: self.contours.strain_percent(layer, self.phases.end_diastole) for layer in Layer}
        return {
            "schema": TRUTH_SCHEMA,
            "study_uid": self.study_uid,
            "frames": {"ed": self.phases.end_diastole, "es": self.phases.end_systole},
            "measurements": {
                **_volumes_json("lv", self.lv),
                "lv_mass": self.lv_mass_g,
                **_volumes_json("rv", self.rv),
                **{f"lv_gcs_{layer}": float(percent.min()) for layer, percent in strain.items()},
            },
            "continuous": {
                **_volumes_json("lv", self.continuous_lv),
                **_volumes_json("rv", self.continuous_rv),
            },
            "curves": {
                "lv_ml": list(self.lv_curve_ml),
                "rv_ml": list(self.rv_curve_ml),
                **{f"gcs_{layer}_percent": percent.tolist() for layer, percent in strain.items()},
            },
            "heart": asdict(self.heart),
            "acquisition": asdict(self.acquisition),
        }


def _volumes_json(prefix: str, volumes: VentricleVolumes) -> dict[str, float]:
    return {
        f"{prefix}_edv": volumes.edv_ml,
        f"{prefix}_esv": volumes.esv_ml,
        f"{prefix}_sv": volumes.edv_ml - volumes.esv_ml,
        f"{prefix}_ef": volumes.ef_percent,
    }


def truth_of(
    heart: PhantomHeart,
    acquisition: PhantomAcquisition,
    ventricles: Ventricles,
    discs: Discs,
    labels: CineSegmentation,
) -> PhantomTruth:
    """Truth of a phantom from its true labels; ``discs`` are the middle planes of their slices."""
    lv, rv, wall = (
        volume_curve_ml(labels, structure)
        for structure in (Structure.LV_CAVITY, Structure.RV_CAVITY, Structure.LV_MYOCARDIUM)
    )
    phases = key_phases(lv)

    def at_phases(curve_ml: NDArray[np.float64]) -> VentricleVolumes:
        return VentricleVolumes(float(curve_ml[phases.end_diastole]), float(curve_ml[phases.end_systole]))

    return PhantomTruth(
        lv=at_phases(lv),
        rv=at_phases(rv),
        lv_mass_g=mass_g(float(wall[phases.end_diastole])),
        continuous_lv=at_phases(ventricles.lv_ml()),
        continuous_rv=at_phases(ventricles.rv_ml()),
        phases=phases,
        lv_curve_ml=tuple(lv.tolist()),
        rv_curve_ml=tuple(rv.tolist()),
        contours=true_contours(ventricles, discs),
        heart=heart,
        acquisition=acquisition,
    )
