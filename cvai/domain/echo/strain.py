"""Longitudinal strain of the left ventricle: how its borders shorten in an apical view over a heartbeat.

A border is the open line from one end of the mitral annulus along the wall, over the apex, to the other end.
Strain is Lagrangian and of the whole line: its length over that at end-diastole, minus one (Voigt et al.,
J Am Soc Echocardiogr 2015;28:183, task force of EACVI, ASE and industry). Nothing is tracked: every frame has
its own contour, so that errors do not add up over the beat, and no segment has a strain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import AreaCurve, BeatSpan, span_of
from cvai.domain.echo.simpson import LongAxis, beyond_annulus_mm, no_mitral_plane, opened_outline
from cvai.domain.echo.views import EchoView
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.strain import evenly_spread, open_length_mm, strain_percent
from cvai.errors import HeartRefused

WAVES = 8
"""Half-waves that are kept of a border: the finest is a quarter of its length from crest to crest."""

_N_POINTS = 128
_FEWEST_POINTS = 16
"""Of a line through the middle of the wall; a line with fewer lies beyond the mitral plane."""

_SMOOTHED_POINTS = 4.0
"""Standard deviation of the smoothing of directions and thickness along a border: 3 % of it, about 5 mm."""

_THICKEST_SHARE = 0.15
"""Of the border's length: how far outwards the end of the wall is looked for, about 25 mm."""

_RAY_STEPS = 60
_CLEAR = 1.0
"""A ray whose end lies nearer to the mitral plane than this share of the wall may end at the wall's base."""

_WALL = ECHO_LABELS[Structure.LV_MYOCARDIUM]

_SMOOTHED_BEAT_SHARE = 0.02
"""Of a beat: standard deviation of the smoothing over time, 16 of 800 ms."""

_MISSING_SHARE = 0.2
"""Of a beat's frames that may have no mitral plane; they take no part."""

LARGEST_REST = 5.0
"""Points by which a border may miss its first length at the end of the beat."""

_REST_SHARE = 0.1
"""Of a beat, before and after the next end-diastole: the median of these frames is compared. With the valve
open, single frames have a mitral plane that is too wide."""

FEWEST_FRAMES = 15
"""Of a beat, from end-diastole to end-diastole; see docs/explanation/echo.md for what fewer cost."""


_N_VIEWS = 2


class Layer(StrEnum):
    """Which line through the wall; the value is its key in names of measurements."""

    ENDOCARDIUM = "endo"
    MID_WALL = "mid"


def border_lines_mm(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float]
) -> dict[Layer, NDArray[np.float64]]:
    """(n, 2) points (y, x) of every layer in one frame, in mm from the first pixel's centre, not yet smooth.

    The mid-wall lies half a wall outwards from the endocardium, and ends where the mitral plane does. Where
    the wall cannot be followed outwards, as at its ends, the thickness beside it is taken.

    Args:
        labels: (y, x) values of ECHO_LABELS.
        spacing_mm: (between rows, between columns).

    Raises:
        HeartRefused: ``mitral_plane_not_found``.
    """
    outline = opened_outline(labels, spacing_mm)
    border_mm, axis = evenly_spread(outline.border_mm, _N_POINTS), outline.axis
    outward = outward_normals(border_mm, axis.mitral_mm)
    half_mm = _wall_thickness_mm(labels, spacing_mm, border_mm, outward, axis) / 2
    mid_mm = border_mm + half_mm[:, None] * outward
    mid_mm = mid_mm[beyond_annulus_mm(axis, mid_mm) <= 0]
    if len(mid_mm) < _FEWEST_POINTS:
        raise no_mitral_plane()
    return {Layer.ENDOCARDIUM: border_mm, Layer.MID_WALL: mid_mm}


def border_lengths_mm(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float]
) -> dict[Layer, NDArray[np.float64]]:
    """(t,) length of every layer in every frame; not a number where a frame has no mitral plane.

    Args:
        labels: (t, y, x) values of ECHO_LABELS.
        spacing_mm: (between rows, between columns).
    """
    lengths: dict[Layer, list[float]] = {layer: [] for layer in Layer}
    for frame in _cut_to_heart(labels):
        try:
            lines = border_lines_mm(frame, spacing_mm)
        except HeartRefused:
            lines = {}
        for layer, found in lengths.items():
            found.append(open_length_mm(lines[layer], WAVES) if layer in lines else float("nan"))
    return {layer: np.array(found) for layer, found in lengths.items()}


