"""Volume of the left atrium from apical views, by discs and by area and length.

Lang et al., J Am Soc Echocardiogr 2015;28:1 (ASE/EACVI recommendations for chamber quantification), section
on the left atrium: the chamber is closed by a straight line between the two ends of the mitral annulus. Its
largest volume is that at the end of ventricular systole. Appendage and pulmonary veins do not belong to it;
in an apical view they cannot be told from the chamber where a contour has taken them in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import AreaCurve, span_of
from cvai.domain.echo.loop import LoopSegmentation
from cvai.domain.echo.simpson import (
    DiscStack,
    LongAxis,
    area_length_volume_ml,
    beyond_annulus_mm,
    biplane_volume_ml,
    long_axis,
    monoplane_volume_ml,
    shared_disc_height_mm,
    stack_along,
)
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.errors import HeartRefused

_PARTS = (np.indices((3, 3)).reshape(2, 9).T - 1) / 3
"""Centres of the ninths of a pixel from its own: an atrium may be so few pixels long that some discs
would hold twice as many rows of whole pixels as others, and their squares too much."""

SHORTEST_SHARE = 0.15
"""Of the ventricle's long axis: an atrium shorter than this was not seen."""


class Enlargement(StrEnum):
    """How large a left atrium is for its body."""

    NONE = say("not enlarged")
    MILD = say("mildly enlarged")
    MODERATE = say("moderately enlarged")
    SEVERE = say("severely enlarged")


_UPPER_ML_PER_M2 = (
    (34.0, Enlargement.NONE),
    (41.0, Enlargement.MILD),
    (48.0, Enlargement.MODERATE),
)
"""Lang et al. 2015, table 4: normal 16 to 34, mild 35 to 41, moderate 42 to 48, severe above 48 mL/m2, the
same for women and men; see docs/explanation/normals.md."""


def enlargement(volume_ml_per_m2: float) -> Enlargement:
    """Grade of the largest volume per body surface, rounded to whole units as the limits are.

    >>> [str(enlargement(volume)) for volume in (34.4, 34.6, 49.0)]
    ['not enlarged', 'mildly enlarged', 'severely enlarged']
    """
    rounded = round(volume_ml_per_m2)
    return next((grade for limit, grade in _UPPER_ML_PER_M2 if rounded <= limit), Enlargement.SEVERE)


@dataclass(frozen=True, slots=True)
class KeyAtria:
    """The left atrium of one view and heartbeat.

    Args:
        largest: at the end of ventricular systole.
        smallest: where its area is smallest.
        end_systole: frame of ``largest``.
    """

    largest: DiscStack
    smallest: DiscStack
    end_systole: int = 0


@dataclass(frozen=True, slots=True)
class AtrialVolumes:
    """Volumes of the left atrium in one heartbeat.

    Args:
        largest_ml: by discs.
        smallest_ml: by discs.
        largest_by_area_ml: by area and length.
    """

    largest_ml: float
    smallest_ml: float
    largest_by_area_ml: float

    @property
    def emptying_percent(self) -> float:
        """Emptying fraction: the share of the largest volume that leaves.

        >>> AtrialVolumes(largest_ml=50.0, smallest_ml=20.0, largest_by_area_ml=53.0).emptying_percent
        60.0
        """
        return 100.0 * (self.largest_ml - self.smallest_ml) / self.largest_ml


