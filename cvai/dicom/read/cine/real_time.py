"""Real-time cines run over several heartbeats: whole beats are taken, and their length is looked up in the
images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.cine.conditions import may_be_several_beats, rr_interval_ms
from cvai.dicom.read.cine.image_groups import MIN_PHASES
from cvai.dicom.read.pixels.decode import intensities
from cvai.dicom.read.values import Images
from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.message import say
from cvai.errors import GeometryRefused

_SHORTEST_BEAT_MS = 300.0
"""An R-R interval at 200 beats a minute."""

_ALIKE = 0.5
"""Difference of images that lie a heartbeat apart, as a share of the usual difference of two images of the
slice."""

_HINT = say("Send a cine that is gated by the ECG.")


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """One heartbeat of every slice.

    Args:
        slices: (z)(t) images.
        intervals_ms: (z) R-R interval of each, as stated or as seen in the images; None where neither is
            known.
        findings: what was left out.
    """

    slices: tuple[Images, ...]
    intervals_ms: tuple[float | None, ...]
    findings: tuple[Finding, ...]


def one_beat_each(slices: Sequence[Images], names: Sequence[str]) -> Beats:
    """The first heartbeat of slices that run over several; others as they are.

    Args:
        slices: (z)(t) images in order of time.
        names: (z) what slices are called in messages.

    Raises:
        GeometryRefused: ``several_heartbeats``: they cannot be separated.
        FileRefused: as ``intensities``.
    """
    beats = [_first_beat(images, name) for images, name in zip(slices, names, strict=True)]
    cut = [
        z for z, ((beat, _), images) in enumerate(zip(beats, slices, strict=True)) if len(beat) < len(images)
    ]
    findings = (_several(cut, len(slices)),) if cut else ()
    return Beats(tuple(beat for beat, _ in beats), tuple(rr_ms for _, rr_ms in beats), findings)


def _first_beat(images: Images, name: str) -> tuple[Images, float | None]:
    if not may_be_several_beats(images):
        return images, rr_interval_ms(images)
    times_ms = np.array([p.trigger_time_ms for p in images])
    step_ms = float(np.median(np.diff(times_ms)))
    n_images = beat_length(
        intensities(images), fewest=max(MIN_PHASES, int(np.ceil(_SHORTEST_BEAT_MS / step_ms)))
    )
    if n_images is None:
        raise GeometryRefused(
            "several_heartbeats",
            say(
                "{name} has images over {length_ms:.0f} ms, and where heartbeats begin cannot be seen in "
                "them.",
                name=name,
                length_ms=np.ptp(times_ms),
            ),
            _HINT,
        )
    return images[:n_images], n_images * step_ms


def beat_length(pixels: NDArray[np.float32], fewest: int) -> int | None:
    """After how many images the heart looks the same again; None where it does not, or just begins to.

    Args:
        pixels: (t, y, x) images of one slice at even steps.
        fewest: images that a beat has at least.
    """
    flat = pixels.reshape(len(pixels), -1)
    lags = np.arange(1, len(flat) - fewest // 2)
    apart = np.array([float(np.abs(flat[lag:] - flat[:-lag]).mean()) for lag in lags])
    usual = float(np.median(apart))
    for i in range(fewest - 1, lags.size):
        is_lowest = apart[i] <= apart[max(i - 2, 0) : i + 3].min()
        if is_lowest and apart[i] <= _ALIKE * usual:
            return int(lags[i])
    return None


def _several(cut: Sequence[int], n_slices: int) -> Finding:
    message = say(
        "{count} of {n_slices} slices run over several heartbeats (real time); the first whole one "
        "of each was measured, and beats of different slices may differ.",
        count=len(cut),
        n_slices=n_slices,
    )
    return Finding("one_of_several_heartbeats", Severity.WARNING, message, whole_slices(cut))
