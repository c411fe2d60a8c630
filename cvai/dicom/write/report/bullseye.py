"""The wall as a bullseye: base outside, apex in the middle, seen from the apex (Cerqueira et al., 2002)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.write.report.page import BLACK, GREY, WHITE, Box, Colour, Page, Stroke
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment
from cvai.domain.ventricles.thickening import time_name
from cvai.domain.ventricles.wall_motion import MotionGrade, motion_name
from cvai.domain.ventricles.wall_thickness import measurement_name, thickening_percent

RADII: Mapping[Level, tuple[float, float]] = {
    Level.BASAL: (0.75, 1.0),
    Level.MID: (0.5, 0.75),
    Level.APICAL: (0.22, 0.5),
}
"""Inner and outer radius of every ring, as a share of the whole."""

SEPTUM_DEG = 180.0
"""Direction of the septum on the page, as on a short-axis image in its usual display."""

SCALE_COLOURS: tuple[Colour, ...] = ((247, 251, 255), (158, 202, 225), (66, 146, 198), (8, 69, 148))
"""ColorBrewer's Blues: lightness alone tells the order, on screen, in grey and for any colour vision."""

NOT_MEASURED: Colour = (238, 238, 238)
DARK_FROM = 0.6
"""Share of the scale from which on letters are white."""


class Measured(Protocol):
    """What holds measurements of the wall: an analysis, or what a reader's page knows of one."""

    def measurement(self, name: str) -> Measurement | None:
        """The measurement called ``name``, None where it was not made."""
        ...


@dataclass(frozen=True, slots=True)
class Bullseye:
    """What one bullseye shows.

    A segment without a value was not measured; ``low`` has the lightest colour, ``high`` the darkest. On a
    page the values may follow ``curves`` over the heartbeat, by their names in result.json. ``cap`` is the
    value of segment 17.
    """

    title: str
    values: Mapping[WallSegment, float]
    low: float
    high: float
    curves: Mapping[WallSegment, str] = field(default_factory=dict)
    cap: float | None = None

    def share(self, value: float) -> float:
        """Where a value lies on the scale, from 0 to 1."""
        return float(np.clip((value - self.low) / (self.high - self.low), 0.0, 1.0))


def thickness_bullseye(measured: Measured) -> Bullseye:
    """Thickness at end-diastole; the scale runs from a thin wall to one that is called hypertrophied."""
    return Bullseye(say("Wall at ED (mm)"), _thickness_mm(measured, "ed"), 4.0, 16.0)


def thickening_bullseye(measured: Measured) -> Bullseye:
    """By how much the wall grows thicker until end-systole."""
    ed_mm, es_mm = _thickness_mm(measured, "ed"), _thickness_mm(measured, "es")
    values = {s: thickening_percent(ed_mm[s], es_mm[s]) for s in WALL_SEGMENTS if s in ed_mm and s in es_mm}
    return Bullseye(say("Thickening to ES (%)"), values, 0.0, 120.0)


def timing_bullseye(measured: Measured) -> Bullseye:
    """When each segment is thickest, from end-diastole; the scale is that of a beat of usual length."""
    return Bullseye(say("Thickest after ED (ms)"), _values(measured, time_name), 200.0, 600.0)


def motion_bullseye(measured: Measured) -> Bullseye:
    """Score of every segment's motion."""
    values = _values(measured, motion_name)
    return Bullseye(say("Wall motion score"), values, min(MotionGrade), max(MotionGrade))


def _thickness_mm(measured: Measured, phase: str) -> dict[WallSegment, float]:
    return _values(measured, lambda segment: measurement_name(segment, phase))


def _values(measured: Measured, name: Callable[[WallSegment], str]) -> dict[WallSegment, float]:
    found = {segment: measured.measurement(name(segment)) for segment in WALL_SEGMENTS}
    return {segment: m.value for segment, m in found.items() if m is not None}


