"""Whether the image of an apical loop shows the left ventricle, or hides part of it.

A network draws a whole ventricle where a shadow, a box or the edge of the image hides one, and often a
smaller one beside it; its contour alone does not show that. These checks look at the image, and at the
contour only to know where the ventricle is. docs/explanation/echo.md says what they find, and on whom.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.sector import SectorSides, sector_sides
from cvai.domain.echo.simpson import opened_outline
from cvai.domain.echo.strain import outward_normals
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import Message, say
from cvai.domain.phases import KeyPhases
from cvai.domain.strain import evenly_spread
from cvai.errors import HeartRefused

_UNSEEN_SHARE = 0.15
"""Of the border of the cavity along which no wall may be seen."""

_WALL_SHARE = 0.1
"""Of the long axis: how far outwards from the cavity its wall is looked for, about 9 mm."""

_BLACK_SHARE = 0.06
"""Of the brightness that 5 % of the sector exceed: a wall that is darker is not seen."""

_N_RAYS, _N_STEPS = 64, 12
_SMOOTHED_PX = 2.0

_SHADOW = 0.4
"""Brightness of a beam over that of brighter ones on both sides of it, at every depth."""

_N_BEAMS, _N_DEPTHS = 90, 100
_DEPTHS = ((0.15, 0.35), (0.35, 0.55), (0.55, 0.75), (0.75, 0.95))
"""Shares of the depth. A cavity is dark at some depths, a shadow at all below what casts it."""

_BESIDE_BEAMS = 4
"""By how many beams a shadow may miss the contour of the ventricle, which avoids it."""

_STILL = 3
"""Grey levels by which a pixel may change over the loop that stands still."""

_EDGE_SHARE, _SHORTEST_EDGE_PX = 0.07, 12
"""Of the sector's height: straight edges that are no chance. Blocks of lossy compression have 8 pixels."""

_SHARP = 0.7
"""Share of the pixels along an edge that stand still on one side only; compression ripples the others."""

_BESIDE_SHARE = 0.05
"""Of the sector's height: how near to the ventricle something covers it."""

_LOPSIDED = 0.15
"""Asymmetry of a sector that lacks a side."""

_LEAST_OPENING = 0.3
"""Columns a row: a sector that opens less, such as an enlarged part of one, shows no asymmetry."""

_WIDE_TOP = 0.15
"""Of the largest width: a sector begins narrow, where the probe is."""

_APEX_SHARE = 0.15
"""Of the height of the cavity, above it: room for the wall of the apex, and for a contour drawn too short."""

_LOOKED_AT = 16
"""About this many frames, spread over the loop."""


def hidden_findings(
    name: str, loop: EchoLoop, segmentation: LoopSegmentation, beat: KeyPhases
) -> tuple[Finding, ...]:
    """What hides the ventricle of one loop; ``name`` says in messages which view it is."""
    ventricle = _ventricle(segmentation, beat)
    sides = sector_sides(loop.sector)
    found = (
        _wall_unseen(name, loop, segmentation, beat),
        None if sides is None else _shadow(name, loop, sides, ventricle, beat),
        _covered(name, loop, ventricle, beat),
        _sector_incomplete(name, loop, sides, ventricle, beat),
    )
    return tuple(finding for finding in found if finding is not None)


def unseen_border_share(loop: EchoLoop, segmentation: LoopSegmentation, frames: Sequence[int]) -> float:
    """Largest share of the cavity's border, in any of these frames, beside which the image shows no wall.

    The image is black there, or the sector ends; the border is that without the mitral valve. 0 where no
    frame has a mitral plane.
    """
    bright = float(np.percentile(_some(loop)[:, loop.sector], 95))
    shares = [_unseen(loop, segmentation.labels[t], t, _BLACK_SHARE * bright) for t in frames]
    return max(shares, default=0.0)


