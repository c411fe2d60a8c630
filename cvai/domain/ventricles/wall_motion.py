"""How the segments of the wall move until end-systole: grades from thickening and inward motion, and their
index.

A grade is a proposal: readers grade by eye, and no published study bounds thickening that was measured as it
is here. The bounds are those that the ASE/SCA guidelines give readers of ultrasound (Shanewise et al., Anesth
Analg 1999;89:870-884): normal above 30 % of thickening, mildly hypokinetic from 10 to 30 %, severely below
10 %, akinetic without any. What thickens by less than 10 % cannot be told from what does not, and counts as
akinetic here. The scores are those of Lang et al., J Am Soc Echocardiogr 2015;28:1-39, section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.domain.ventricles.rings import ANGLES_DEG, BeatRings, WallRing
from cvai.domain.ventricles.segments import WALL_SEGMENTS, WallSegment
from cvai.domain.ventricles.wall_thickness import segment_means, thickening_percent

NORMAL_FROM_PERCENT, MOVES_FROM_PERCENT = 30.0, 10.0
"""Thickening from which on a segment is normal, and from which on it thickens at all."""

OUTWARD_PERCENT = 10.0
"""Of its radius at end-diastole: an endocardium that moves outwards by more, without the wall thickening, is
dyskinetic; also the thinning of the wall that is."""

HALF_WIDTH_PERCENT = 27.2
"""Points of thickening that 90 % of the model's segments stay within of readers', in the validation patients
of ACDC (``python -m benchmarks.wall_motion``)."""

INDEX_HALF_WIDTH = 0.38
"""The same of the index."""

INDEX = "lv_wmsi"
SCORE_UNIT = "{score}"


class MotionGrade(IntEnum):
    """How a segment moves; the value is its score."""

    NORMAL = 1
    HYPOKINETIC = 2
    AKINETIC = 3
    DYSKINETIC = 4

    @property
    def display_name(self) -> str:
        """Readable name."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class SegmentMotion:
    """From end-diastole to another phase.

    Args:
        thickening_percent: of the wall.
        inward_percent: by how much the endocardium comes closer to the middle of the ventricle, as a share of
            its distance at end-diastole.
    """

    thickening_percent: float
    inward_percent: float

    @property
    def grade(self) -> MotionGrade:
        """The proposal for a segment that moves so until end-systole."""
        return grade_of(self.thickening_percent, self.inward_percent)


def motion_name(segment: WallSegment) -> str:
    """Name of a segment's score in result.json.

    >>> motion_name(WALL_SEGMENTS[0])
    'lv_wall_motion_basal_anterior'
    """
    return f"lv_wall_motion_{segment.key}"


MOTION_NAMES = tuple(map(motion_name, WALL_SEGMENTS))


def grade_of(thickening: float, inward: float) -> MotionGrade:
    """Grade of a segment from both in percent: by thickening, since neighbours pull a segment along.

    >>> grade_of(45.0, 30.0).display_name, grade_of(4.0, 12.0).display_name, grade_of(4.0, -15.0).display_name
    ('normal', 'akinetic', 'dyskinetic')
    """
    if thickening >= NORMAL_FROM_PERCENT:
        return MotionGrade.NORMAL
    if thickening >= MOVES_FROM_PERCENT:
        return MotionGrade.HYPOKINETIC
    moves_out = thickening <= -OUTWARD_PERCENT or inward <= -OUTWARD_PERCENT
    return MotionGrade.DYSKINETIC if moves_out else MotionGrade.AKINETIC


BeatMotion = tuple[Mapping[WallSegment, SegmentMotion], ...]
"""(t) motion since end-diastole of the segments that could be measured there and then."""


def segment_motion(segmentation: CineSegmentation, rings: BeatRings, end_diastole: int) -> BeatMotion:
    """Motion of the segments in every phase.

    Args:
        segmentation: labels of every phase.
        rings: of the segmentation.
        end_diastole: phase of reference.
    """
    labels, geometry = segmentation.labels, segmentation.geometry
    apex_first = apex_comes_first(labels[end_diastole])
    thickness_mm, radius_mm = (
        [
            segment_means(of_phase, rings[t], geometry, value, apex_first=apex_first)
            for t, of_phase in enumerate(labels)
        ]
        for value in (lambda ring: ring.thickness_mm, endocardium_from_middle_mm)
    )
    ed_mm, ed_radius_mm = thickness_mm[end_diastole], radius_mm[end_diastole]
    return tuple(
        {
            segment: SegmentMotion(
                thickening_percent(ed_mm[segment], mm),
                100.0 * (1.0 - at_radius_mm[segment] / ed_radius_mm[segment]),
            )
            for segment, mm in at_mm.items()
            if segment in ed_mm
        }
        for at_mm, at_radius_mm in zip(thickness_mm, radius_mm, strict=True)
    )


def endocardium_from_middle_mm(ring: WallRing) -> NDArray[np.float64]:
    """(ray,) from the middle of the whole ventricle, wall included, to the border of the cavity.

    The middle of the cavity goes towards a segment that stands still while the others close in; that of the
    whole ventricle hardly does.
    """
    angles = np.deg2rad(ANGLES_DEG)
    directions = np.exp(1j * angles)
    middle = (2.0 / 3.0) * (ring.outer_mm**3 * directions).sum() / (ring.outer_mm**2).sum()
    border = ring.inner_mm * directions - middle
    return np.asarray(np.interp(angles, np.angle(border), np.abs(border), period=2 * np.pi))


def measure_wall_motion(
    motion: BeatMotion, phases: KeyPhases, *, of_model: bool, chosen: Mapping[str, float]
) -> tuple[Measurement, ...]:
    """Score of every segment, and the index.

    Args:
        motion: of every phase.
        phases: end-diastole and end-systole; nothing is graded where they are the same.
        of_model: whether a model drew the labels: a proposal then has the range of scores that its thickening
            leaves open at 90 %.
        chosen: scores that a reader has given, by name; they take the place of the proposals.
    """
    if phases.end_diastole == phases.end_systole:
        return ()
    until_es = motion[phases.end_systole]
    proposed = {motion_name(segment): _proposal(segment, found) for segment, found in until_es.items()}
    if not of_model:
        proposed = {name: Measurement(name, score.value, SCORE_UNIT) for name, score in proposed.items()}
    given = {name: Measurement(name, score, SCORE_UNIT) for name, score in chosen.items()}
    scores = proposed | given
    in_order = tuple(scores[name] for name in MOTION_NAMES if name in scores)
    return (*in_order, *_index(in_order, has_interval=of_model and not given))


def _proposal(segment: WallSegment, motion: SegmentMotion) -> Measurement:
    best, worst = (
        grade_of(motion.thickening_percent + points, motion.inward_percent)
        for points in (HALF_WIDTH_PERCENT, -HALF_WIDTH_PERCENT)
    )
    interval = (float(best), float(worst))
    return Measurement(motion_name(segment), float(motion.grade), SCORE_UNIT, interval)


def _index(scores: tuple[Measurement, ...], *, has_interval: bool) -> tuple[Measurement, ...]:
    """Mean of the scores of all segments; none where one has no score."""
    if len(scores) < len(WALL_SEGMENTS):
        return ()
    index = float(np.mean([score.value for score in scores]))
    low, high = max(1.0, index - INDEX_HALF_WIDTH), min(4.0, index + INDEX_HALF_WIDTH)
    return (Measurement(INDEX, index, SCORE_UNIT, (low, high) if has_interval else None),)
