"""The infarct as bullseyes, on the page and in the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cvai.dicom.write.report.bullseye import Bullseye
from cvai.domain.message import say
from cvai.domain.tissue.segments import CAP_SHARE, share_name, transmurality_name
from cvai.domain.ventricles.segments import WALL_SEGMENTS, WallSegment


def infarct_bullseyes(values: Mapping[str, float]) -> tuple[Bullseye, Bullseye]:
    """Share of each segment that is infarct, and its transmurality, from values of measurements by name."""
    return (
        Bullseye(say("Infarct (%)"), _by_segment(values, share_name), 0.0, 100.0, cap=values.get(CAP_SHARE)),
        Bullseye(say("Transmurality (%)"), _by_segment(values, transmurality_name), 0.0, 100.0),
    )


def _by_segment(
    values: Mapping[str, float], name_of: Callable[[WallSegment], str]
) -> dict[WallSegment, float]:
    return {s: values[name_of(s)] for s in WALL_SEGMENTS if name_of(s) in values}
