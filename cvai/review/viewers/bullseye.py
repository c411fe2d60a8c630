"""The wall of the left ventricle as the study page shows it: bullseyes and the table behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cvai.analyses.shown import Wall
from cvai.dicom.write.report.bullseye import (
    DARK_FROM,
    NOT_MEASURED,
    RADII,
    Bullseye,
    scale_colour,
    segment_middle,
    segment_outline,
)
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment

RADIUS = 100.0
"""Of a bullseye, in units of its drawing."""

CENTRE = (0.0, 0.0)
CAP = "17 apical cap"


@dataclass(frozen=True, slots=True)
class DrawnSegment:
    """One segment of a bullseye.

    Args:
        name: such as ``1 basal anterior``.
        path: its outline as an SVG path.
        x: where its number stands.
        y: and how far down.
        text: its number, a dash where it was not measured.
        colour: of its area.
        on_dark: whether the number stands on a dark colour.
        curve: name of the curve that it follows; empty where it stands still.
    """

    name: str
    path: str
    x: float
    y: float
    text: str
    colour: str
    on_dark: bool
    curve: str = ""


@dataclass(frozen=True, slots=True)
class DrawnBullseye:
    """A bullseye around (0, 0), ``RADIUS`` large, and its scale: colours from ``low`` to ``high``.

    One that ``plays`` follows the curves of its segments.
    """

    title: str
    segments: tuple[DrawnSegment, ...]
    cap: DrawnSegment
    low: float
    high: float
    plays: bool = False
    dark_from: float = DARK_FROM

    @property
    def scale(self) -> tuple[str, ...]:
        """Ten colours from ``low`` to ``high``."""
        return tuple(_hex(scale_colour(step / 9)) for step in range(10))


@dataclass(frozen=True, slots=True)
class DrawnWall:
    """A wall, and its bullseyes as they are drawn."""

    wall: Wall
    bullseyes: tuple[DrawnBullseye, ...]
    playing: tuple[DrawnBullseye, ...]


def drawn_wall(wall: Wall) -> DrawnWall:
    """The wall with its bullseyes drawn."""
    return DrawnWall(wall, tuple(map(_drawn, wall.bullseyes)), tuple(map(_drawn, wall.playing)))


def _name(segment: WallSegment) -> str:
    return f"{segment.number} {segment.display_name}"


def _drawn(bullseye: Bullseye) -> DrawnBullseye:
    segments = tuple(_drawn_segment(segment, bullseye) for segment in WALL_SEGMENTS)
    cap = _drawn_value(CAP, _cap_path(), bullseye, bullseye.cap)
    return DrawnBullseye(bullseye.title, segments, cap, bullseye.low, bullseye.high, bool(bullseye.curves))


def _drawn_segment(segment: WallSegment, bullseye: Bullseye) -> DrawnSegment:
    drawn = _drawn_value(_name(segment), segment_path(segment), bullseye, bullseye.values.get(segment))
    x, y = segment_middle(CENTRE, RADIUS, segment)
    return replace(drawn, x=round(x, 1), y=round(y, 1), curve=bullseye.curves.get(segment, ""))


def _drawn_value(name: str, path: str, bullseye: Bullseye, value: float | None) -> DrawnSegment:
    """An area with its number, in the middle of the bullseye."""
    return DrawnSegment(
        name=name,
        path=path,
        x=0.0,
        y=0.0,
        text="–" if value is None else str(round(value)),
        colour=_hex(NOT_MEASURED if value is None else scale_colour(bullseye.share(value))),
        on_dark=value is not None and bullseye.share(value) > DARK_FROM,
    )


def _cap_path() -> str:
    """A circle as an SVG path, inside the apical ring."""
    radius = RADII[Level.APICAL][0] * RADIUS
    half = f"A{radius:g} {radius:g} 0 0 0"
    return f"M{-radius:g} 0{half} {radius:g} 0{half} {-radius:g} 0Z"


def segment_path(segment: WallSegment) -> str:
    """Outline of a segment as an SVG path; no segment spans half a circle, so the short arc is meant."""
    corners = [f"{x:.2f} {y:.2f}" for x, y in segment_outline(CENTRE, RADIUS, segment, n_points=2)]
    inner, outer = (share * RADIUS for share in RADII[segment.level])
    forth, back = f"A{outer:g} {outer:g} 0 0 0", f"A{inner:g} {inner:g} 0 0 1"
    return f"M{corners[0]}{forth} {corners[1]}L{corners[2]}{back} {corners[3]}Z"


def _hex(colour: tuple[int, int, int]) -> str:
    """
    >>> _hex((8, 69, 148))
    '#084594'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)
