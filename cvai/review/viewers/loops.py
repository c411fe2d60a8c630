"""The loops of an analysed ultrasound study as files a browser takes as they are: frames, labels, discs.

What is written around a sector never leaves the server: frames are cut to it, and black outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.shown import ShownLoop
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import area_curve, beats_of
from cvai.domain.echo.loop_times import checked_times
from cvai.domain.echo.simpson import disc_chords_mm, disc_stack
from cvai.errors import HeartRefused
from cvai.files import write_whole
from cvai.review.viewers.packed import packed_labels, read_packed

PART_FRAMES = 8
"""Frames that are sent at once: the one looked at first need not wait for all others."""

SQUARE_PX = (1.0, 1.0)
ROOM_PX = 3
"""Around the heart, so that cutting a frame down to it changes nothing that is measured."""


@dataclass(frozen=True, slots=True)
class LoopPack:
    """The loops of a study, lying ready.

    Args:
        folder: holds the files.
        meta: what a page must know to show them, loop by loop; JSON values.
    """

    folder: Path
    meta: Mapping[str, Any]

    def frames(self, view: str, part: int) -> bytes | None:
        """Frames of one part, (t, y, x) bytes; None where there is no such view or part."""
        loop = self._loop(view)
        if loop is None or not 0 <= part * PART_FRAMES < loop["n_phases"]:
            return None
        size = loop["rows"] * loop["columns"] * PART_FRAMES
        with _frames_file(self.folder, view).open("rb") as file:
            file.seek(part * size)
            return file.read(size)

    def labels(self, view: str) -> Path | None:
        """File of the labels of one view, see ``packed_labels``; None where there is no such view."""
        return None if self._loop(view) is None else _labels_file(self.folder, view)

    def read_labels(self, view: str) -> NDArray[np.uint8] | None:
        """(t, y, x) on the frames as they are sent; None where there is no such view."""
        loop = self._loop(view)
        if loop is None:
            return None
        return read_packed(_labels_file(self.folder, view), (loop["n_phases"], loop["rows"], loop["columns"]))

    def _loop(self, view: str) -> Mapping[str, Any] | None:
        return next((loop for loop in self.meta["loops"] if loop["view"] == view), None)


def write_loops(folder: Path, loops: Iterable[ShownLoop]) -> dict[str, Any]:
    """Write frames and labels of every loop; returns what a page must know of them."""
    return {"loops": [_write_loop(folder, loop) for loop in loops]}


def _write_loop(folder: Path, opened: ShownLoop) -> dict[str, Any]:
    loop = opened.loop
    rows, columns = _box(loop.sector)
    frames, labels = loop.frames[:, rows, columns], opened.labels[:, rows, columns]
    write_whole(_frames_file(folder, opened.view.value), frames.tobytes())
    write_whole(_labels_file(folder, opened.view.value), packed_labels(labels))
    discs = [drawn_discs(frame, loop.spacing_mm or SQUARE_PX) for frame in labels]
    area_px = np.count_nonzero(labels == ECHO_LABELS[Structure.LV_CAVITY], axis=(1, 2)).astype(np.float64)
    stated = checked_times("", loop, area_curve(area_px)).loop
    return {
        "view": opened.view.value,
        "n_phases": loop.n_frames,
        "n_slices": 1,
        "rows": frames.shape[1],
        "columns": frames.shape[2],
        "part_frames": PART_FRAMES,
        "calibrated": loop.spacing_mm is not None,
        "spacing_y_mm": (loop.spacing_mm or SQUARE_PX)[0],
        "spacing_x_mm": (loop.spacing_mm or SQUARE_PX)[1],
        "times_ms": None if stated.times_ms is None else stated.times_ms.tolist(),
        "heart_rate_bpm": stated.heart_rate_bpm,
        "slope": 1.0,
        "intercept": 0.0,
        "window": [0.0, 255.0],
        "heart": None,
        "beats": _beats(area_px, discs),
        "discs": discs,
    }


def drawn_discs(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> dict[str, Any] | None:
    """Long axis and discs of one frame as lines of points (x, y) in pixels; None where there are none.

    Args:
        labels: (y, x) values of ``ECHO_LABELS``.
        spacing_mm: (between rows, between columns).
    """
    heart = labels > 0
    if not heart.any():
        return None
    rows, columns = _box(heart, ROOM_PX)
    near = labels[rows, columns]
    try:
        stack = disc_stack(near, spacing_mm)
    except HeartRefused:
        return None
    to_px, corner = np.asarray(spacing_mm), np.array([rows.start, columns.start])

    def points(points_mm: NDArray[np.float64]) -> list[list[float]]:
        """(n, 2) points (y, x) in mm of the cut as (x, y) in pixels of the frame."""
        return [[round(x, 1), round(y, 1)] for y, x in (points_mm / to_px + corner).tolist()]

    return {
        "axis": points(np.stack([stack.axis.apex_mm, stack.axis.mitral_mm])),
        "chords": [points(chord) for chord in disc_chords_mm(near, stack, spacing_mm)],
    }


def _beats(area_px: NDArray[np.float64], discs: list[dict[str, Any] | None]) -> list[dict[str, int]]:
    """The beats that were measured: those with discs at both ends."""
    return [
        {"ed": beat.end_diastole, "es": beat.end_systole}
        for beat in beats_of(area_px)
        if discs[beat.end_diastole] and discs[beat.end_systole]
    ]


def _box(mask: NDArray[np.bool_], room_px: int = 0) -> tuple[slice, slice]:
    """Rows and columns from the first to the last that are occupied, with room around them."""
    slices = []
    for axis, size in enumerate(mask.shape):
        places = np.flatnonzero(mask.any(axis=1 - axis))
        slices.append(slice(max(0, int(places[0]) - room_px), min(size, int(places[-1]) + 1 + room_px)))
    return slices[0], slices[1]


def _frames_file(folder: Path, view: str) -> Path:
    return folder / f"{view}.u8"


def _labels_file(folder: Path, view: str) -> Path:
    return folder / f"{view}.runs"