def _unseen(loop: EchoLoop, labels: NDArray[np.uint8], frame: int, black: float) -> float:
    try:
        outline = opened_outline(labels, (1.0, 1.0))
    except HeartRefused:
        return 0.0
    border = evenly_spread(outline.border_mm, _N_RAYS)
    outward = outward_normals(border, outline.axis.mitral_mm)
    steps = np.linspace(0.0, _WALL_SHARE * outline.axis.length_mm, _N_STEPS)
    rays = np.moveaxis(border[:, None] + steps[None, :, None] * outward[:, None], 2, 0)  # (2, ray, step)
    image = ndimage.gaussian_filter(loop.frames[frame].astype(np.float32), _SMOOTHED_PX)
    brightness = ndimage.map_coordinates(image, rays, order=1).mean(axis=1)
    inside = ndimage.map_coordinates(loop.sector.astype(np.float32), rays, order=0).mean(axis=1)
    return float(np.mean((brightness < black) | (inside < 0.5)))


def _wall_unseen(
    name: str, loop: EchoLoop, segmentation: LoopSegmentation, beat: KeyPhases
) -> Finding | None:
    share = unseen_border_share(loop, segmentation, (beat.end_diastole, beat.end_systole))
    if share <= _UNSEEN_SHARE:
        return None
    message = say(
        "Along {percent:.0f} % of the left ventricle's border in the {name} view the image shows no wall: it "
        "is black there, or the sector ends. The contour is a guess there; measure a loop that shows the "
        "whole wall.",
        percent=100 * share,
        name=name,
    )
    return Finding("wall_not_seen", Severity.WARNING, message, (Place(beat.end_diastole),))


def _shadow(
    name: str, loop: EchoLoop, sides: SectorSides, ventricle: NDArray[np.bool_], beat: KeyPhases
) -> Finding | None:
    relative = beam_brightness(loop, sides)[_through(ventricle, sides)]
    if not relative.size or relative.min() >= _SHADOW:
        return None
    message = say(
        "A shadow falls through the left ventricle or close by in the {name} view: beams are "
        "{percent:.0f} % as bright as those on both sides of them. The contour may pass it by; measure a "
        "loop without the shadow.",
        name=name,
        percent=100 * float(relative.min()),
    )
    return Finding("ventricle_in_shadow", Severity.WARNING, message, (Place(beat.end_diastole),))


def beam_brightness(loop: EchoLoop, sides: SectorSides) -> NDArray[np.float64]:
    """(beams,) brightness over that of the brightest beams on either side, at the depth where it is largest.

    1 where no beam on one side is brighter at some depth, as at the edges of the sector.
    """
    y0, x0 = sides.meet_px
    rows = np.flatnonzero(loop.sector.any(axis=1))
    depth = np.linspace(max(rows[0] - y0, 0.0), rows[-1] - y0, _N_DEPTHS)[:, None]
    angles = _angles(sides)
    image = ndimage.gaussian_filter(_some(loop).mean(axis=0, dtype=np.float32), 1.5)
    beams = ndimage.map_coordinates(
        image, [y0 + depth * np.cos(angles), x0 + depth * np.sin(angles)], order=1
    )
    relative = []
    for first, last in _DEPTHS:
        # half a grey level, so that black beside black is no shadow
        band = beams[int(first * _N_DEPTHS) : int(last * _N_DEPTHS)].mean(axis=0) + 0.5
        band = ndimage.gaussian_filter1d(band, 1.0)
        left, right = np.maximum.accumulate(band), np.maximum.accumulate(band[::-1])[::-1]
        relative.append(band / np.minimum(left, right))
    return np.asarray(np.max(relative, axis=0), dtype=np.float64)


def _angles(sides: SectorSides) -> NDArray[np.float64]:
    """(beams,) from the upright, in radians, without the sides themselves."""
    return np.linspace(np.arctan(sides.left[0]), np.arctan(sides.right[0]), _N_BEAMS + 2)[1:-1]