@dataclass(frozen=True, slots=True, eq=False)
class BeatStrain:
    """Strain of one layer over one heartbeat.

    Args:
        start: frame of end-diastole.
        end_systole: frame of end-systole.
        curve_percent: (n,) strain from end-diastole to the next one; negative where the border is shorter.
        rest_percent: strain around the next end-diastole: 0 where the beat closes.
    """

    start: int
    end_systole: int
    curve_percent: NDArray[np.float64]
    rest_percent: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.end_systole - self.start < len(self.curve_percent):
            raise ValueError(f"end-systole {self.end_systole} lies outside the beat from {self.start}")
        self.curve_percent.setflags(write=False)

    @property
    def peak_frame(self) -> int:
        """Frame at which the border is shortest."""
        return self.start + int(self.curve_percent.argmin())

    @property
    def peak_percent(self) -> float:
        """Strain where the border is shortest."""
        return float(self.curve_percent.min())

    @property
    def end_systolic_percent(self) -> float:
        """Strain at end-systole."""
        return float(self.curve_percent[self.end_systole - self.start])


def beat_strain(lengths_mm: NDArray[np.float64], span: BeatSpan) -> BeatStrain | None:
    """Strain over one beat; None where too many of its frames have no mitral plane.

    Single frames are taken out by a median of three, and what is left is smoothed over time.

    Args:
        lengths_mm: (t,) of one layer in every frame of the loop, not a number where unknown.
        span: the beat.
    """
    of_beat = lengths_mm[span.start : span.end + 1]
    missing = np.isnan(of_beat)
    if missing.mean() > _MISSING_SHARE or missing[0] or missing[-1]:
        return None
    smooth = ndimage.gaussian_filter1d(
        _bridged(lengths_mm), _SMOOTHED_BEAT_SHARE * span.n_frames, mode="nearest"
    )
    strain = strain_percent(smooth[span.start :], end_diastole=0)
    around_end = max(1, round(_REST_SHARE * span.n_frames))
    rest = np.median(strain[span.n_frames - around_end : span.n_frames + around_end + 1])
    return BeatStrain(span.start, span.end_systole, strain[: span.n_frames + 1], float(rest))


@dataclass(frozen=True, slots=True, eq=False)
class LoopStrain:
    """Strain of one loop.

    Args:
        curves_percent: by layer, (t,) strain since the first end-diastole in every frame.
        beats: by layer, the beats that were measured, in order of time.
        withheld: why there is none, as a sentence's end about the loop; None where it was measured.
    """

    curves_percent: Mapping[Layer, NDArray[np.float64]] = field(default_factory=dict)
    beats: Mapping[Layer, tuple[BeatStrain, ...]] = field(default_factory=dict)
    withheld: str | None = None

    def peak_percent(self, layer: Layer) -> float:
        """Mean of the beats' peaks."""
        return float(np.mean([beat.peak_percent for beat in self.beats[layer]]))

    def end_systolic_percent(self, layer: Layer) -> float:
        """Mean of the beats' strains at end-systole."""
        return float(np.mean([beat.end_systolic_percent for beat in self.beats[layer]]))

    def time_to_peak_ms(self, layer: Layer, times_ms: NDArray[np.float64]) -> float:
        """Mean time from end-diastole to the peak.

        Args:
            layer: of the wall.
            times_ms: (t,) of every frame of the loop.
        """
        beats = self.beats[layer]
        return float(np.mean([times_ms[beat.peak_frame] - times_ms[beat.start] for beat in beats]))


NOT_MEASURED = LoopStrain(withheld=say("was not asked for its strain"))


def loop_strain(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    curve: AreaCurve,
    beats: Iterable[KeyPhases],
) -> LoopStrain:
    """Strain of every layer and every beat that closes.

    Args:
        labels: (t, y, x) values of ECHO_LABELS.
        spacing_mm: (between rows, between columns); a ratio, so that any unit will do.
        curve: of the area of the LV cavity.
        beats: to be measured.
    """
    spans = [span for beat in beats if (span := span_of(curve, beat)) is not None]
    if not spans:
        return LoopStrain(withheld=say("shows no heartbeat from end-diastole to end-diastole"))
    most = max(span.n_frames for span in spans)
    if most < FEWEST_FRAMES:
        return LoopStrain(
            withheld=say(
                "has {most} frames a heartbeat, fewer than {fewest}", most=most, fewest=FEWEST_FRAMES
            )
        )
    lengths_mm = border_lengths_mm(labels, spacing_mm)
    measured = [_every_layer(lengths_mm, span) for span in spans]
    whole = [of_beat for of_beat in measured if len(of_beat) == len(Layer)]
    if not whole:
        return LoopStrain(withheld=say("lacks the mitral plane in too many frames"))
    closed = [of_beat for of_beat in whole if _rest_percent(of_beat) <= LARGEST_REST]
    if not closed:
        rest = min(map(_rest_percent, whole))
        return LoopStrain(
            withheld=say(
                "does not cycle: after a heartbeat its borders differ by {rest_percent:.0f} %",
                rest_percent=rest,
            )
        )
    start = next(iter(closed[0].values())).start
    return LoopStrain(
        {layer: strain_percent(_bridged(of), start) for layer, of in lengths_mm.items()},
        {layer: tuple(of_beat[layer] for of_beat in closed) for layer in Layer},
    )


