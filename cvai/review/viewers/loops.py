"""The loops of an analysed ultrasound study as files a browser takes as they are: frames, labels, lines.

What is written around a sector never leaves the server: frames are cut to it, and black outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.shown import Line, ShownLoop
from cvai.files import write_whole
from cvai.review.viewers.packed import packed_labels, read_packed

PART_FRAMES = 8
"""Frames that are sent at once: the one looked at first need not wait for all others."""

SQUARE_PX = (1.0, 1.0)


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


def _write_loop(folder: Path, shown: ShownLoop) -> dict[str, Any]:
    loop = shown.loop
    rows, columns = _box(loop.sector)
    frames, labels = loop.frames[:, rows, columns], shown.labels[:, rows, columns]
    write_whole(_frames_file(folder, shown.view), frames.tobytes())
    write_whole(_labels_file(folder, shown.view), packed_labels(labels))
    return {
        "view": shown.view,
        "title": shown.title,
        "n_phases": loop.n_frames,
        "n_slices": 1,
        "rows": frames.shape[1],
        "columns": frames.shape[2],
        "part_frames": PART_FRAMES,
        "calibrated": loop.spacing_mm is not None,
        "spacing_y_mm": (loop.spacing_mm or SQUARE_PX)[0],
        "spacing_x_mm": (loop.spacing_mm or SQUARE_PX)[1],
        "times_ms": None if loop.times_ms is None else loop.times_ms.tolist(),
        "heart_rate_bpm": loop.heart_rate_bpm,
        "slope": 1.0,
        "intercept": 0.0,
        "window": [0.0, 255.0],
        "heart": None,
        "beats": [{"ed": beat.end_diastole, "es": beat.end_systole} for beat in shown.beats],
        "traces": {name: [round(value, 2) for value in trace] for name, trace in shown.traces.items()},
        "lines": [_placed(lines, rows.start, columns.start) for lines in shown.lines],
    }


def _placed(lines: Mapping[str, Sequence[Line]], top: int, left: int) -> dict[str, Any]:
    """Lines of a frame by their names, as points (x, y) of the frame as it is sent."""
    return {
        name: [[[round(x - left, 1), round(y - top, 1)] for y, x in line] for line in of_name]
        for name, of_name in lines.items()
    }


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns from the first to the last that are occupied."""
    y, x = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)


def _frames_file(folder: Path, view: str) -> Path:
    return folder / f"{view}.u8"


def _labels_file(folder: Path, view: str) -> Path:
    return folder / f"{view}.runs"