def draw_bullseye(page: Page, box: Box, bullseye: Bullseye) -> None:
    """Draw a bullseye as large as ``box`` allows, with its walls named around it."""
    radius = min(box.width, box.height) / 2 - 3.2
    centre = (box.left + box.width / 2, box.top + box.height / 2)
    for segment in WALL_SEGMENTS:
        _draw_segment(page, centre, radius, segment, bullseye)
    _draw_value(
        page, _arc(centre, radius * RADII[Level.APICAL][0], 0.0, 360.0), centre, bullseye, bullseye.cap
    )
    _draw_directions(page, centre, radius)


def _draw_segment(
    page: Page, centre: tuple[float, float], radius: float, segment: WallSegment, bullseye: Bullseye
) -> None:
    outline, middle = segment_outline(centre, radius, segment), segment_middle(centre, radius, segment)
    _draw_value(page, outline, middle, bullseye, bullseye.values.get(segment))


def _draw_value(
    page: Page,
    outline: list[tuple[float, float]],
    middle: tuple[float, float],
    bullseye: Bullseye,
    value: float | None,
) -> None:
    """An area in the colour of its value, with the number on it; a dash where it was not measured."""
    colour = NOT_MEASURED if value is None else scale_colour(bullseye.share(value))
    page.polygon(outline, colour, Stroke(WHITE, 0.8))
    x, y = middle
    if value is None:
        page.text(x, y + 0.8, "–", 6.5, colour=GREY, align="centre")
    else:
        letters = WHITE if bullseye.share(value) > DARK_FROM else BLACK
        page.text(x, y + 0.85, f"{value:.0f}", 6.8, colour=letters, align="centre")


def scale_colour(share: float) -> Colour:
    """Colour of a place on the scale, 0 the lightest, 1 the darkest.

    >>> scale_colour(0.0), scale_colour(1.0)
    ((247, 251, 255), (8, 69, 148))
    """
    places = np.linspace(0.0, 1.0, len(SCALE_COLOURS))
    red, green, blue = (
        round(float(np.interp(share, places, channel))) for channel in zip(*SCALE_COLOURS, strict=True)
    )
    return red, green, blue


def segment_outline(
    centre: tuple[float, float], radius: float, segment: WallSegment, n_points: int = 48
) -> list[tuple[float, float]]:
    """Points around a segment, y downwards: along its outer arc, and back along its inner one."""
    inner, outer = (share * radius for share in RADII[segment.level])
    middle_deg = SEPTUM_DEG + segment.centre_deg
    first_deg, last_deg = middle_deg - segment.width_deg / 2, middle_deg + segment.width_deg / 2
    return [
        *_arc(centre, outer, first_deg, last_deg, n_points),
        *_arc(centre, inner, last_deg, first_deg, n_points),
    ]


def segment_middle(centre: tuple[float, float], radius: float, segment: WallSegment) -> tuple[float, float]:
    """Where the number of a segment stands."""
    inner, outer = RADII[segment.level]
    middle_deg = SEPTUM_DEG + segment.centre_deg
    ((x, y),) = _arc(centre, radius * (inner + outer) / 2, middle_deg, middle_deg, n_points=1)
    return x, y


def _arc(
    centre: tuple[float, float], radius: float, first_deg: float, last_deg: float, n_points: int = 48
) -> list[tuple[float, float]]:
    """Points on a circle, counter-clockwise on the page where ``last_deg`` is the larger."""
    angles: NDArray[np.float64] = np.deg2rad(np.linspace(first_deg, last_deg, n_points))
    return [(centre[0] + radius * float(np.cos(a)), centre[1] - radius * float(np.sin(a))) for a in angles]


def _draw_directions(page: Page, centre: tuple[float, float], radius: float) -> None:
    x, y = centre
    page.text(x, y - radius - 1.0, say("anterior"), 5.8, colour=GREY, align="centre")
    page.text(x, y + radius + 2.8, say("inferior"), 5.8, colour=GREY, align="centre")
    page.upright_text(x - radius - 1.0, y, say("septal"), 5.8, GREY)
    page.upright_text(x + radius + 2.8, y, say("lateral"), 5.8, GREY)
