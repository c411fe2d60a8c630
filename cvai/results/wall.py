"""The thickness of the wall in the structured report: one measurement group for every segment (TID 1501)."""

from __future__ import annotations

from highdicom import sr

from cvai.heart.segments import WALL_SEGMENTS, WallSegment
from cvai.heart.wall import measurement_name
from cvai.results import codes
from cvai.results.instance import ResultContext
from cvai.results.number import number_items


def wall_groups(
    context: ResultContext, algorithm: sr.AlgorithmIdentification
) -> list[sr.MeasurementsAndQualitativeEvaluations]:
    """Groups of the segments that were measured, in the order of their numbers."""
    groups = (_group(context, segment, algorithm) for segment in WALL_SEGMENTS)
    return [group for group in groups if group is not None]


def _group(
    context: ResultContext, segment: WallSegment, algorithm: sr.AlgorithmIdentification
) -> sr.MeasurementsAndQualitativeEvaluations | None:
    names = [measurement_name(segment, key) for key in codes.WALL_PHASES]
    numbers = number_items(context.analysis, names)
    if not numbers:
        return None
    title = f"Wall segment {segment.number}, {segment.display_name}"
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=context.uids.tracking(title), identifier=title),
        finding_sites=[sr.FindingSite(anatomic_location=codes.WALL_SEGMENT_CODES[segment.number])],
        algorithm_id=algorithm,
        measurements=numbers,
    )