def atrial_stack(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> DiscStack:
    """Cut the left atrium of one frame into discs.

    Only what lies beyond the line between the ends of the mitral annulus counts. The long axis runs from the
    middle of that line through the centroid of the atrium to its roof.

    Args:
        labels: (y, x) values of ECHO_LABELS.
        spacing_mm: (between rows, between columns).

    Raises:
        HeartRefused: ``mitral_plane_not_found``; ``atrium_not_found``, nothing or next to nothing is labelled
            beyond the mitral plane.
    """
    ventricle = long_axis(labels, spacing_mm)
    pixels = np.argwhere(labels == ECHO_LABELS[Structure.LEFT_ATRIUM])
    points_mm = (pixels[:, None] + _PARTS).reshape(-1, 2) * np.asarray(spacing_mm)
    points_mm = points_mm[beyond_annulus_mm(ventricle, points_mm) > 0]
    if not len(points_mm):
        raise _no_atrium()
    to_centre_mm = points_mm.mean(axis=0) - ventricle.mitral_mm
    direction = to_centre_mm / np.linalg.norm(to_centre_mm)
    length_mm = float(((points_mm - ventricle.mitral_mm) @ direction).max())
    if length_mm < SHORTEST_SHARE * ventricle.length_mm:
        raise _no_atrium()
    axis = LongAxis(ventricle.mitral_mm + length_mm * direction, ventricle.annulus_mm.copy())
    return stack_along(axis, points_mm, spacing_mm[0] * spacing_mm[1] / len(_PARTS))


def _no_atrium() -> HeartRefused:
    return HeartRefused(
        "atrium_not_found",
        say("No left atrium was found beyond the mitral plane."),
        say("Show the left atrium as a whole."),
    )


def key_atria(
    segmentation: LoopSegmentation,
    beats: Iterable[KeyPhases],
    spacing_mm: tuple[float, float],
    curve: AreaCurve,
) -> tuple[KeyAtria, ...]:
    """The left atrium in every beat in which it can be measured and empties.

    It is taken as largest at the end of ventricular systole, and as smallest in the frame of its smallest
    area from end-diastole to the next one.

    Args:
        segmentation: of one loop.
        beats: to be measured.
        spacing_mm: (between rows, between columns).
        curve: of the area of the LV cavity.
    """
    area_px = ndimage.median_filter(segmentation.area_curve_px(Structure.LEFT_ATRIUM), 3, mode="nearest")
    found = []
    for beat in beats:
        span = span_of(curve, beat)
        end = beat.end_systole if span is None else span.end
        first, last = sorted((beat.end_diastole, end))
        smallest = first + int(area_px[first : last + 1].argmin())
        found.append(atria_of_frames(segmentation, beat.end_systole, smallest, spacing_mm))
    return tuple(atria for atria in found if atria is not None)


def atria_of_frames(
    segmentation: LoopSegmentation, end_systole: int, smallest: int, spacing_mm: tuple[float, float]
) -> KeyAtria | None:
    """The left atrium of a beat by two frames of it; None where one shows none, or it does not empty."""
    try:
        largest, least = (atrial_stack(segmentation.labels[t], spacing_mm) for t in (end_systole, smallest))
    except HeartRefused:
        return None
    atria = KeyAtria(largest, least, end_systole)
    return atria if monoplane_atrial_volumes(atria).emptying_percent > 0 else None


def biplane_atrial_volumes(four_chamber: KeyAtria, two_chamber: KeyAtria) -> AtrialVolumes:
    """Biplane method of discs, the height of a disc that of the longer axis over 20, phase by phase."""
    four, two = four_chamber.largest, two_chamber.largest
    shorter_mm = min(four.axis.length_mm, two.axis.length_mm)
    return AtrialVolumes(
        biplane_volume_ml(four, two, shared_disc_height_mm((four, two))),
        biplane_volume_ml(
            four_chamber.smallest,
            two_chamber.smallest,
            shared_disc_height_mm((four_chamber.smallest, two_chamber.smallest)),
        ),
        area_length_volume_ml(four.area_mm2, shorter_mm, two.area_mm2),
    )


def monoplane_atrial_volumes(atria: KeyAtria) -> AtrialVolumes:
    """Method of circular discs, phase by phase."""
    largest, smallest = atria.largest, atria.smallest
    return AtrialVolumes(
        monoplane_volume_ml(largest, shared_disc_height_mm((largest,))),
        monoplane_volume_ml(smallest, shared_disc_height_mm((smallest,))),
        area_length_volume_ml(largest.area_mm2, largest.axis.length_mm),
    )


def mean_atrial_volumes(four_chamber: Sequence[KeyAtria], two_chamber: Sequence[KeyAtria]) -> AtrialVolumes:
    """Mean over beats; each of one view with each of the other, or one view alone where the other has none.

    Raises:
        ValueError: there are no beats.
    """
    if four_chamber and two_chamber:
        beats = [biplane_atrial_volumes(four, two) for four, two in product(four_chamber, two_chamber)]
    else:
        beats = [monoplane_atrial_volumes(atria) for atria in (*four_chamber, *two_chamber)]
    if not beats:
        raise ValueError("no beats to average")
    values = [(beat.largest_ml, beat.smallest_ml, beat.largest_by_area_ml) for beat in beats]
    return AtrialVolumes(*np.mean(values, axis=0).tolist())


def measure_atrium(volumes: AtrialVolumes, *, calibrated: bool) -> tuple[Measurement, ...]:
    """The measurements of a study; without a size of the pixels there is an emptying fraction only."""
    fraction = Measurement("la_ef", volumes.emptying_percent, "%")
    if not calibrated:
        return (fraction,)
    return (
        Measurement("la_max", volumes.largest_ml, "mL"),
        Measurement("la_max_area_length", volumes.largest_by_area_ml, "mL"),
        Measurement("la_min", volumes.smallest_ml, "mL"),
        fraction,
    )
