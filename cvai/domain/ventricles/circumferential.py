"""Circumferential strain of the left ventricle, from the length of its contours in every phase.

Contours of short-axis slices are compared, not tissue: slices stand still, and the ventricle moves through
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cvai.domain.beat_curve import BeatCurve
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.strain import closed_length_mm, strain_peak, strain_percent
from cvai.domain.ventricles.beat_times import BeatTimes
from cvai.domain.ventricles.rings import ANGLES_DEG, BeatRings, WallRing
from cvai.domain.ventricles.slice_curves import LARGEST_SHIFT, slice_shifts

HARMONICS = 6
"""Of the contours. In phantoms, whose outlines have five, strain of single slices is then within 0.4 points
(SD) of the true one; four harmonics or twelve do no better."""

LARGEST_LEAP = 0.04
"""Share of its length at end-diastole by which a contour may leave the mean of the phases before and after
further than those of the other slices do, in the median. True contours of phantoms do so by 0.02 at most; a
basal contour that takes in the outflow tract for a phase does so by more."""

FEWEST_SLICES = 3


class Layer(StrEnum):
    """Line whose strain is measured; the value is its name in those of measurements and curves."""

    ENDOCARDIUM = "endo"
    MID_WALL = "mid"
    """Halfway between both borders of the wall in every phase."""

    @property
    def display_name(self) -> str:
        """Readable name."""
        return "endocardial" if self is Layer.ENDOCARDIUM else "mid-wall"


@dataclass(frozen=True, slots=True, eq=False)
class CircumferentialStrain:
    """Strain over a heartbeat.

    Args:
        slices: indices of the slices that were measured.
        by_slice: (t, slice) strain of every measured slice in percent, for each layer.
        percent: (t,) strain of all of them together, for each layer.
    """

    slices: tuple[int, ...]
    by_slice: dict[Layer, NDArray[np.float64]]
    percent: dict[Layer, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class StrainMeasurements:
    """What was measured; without strain its findings say why."""

    strain: CircumferentialStrain | None
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]


def measure_strain(
    segmentation: CineSegmentation, rings: BeatRings, phases: KeyPhases, times: BeatTimes | str
) -> StrainMeasurements:
    """Peak circumferential strain of endocardium and mid-wall, and when and how fast where times are known.

    Args:
        segmentation: labels of every phase.
        rings: of the segmentation.
        phases: end-diastole and end-systole.
        times: of the phases, or why there are none.
    """
    strain = circumferential_strain(rings, phases.end_diastole, in_step(segmentation))
    if strain is None:
        message = say(
            "Circumferential strain is not given: fewer than {fewest_slices} slices show a closed ring "
            "of wall in every phase, and contract evenly and in step.",
            fewest_slices=FEWEST_SLICES,
        )
        return StrainMeasurements(None, (), (Finding("strain_not_measured", Severity.INFO, message),))
    found = [
        measurement
        for layer, percent in strain.percent.items()
        for measurement in _measurements(layer, percent, phases, times)
    ]
    return StrainMeasurements(strain, tuple(found), ())


def in_step(segmentation: CineSegmentation) -> NDArray[np.bool_]:
    """(z,) whether a slice contracts when the others do; where a slice does not tell, it is taken to."""
    shifts = slice_shifts(segmentation)
    if np.isnan(shifts).all():
        return np.ones(shifts.size, dtype=np.bool_)
    from_median = np.abs((shifts - np.nanmedian(shifts) + 0.5) % 1.0 - 0.5)
    return np.asarray(~(from_median > LARGEST_SHIFT))


def circumferential_strain(
    rings: BeatRings, end_diastole: int, eligible: NDArray[np.bool_]
) -> CircumferentialStrain | None:
    """Strain of all slices whose contours can be followed over the beat.

    A slice counts where its wall is a closed ring in every phase, which leaves out those that the base or the
    tip of the ventricle passes through, and where no contour leaps. The strain of all slices is that of the
    sum of their lengths: slices weigh by their circumference at end-diastole.

    Args:
        rings: of every frame.
        end_diastole: phase of reference.
        eligible: (z,) slices that may be measured.

    Returns:
        None where fewer than three slices are left.
    """
    whole = [int(z) for z in np.flatnonzero(eligible) if all(phase[z] is not None for phase in rings)]
    lengths_mm = {layer: _lengths_mm(rings, whole, layer) for layer in Layer}
    even = np.all([_is_even(mm, end_diastole) for mm in lengths_mm.values()], axis=0)
    slices = tuple(z for z, is_even in zip(whole, even, strict=True) if is_even)
    if len(slices) < FEWEST_SLICES:
        return None
    kept_mm = {layer: mm[:, even] for layer, mm in lengths_mm.items()}
    return CircumferentialStrain(
        slices,
        by_slice={
            layer: np.stack([strain_percent(one, end_diastole) for one in mm.T], axis=1)
            for layer, mm in kept_mm.items()
        },
        percent={layer: strain_percent(mm.sum(axis=1), end_diastole) for layer, mm in kept_mm.items()},
    )


def _lengths_mm(rings: BeatRings, slices: Sequence[int], layer: Layer) -> NDArray[np.float64]:
    """(t, slice) length of a layer."""
    radii_mm = np.array([[_radii_mm(phase[z], layer) for z in slices] for phase in rings])
    if not slices:
        return np.zeros((len(rings), 0))
    angles = np.deg2rad(ANGLES_DEG)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return closed_length_mm(radii_mm[..., np.newaxis] * directions, HARMONICS)


def _radii_mm(ring: WallRing | None, layer: Layer) -> NDArray[np.float64]:
    """(ray,) from the middle of the cavity to a layer."""
    if ring is None:
        raise ValueError("a slice without a ring has no contour")
    return ring.inner_mm if layer is Layer.ENDOCARDIUM else (ring.inner_mm + ring.outer_mm) / 2


def _is_even(lengths_mm: NDArray[np.float64], end_diastole: int) -> NDArray[np.bool_]:
    """(slice,) whether a line's length leaps in no phase; the first and the last have one neighbour each."""
    if lengths_mm.shape[1] == 0:
        return np.zeros(0, dtype=np.bool_)
    share = lengths_mm / lengths_mm[end_diastole]
    leaps = share[1:-1] - (share[:-2] + share[2:]) / 2
    beyond = np.abs(leaps - np.median(leaps, axis=1, keepdims=True))
    return np.asarray(beyond.max(axis=0, initial=0.0) <= LARGEST_LEAP)


def _measurements(
    layer: Layer, percent: NDArray[np.float64], phases: KeyPhases, times: BeatTimes | str
) -> tuple[Measurement, ...]:
    peak = strain_peak(percent)
    strain = Measurement(f"lv_gcs_{layer}", peak.strain_percent, "%")
    if isinstance(times, str) or phases.end_diastole == phases.end_systole:
        return (strain,)
    to_peak_ms = times.after_ms(phases.end_diastole, peak.phase)
    return (
        strain,
        Measurement(f"lv_time_to_gcs_{layer}", to_peak_ms, "ms"),
        Measurement(f"lv_gcs_rate_early_{layer}", _early_rate(percent, phases, times), "%/s"),
    )


def _early_rate(percent: NDArray[np.float64], phases: KeyPhases, times: BeatTimes) -> float:
    """Fastest lengthening in the first half of diastole, in percent a second."""
    curve = BeatCurve.smoothed(times.times_ms, percent, times.period_ms)
    return float(curve.rates(times.early_diastole_ms(phases)).max())