def _through(ventricle: NDArray[np.bool_], sides: SectorSides) -> slice:
    """The beams that pass through the ventricle or close by."""
    y0, x0 = sides.meet_px
    y, x = np.nonzero(ventricle)
    seen = np.arctan2(x - x0, y - y0)
    first, last = np.searchsorted(_angles(sides), (seen.min(), seen.max()))
    return slice(max(_BESIDE_BEAMS, int(first) - _BESIDE_BEAMS), int(last) + _BESIDE_BEAMS)


def _covered(name: str, loop: EchoLoop, ventricle: NDArray[np.bool_], beat: KeyPhases) -> Finding | None:
    """Tissue has no upright and level edges; what was put over the image does."""
    height = int(np.count_nonzero(loop.sector.any(axis=1)))
    near = ndimage.binary_dilation(ventricle, iterations=max(1, round(_BESIDE_SHARE * height)))
    near &= convex_hull_image(loop.sector)  # the sector leaves out what stands still and is bright
    still = np.ptp(_some(loop), axis=0) <= _STILL
    length_px = max(_SHORTEST_EDGE_PX, round(_EDGE_SHARE * height))
    if min(_edge(still, near, length_px), _edge(still.T, near.T, length_px)) < _SHARP:
        return None
    message = say(
        "Something with straight edges that stands still, such as a box or a menu, lies on the left "
        "ventricle or close to it in the {name} view. The contour may follow it; measure a loop without it.",
        name=name,
    )
    return Finding("ventricle_covered", Severity.WARNING, message, (Place(beat.end_diastole),))


def _sector_incomplete(
    name: str, loop: EchoLoop, sides: SectorSides | None, ventricle: NDArray[np.bool_], beat: KeyPhases
) -> Finding | None:
    lack = _lack(loop.sector, sides, ventricle)
    if lack is None:
        return None
    message = say(
        "In the {name} view {lack}: part of the left ventricle may be missing, and its volumes wrong. "
        "Measure a loop with the whole sector.",
        name=name,
        lack=lack,
    )
    return Finding("sector_incomplete", Severity.WARNING, message, (Place(beat.end_diastole),))


def _lack(
    sector: NDArray[np.bool_], sides: SectorSides | None, ventricle: NDArray[np.bool_]
) -> Message | None:
    """What is missing of a sector where the ventricle may have been."""
    if sides is not None and sides.opening > _LEAST_OPENING and sides.asymmetry > _LOPSIDED:
        return say("one side of the sector is cut off or lies in shadow")
    rows = np.flatnonzero(sector.any(axis=1))
    widths = np.count_nonzero(sector[rows], axis=1)
    of_ventricle = np.flatnonzero(ventricle.any(axis=1))
    room = of_ventricle[0] - rows[0]
    if np.median(widths[:3]) > _WIDE_TOP * widths.max() and room < _APEX_SHARE * of_ventricle.size:
        return say("the top of the sector is cut off close to the apex")
    return None


def _ventricle(segmentation: LoopSegmentation, beat: KeyPhases) -> NDArray[np.bool_]:
    """(y, x) where the cavity is at end-diastole or end-systole."""
    labels = segmentation.labels[[beat.end_diastole, beat.end_systole]]
    return np.asarray(np.any(labels == ECHO_LABELS[Structure.LV_CAVITY], axis=0), dtype=np.bool_)


def _some(loop: EchoLoop) -> NDArray[np.uint8]:
    return loop.frames[:: max(1, loop.n_frames // _LOOKED_AT)]


def _edge(still: NDArray[np.bool_], near: NDArray[np.bool_], length_px: int) -> float:
    """Sharpest level edge within ``near``: by how much the share of still pixels changes from row to row.

    The share is that of ``length_px`` pixels beside each other, and the rows are two apart.
    """
    share = ndimage.uniform_filter1d(still.astype(np.float32), length_px, axis=1)
    change = np.abs(share[2:] - share[:-2])
    return float(change[near[2:] & near[:-2]].max(initial=0.0))