def measure_strain(
    loops: Mapping[EchoView, LoopStrain], times_ms: Mapping[EchoView, NDArray[np.float64] | None]
) -> tuple[Measurement, ...]:
    """Peak strain by layer, of every view and their mean; time to the peak of the endocardium.

    Args:
        loops: by view; those that are withheld give nothing, and then there is no mean.
        times_ms: (t,) of every frame of the same loops, None where unknown.
    """
    measured = {view: strain for view, strain in loops.items() if strain.withheld is None}
    found = []
    for layer in Layer:
        peaks = {view: strain.peak_percent(layer) for view, strain in measured.items()}
        if len(peaks) == _N_VIEWS:
            found.append(Measurement(f"lv_gls_{layer}", float(np.mean(list(peaks.values()))), "%"))
        found += [Measurement(f"lv_gls_{layer}_{view}", peak, "%") for view, peak in peaks.items()]
    for view, strain in measured.items():
        if (times := times_ms[view]) is not None:
            time_ms = strain.time_to_peak_ms(Layer.ENDOCARDIUM, times)
            found.append(Measurement(f"lv_gls_time_{view}", time_ms, "ms"))
    return tuple(found)


def _every_layer(lengths_mm: Mapping[Layer, NDArray[np.float64]], span: BeatSpan) -> dict[Layer, BeatStrain]:
    found = {layer: beat_strain(of, span) for layer, of in lengths_mm.items()}
    return {layer: strain for layer, strain in found.items() if strain is not None}


def _rest_percent(of_beat: Mapping[Layer, BeatStrain]) -> float:
    return max(abs(strain.rest_percent) for strain in of_beat.values())


def _bridged(lengths_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without frames that have no mitral plane, or that are alone with their length."""
    known = np.flatnonzero(~np.isnan(lengths_mm))
    every = np.interp(np.arange(len(lengths_mm)), known, lengths_mm[known])
    return np.asarray(ndimage.median_filter(every, 3, mode="nearest"), dtype=np.float64)


def outward_normals(border_mm: NDArray[np.float64], mitral_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) unit vectors across a border, away from the cavity."""
    along = np.gradient(
        ndimage.gaussian_filter1d(_past_the_ends(border_mm), _SMOOTHED_POINTS, axis=0), axis=0
    )
    along = along[len(border_mm) - 1 : 2 * len(border_mm) - 1]
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    is_outward = float(((border_mm - mitral_mm) * across).sum()) > 0
    return np.asarray(across if is_outward else -across, dtype=np.float64)


def _past_the_ends(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line with its reflection through each end point, so that smoothing does not bend its ends."""
    return np.concatenate([2 * line[0] - line[:0:-1], line, 2 * line[-1] - line[-2::-1]])


def _wall_thickness_mm(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    border_mm: NDArray[np.float64],
    outward: NDArray[np.float64],
    axis: LongAxis,
) -> NDArray[np.float64]:
    """(n,) thickness of the wall outwards from each point, smooth along the border."""
    reach_mm = np.linspace(0.0, _THICKEST_SHARE * open_length_mm(border_mm, WAVES), _RAY_STEPS)
    rays_mm = border_mm[:, None] + reach_mm[None, :, None] * outward[:, None]
    y, x = np.moveaxis(np.rint(rays_mm / np.asarray(spacing_mm)).astype(int), 2, 0)
    within = (y >= 0) & (y < labels.shape[0]) & (x >= 0) & (x < labels.shape[1])
    is_wall = within & (labels[np.where(within, y, 0), np.where(within, x, 0)] == _WALL)
    thickness_mm = is_wall.sum(axis=1) * reach_mm[1]
    ends_mm = border_mm + thickness_mm[:, None] * outward
    known = np.flatnonzero((thickness_mm > 0) & (beyond_annulus_mm(axis, ends_mm) < -_CLEAR * thickness_mm))
    if not known.size:
        return np.zeros(len(border_mm))
    steady = ndimage.median_filter(np.interp(np.arange(len(border_mm)), known, thickness_mm[known]), 15)
    return np.asarray(
        ndimage.gaussian_filter1d(steady, 2 * _SMOOTHED_POINTS, mode="nearest"), dtype=np.float64
    )


def _cut_to_heart(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(t, y, x) without the rows and columns that are empty in every frame, but for a margin."""
    is_heart = np.any(labels > 0, axis=0)
    if not is_heart.any():
        return labels
    rows, columns = (np.flatnonzero(np.any(is_heart, axis=axis)) for axis in (1, 0))
    return labels[:, max(0, rows[0] - 3) : rows[-1] + 4, max(0, columns[0] - 3) : columns[-1] + 4]
