"""The loops of an analysed ultrasound study as files a browser takes as they are: frames, labels, lines.

What is written around a sector never leaves the server: frames are cut to it, and black outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.shown import Line, Mark, Redrawn, ShownLoop
from cvai.domain.phases import KeyPhases
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

    def labels(self, view: str) -> bytes | None:
        """Labels of one view on the frames as sent, see ``packed_labels``; None without such a view."""
        labels = self.read_labels(view)
        return None if labels is None else packed_labels(labels)

    def read_labels(self, view: str) -> NDArray[np.uint8] | None:
        """(t, y, x) on the frames as they are sent; None where there is no such view."""
        loop = self._loop(view)
        return None if loop is None else self._whole(loop)[:, *self.part_shown(view)]

    def read_views(self) -> dict[str, NDArray[np.uint8]]:
        """(t, 1, y, x) of whole frames by view, as the model drew them."""
        return {loop["view"]: self._whole(loop)[:, None] for loop in self.meta["loops"]}

    def placed(self, view: str, lines: Mapping[str, Sequence[Line]]) -> dict[str, Any]:
        """Lines of a whole frame by their names, as points (x, y) of the frame as it is sent."""
        rows, columns = self.part_shown(view)
        return _placed(lines, rows.start, columns.start)

    def marks_json(self, view: str, marks: Sequence[Mark]) -> list[dict[str, Any]]:
        """Marks of a view, in places (x, y) of the frame as it is sent."""
        rows, columns = self.part_shown(view)

        def placed(line: Line) -> list[list[float]]:
            return _placed_line(line, rows.start, columns.start)

        return [
            {
                **asdict(mark),
                "at": placed([mark.at])[0],
                "lines": [placed(line) for line in mark.lines],
                "handles": [{**asdict(handle), "track": placed(handle.track)} for handle in mark.handles],
            }
            for mark in marks
        ]

    def spacing_mm(self, view: str) -> tuple[float, float, float]:
        """Between rows and columns, after 1 in the place of slices; 1 where pixels have no size."""
        loop = self._known(view)
        return 1.0, loop["spacing_y_mm"], loop["spacing_x_mm"]

    def read_pixels(self, view: str) -> NDArray[np.float32]:
        """(t, 1, y, x) brightness of the frames as they are sent."""
        loop = self._known(view)
        frames = np.fromfile(_frames_file(self.folder, view), np.uint8)
        shape = (loop["n_phases"], 1, loop["rows"], loop["columns"])
        return frames.reshape(shape).astype(np.float32)

    @property
    def found_beats(self) -> dict[str, tuple[KeyPhases, ...]]:
        """End-diastole and end-systole of the beats that the model's labels have, by view."""
        return {
            loop["view"]: tuple(KeyPhases(beat["ed"], beat["es"]) for beat in loop["beats"])
            for loop in self.meta["loops"]
        }

    def part_shown(self, view: str) -> tuple[slice, slice]:
        """Rows and columns of a whole frame that are sent.

        Raises:
            KeyError: there is no such view.
        """
        loop = self._known(view)
        top, left = loop["top"], loop["left"]
        return slice(top, top + loop["rows"]), slice(left, left + loop["columns"])

    @property
    def scanner(self) -> str:
        """Manufacturer and model, by which disagreements are grouped."""
        return str(self.meta["scanner"])

    def _known(self, view: str) -> Mapping[str, Any]:
        loop = self._loop(view)
        if loop is None:
            raise KeyError(view)
        return loop

    def _whole(self, loop: Mapping[str, Any]) -> NDArray[np.uint8]:
        shape = (loop["n_phases"], loop["whole_rows"], loop["whole_columns"])
        return read_packed(_labels_file(self.folder, loop["view"]), shape)

    def _loop(self, view: str) -> Mapping[str, Any] | None:
        return next((loop for loop in self.meta["loops"] if loop["view"] == view), None)


def write_loops(folder: Path, loops: Iterable[ShownLoop]) -> dict[str, Any]:
    """Write frames and labels of every loop; returns what a page must know of them."""
    return {"loops": [_write_loop(folder, loop) for loop in loops]}


def _write_loop(folder: Path, shown: ShownLoop) -> dict[str, Any]:
    loop = shown.loop
    rows, columns = _box(loop.sector)
    frames = loop.frames[:, rows, columns]
    write_whole(_frames_file(folder, shown.view), frames.tobytes())
    write_whole(_labels_file(folder, shown.view), packed_labels(shown.labels))
    return {
        "view": shown.view,
        "title": shown.title,
        "n_phases": loop.n_frames,
        "n_slices": 1,
        "rows": frames.shape[1],
        "columns": frames.shape[2],
        "top": rows.start,
        "left": columns.start,
        "whole_rows": loop.frames.shape[1],
        "whole_columns": loop.frames.shape[2],
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
        "beats": _beats_json(shown.beats),
        "traces": _traces_json(shown.traces),
        "lines": [_placed(lines, rows.start, columns.start) for lines in shown.lines],
        "chosen_from": shown.chosen_from,
        "courses": [_placed_line(line, rows.start, columns.start) for line in shown.courses],
    }


def redrawn_json(pack: LoopPack, redrawn: Redrawn) -> dict[str, Any]:
    """What a page is told of a loop that was measured again."""
    return {
        "view": redrawn.view,
        "beats": _beats_json(redrawn.beats),
        "traces": _traces_json(redrawn.traces),
        "lines": {t: pack.placed(redrawn.view, lines) for t, lines in redrawn.lines.items()},
    }


def _beats_json(beats: Iterable[KeyPhases]) -> list[dict[str, int]]:
    return [{"ed": beat.end_diastole, "es": beat.end_systole} for beat in beats]


def _traces_json(traces: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: [round(value, 2) for value in trace] for name, trace in traces.items()}


def _placed(lines: Mapping[str, Sequence[Line]], top: int, left: int) -> dict[str, Any]:
    """Lines of a frame by their names, as points (x, y) of the frame as it is sent."""
    return {name: [_placed_line(line, top, left) for line in of_name] for name, of_name in lines.items()}


def _placed_line(line: Line, top: int, left: int) -> list[list[float]]:
    return [[round(x - left, 1), round(y - top, 1)] for y, x in line]


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns from the first to the last that are occupied."""
    y, x = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)


def _frames_file(folder: Path, view: str) -> Path:
    return folder / f"{view}.u8"


def _labels_file(folder: Path, view: str) -> Path:
    return folder / f"{view}.runs"
