"""Volumes and ejection fraction of the left ventricle from apical views, averaged over beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cvai.domain.echo.loop import LoopSegmentation
from cvai.domain.echo.simpson import (
    DiscStack,
    area_length_volume_ml,
    biplane_volume_ml,
    disc_stack,
    shared_disc_height_mm,
)
from cvai.domain.function import cardiac_output_l_per_min, ejection_fraction_percent
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.errors import HeartRefused


@dataclass(frozen=True, slots=True)
class KeyDiscs:
    """The discs of one view at the two phases that count."""

    end_diastole: DiscStack
    end_systole: DiscStack

    @property
    def both(self) -> tuple[DiscStack, DiscStack]:
        """End-diastole, end-systole."""
        return self.end_diastole, self.end_systole


@dataclass(frozen=True, slots=True)
class Volumes:
    """Volumes of one heartbeat."""

    edv_ml: float
    esv_ml: float

    @property
    def ef_percent(self) -> float:
        """Ejection fraction; it does not depend on the size of a pixel, only on its proportions."""
        return ejection_fraction_percent(self.edv_ml, self.esv_ml)

    def with_esv_times(self, factor: float) -> Volumes:
        """The same heart with its end-systolic volume corrected.

        >>> Volumes(edv_ml=100.0, esv_ml=50.0).with_esv_times(0.98)
        Volumes(edv_ml=100.0, esv_ml=49.0)
        """
        return Volumes(self.edv_ml, self.esv_ml * factor)


def biplane_volumes(four_chamber: KeyDiscs, two_chamber: KeyDiscs, *, own_length: bool = False) -> Volumes:
    """Modified biplane method of discs.

    Args:
        four_chamber: of one view.
        two_chamber: of the other.
        own_length: whether the discs of each phase have the height of its own longer axis, as many machines
            take it; else one disc height holds for both views and phases.
    """
    pairs = list(zip(four_chamber.both, two_chamber.both, strict=True))
    height_mm = shared_disc_height_mm(stack for pair in pairs for stack in pair)
    heights_mm = [shared_disc_height_mm(pair) if own_length else height_mm for pair in pairs]
    return Volumes(*(biplane_volume_ml(*pair, h) for pair, h in zip(pairs, heights_mm, strict=True)))


def monoplane_volumes(discs: KeyDiscs, *, own_length: bool = False) -> Volumes:
    """Method of circular discs; see ``biplane_volumes``."""
    return biplane_volumes(discs, discs, own_length=own_length)


def require_ejection(volumes: Volumes) -> None:
    """Refuse volumes that are none of a beating heart, whatever drew them.

    Raises:
        HeartRefused: ``no_ejection``, the ventricle is not larger at end-diastole than at end-systole.
    """
    if volumes.edv_ml > volumes.esv_ml > 0:
        return
    change_percent = 100 * (volumes.esv_ml / volumes.edv_ml - 1) if volumes.edv_ml > 0 else 0.0
    raise HeartRefused(
        "no_ejection",
        say(
            "The left ventricle does not eject: its discs change by {change_percent:+.0f} % from "
            "end-diastole to end-systole.",
            change_percent=change_percent,
        ),
        say("Look at the loop; if it shows a heartbeat in an apical view, measure it by hand."),
    )


def area_length_volumes(discs: KeyDiscs) -> Volumes:
    """The published formula with each phase's own length: a check that knows the area and not the shape.

    Its ejection fractions lie 6 to 10 points above those of discs of one height on CAMUS's contours.
    """
    return Volumes(*(area_length_volume_ml(s.area_mm2, s.axis.length_mm) for s in discs.both))


def key_discs(segmentation: LoopSegmentation, beat: KeyPhases, spacing_mm: tuple[float, float]) -> KeyDiscs:
    """The discs of one beat of a loop.

    Raises:
        HeartRefused: ``mitral_plane_not_found``.
    """
    frames = (beat.end_diastole, beat.end_systole)
    return KeyDiscs(*(disc_stack(segmentation.labels[t], spacing_mm) for t in frames))


def mean_volumes(
    four_chamber: Sequence[KeyDiscs], two_chamber: Sequence[KeyDiscs], *, own_length: bool = False
) -> Volumes:
    """Mean over beats; each of one view with each of the other, or one view alone where the other has none.

    ``own_length`` is that of ``biplane_volumes``.

    Raises:
        ValueError: there are no beats.
    """
    if four_chamber and two_chamber:
        beats = [
            biplane_volumes(four, two, own_length=own_length)
            for four, two in product(four_chamber, two_chamber)
        ]
    else:
        beats = [monoplane_volumes(discs, own_length=own_length) for discs in (*four_chamber, *two_chamber)]
    if not beats:
        raise ValueError("no beats to average")
    edv_ml, esv_ml = np.mean([(beat.edv_ml, beat.esv_ml) for beat in beats], axis=0)
    return Volumes(float(edv_ml), float(esv_ml))


def volume_curve_by_area_ml(
    area_px: NDArray[np.float64], spacing_mm: tuple[float, float], length_mm: float
) -> NDArray[np.float64]:
    """(t,) volume in every frame by the area-length formula with one length: a curve to look at.

    Args:
        area_px: (t,) pixels of the LV cavity.
        spacing_mm: (between rows, between columns).
        length_mm: the longest long axis of the loop.
    """
    areas_mm2 = area_px * spacing_mm[0] * spacing_mm[1]
    return np.array([area_length_volume_ml(float(area), length_mm) for area in areas_mm2])


def measure_echo(
    volumes: Volumes, heart_rate_bpm: float | None, *, calibrated: bool
) -> tuple[Measurement, ...]:
    """The measurements of a study; without a size of the pixels there is an ejection fraction only."""
    ejection_fraction = Measurement("lv_ef", volumes.ef_percent, "%")
    heart_rate = () if heart_rate_bpm is None else (Measurement("heart_rate", heart_rate_bpm, "/min"),)
    if not calibrated:
        return (ejection_fraction, *heart_rate)
    stroke_volume_ml = volumes.edv_ml - volumes.esv_ml
    output = (
        ()
        if heart_rate_bpm is None
        else (Measurement("lv_co", cardiac_output_l_per_min(stroke_volume_ml, heart_rate_bpm), "L/min"),)
    )
    return (
        Measurement("lv_edv", volumes.edv_ml, "mL"),
        Measurement("lv_esv", volumes.esv_ml, "mL"),
        Measurement("lv_sv", stroke_volume_ml, "mL"),
        ejection_fraction,
        *output,
        *heart_rate,
    )
