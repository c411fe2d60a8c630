"""Everything that is known about one short-axis cine once it has been analysed, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.values import AssembledCine
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import MeasurementCoding, measurement_coding
from cvai.domain.message import joined, say, term
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.circumferential import CircumferentialStrain, Layer
from cvai.domain.ventricles.segments import WALL_SEGMENTS, WallSegment
from cvai.domain.ventricles.wall_motion import BeatMotion, MotionGrade, motion_name

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
        motion: of the segments of its wall.
        chosen: scores of segments that a reader has given instead of the proposals, by name.
    """

    cine: AssembledCine
    segmentation: CineSegmentation
    phases: KeyPhases
    lv_curve_ml: NDArray[np.float64]
    rv_curve_ml: NDArray[np.float64]
    strain: CircumferentialStrain | None = None
    motion: BeatMotion = ()
    chosen: Mapping[str, float] = field(default_factory=dict)

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
        """Volume of both ventricles in every phase, circumferential strain, and motion of segments.

        Where the left ventricle is not drawn in every phase, there is no course of a volume.
        """
        times_ms = self.cine.stack.phase_times_ms
        return {
            "time_ms": None if times_ms is None else times_ms.tolist(),
            "lv_ml": self.lv_curve_ml.tolist() if self.lv_curve_ml.all() else None,
            "rv_ml": self.rv_curve_ml.tolist() if self.lv_curve_ml.all() else None,
            **strain_curves(self.strain),
            **motion_curves(self.motion),
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """Which grades are a reader's own."""
        graded = [
            joined(
                " ",
                (term(segment.display_name), term(MotionGrade(int(self.chosen[name])).display_name)),
            )
            for segment in WALL_SEGMENTS
            if (name := motion_name(segment)) in self.chosen
        ]
        if not graded:
            return ()
        return (say("Wall motion as a reader has graded it: {segments}.", segments=joined(", ", graded)),)

    def coding(self, name: str) -> MeasurementCoding:
        """How the measurement called ``name`` is said in codes."""
        return measurement_coding(name)


def strain_curve_name(layer: Layer, z: int | None = None) -> str:
    """Name of a strain curve: of all slices together, or of the slice with this index.

    >>> strain_curve_name(Layer.ENDOCARDIUM), strain_curve_name(Layer.MID_WALL, 2)
    ('gcs_endo_percent', 'cs_mid_slice_3_percent')
    """
    return f"gcs_{layer}_percent" if z is None else f"cs_{layer}_slice_{z + 1}_percent"


def thickening_curve_name(segment: WallSegment) -> str:
    """Name of the curve of a segment's thickening since end-diastole.

    >>> thickening_curve_name(WALL_SEGMENTS[0])
    'thickening_basal_anterior_percent'
    """
    return f"thickening_{segment.key}_percent"


def inward_curve_name(segment: WallSegment) -> str:
    """Name of the curve of a segment's inward motion since end-diastole."""
    return f"inward_{segment.key}_percent"


def motion_curves(motion: BeatMotion) -> dict[str, list[float] | None]:
    """Thickening and inward motion of the segments that were measured in every phase."""
    curves: dict[str, list[float] | None] = {}
    for segment in WALL_SEGMENTS:
        if motion and all(segment in at for at in motion):
            course = [at[segment] for at in motion]
            curves[thickening_curve_name(segment)] = [round(m.thickening_percent, 1) for m in course]
            curves[inward_curve_name(segment)] = [round(m.inward_percent, 1) for m in course]
    return curves


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
