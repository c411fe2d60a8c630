"""The images of an analysed study as files a browser takes as they are: pixels by slice, labels in runs.

The images come from the archive, not from what the analysis left: the archive is where they are kept, its
work folder is emptied when a job ends, and another worker may have done it. They are fetched once into a
cache that is bounded, and may be thrown away at any time. The study as it was fetched stays beside them: what
a reader draws is measured on it.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.shown import Shown, ShownStack
from cvai.analyses.spec import STACK, Reopened
from cvai.archive.bring import bring
from cvai.archive.port import Archive
from cvai.dicom.read.values import Study
from cvai.domain.directions import edge_directions
from cvai.errors import StudyRefused
from cvai.files import private_folder, write_whole
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.jobs.opened import open_analysed, read_fetched, spec_of
from cvai.review.viewers.crossings import crossing_file, write_crossings
from cvai.review.viewers.intensities import intensity_percentiles
from cvai.review.viewers.loops import LoopPack, write_loops
from cvai.review.viewers.packed import StoredScale, packed_labels, read_packed

META, LABELS, SOURCE = "shown-2.json", "labels.runs", "source"
"""Another name of META where it states more: what an older version has left is then made again."""

Meta = dict[str, Any]
WINDOW_PERCENTILES = (1.0, 99.5)
KEPT_OPEN = 2
"""Studies in memory: those that readers are changing right now; another one is read from its files again."""


@dataclass(frozen=True, slots=True)
class CinePack:
    """A cine that lies ready.

    Args:
        folder: holds the files.
        meta: what a page must know to show them; JSON values.
    """

    folder: Path
    meta: Mapping[str, Any]

    def pixels(self, z: int) -> Path | None:
        """File of one slice, (t, y, x) as unsigned 16-bit little endian; None where there is none."""
        return self.folder / f"slice-{z}.u16" if 0 <= z < self.meta["n_slices"] else None

    @property
    def scanner(self) -> str:
        """Manufacturer and model, by which disagreements are grouped."""
        return str(self.meta["scanner"])

    @property
    def labels(self) -> Path:
        """File of the labels, (t, z, y, x), see ``packed_labels``."""
        return self.folder / LABELS

    def crossing(self, index: int) -> Path | None:
        """File of a cine that cuts through the stack, see ``write_crossings``; None where there is none."""
        return crossing_file(self.folder, index) if 0 <= index < len(self.meta["crossings"]) else None

    def read_labels(self) -> NDArray[np.uint8]:
        """(t, z, y, x) as the model drew them."""
        meta = self.meta
        shape = (meta["n_phases"], meta["n_slices"], meta["rows"], meta["columns"])
        return read_packed(self.labels, shape)

    def read_views(self) -> dict[str, NDArray[np.uint8]]:
        """(t, z, y, x) as the model drew them, under the name of a stack."""
        return {STACK: self.read_labels()}

    def part_shown(self, _: str) -> tuple[slice, slice]:
        """Rows and columns of a frame that are sent: all of a stack."""
        return slice(None), slice(None)

    def spacing_mm(self, _: str) -> tuple[float, float, float]:
        """Between slices, rows and columns."""
        meta = self.meta
        return meta["slice_spacing_mm"], meta["spacing_y_mm"], meta["spacing_x_mm"]

    def read_pixels(self, _: str) -> NDArray[np.float32]:
        """(t, z, y, x) intensities."""
        meta, slices = self.meta, []
        for z in range(meta["n_slices"]):
            stored = np.fromfile(self.folder / f"slice-{z}.u16", "<u2")
            slices.append(stored.reshape(meta["n_phases"], meta["rows"], meta["columns"]))
        return np.float32(meta["slope"]) * np.stack(slices, axis=1) + np.float32(meta["intercept"])


class CineCache:
    """Images of analysed studies, fetched from the archive when they are first asked for.

    Args:
        archive: where they are kept.
        folder: holds patients' images, bounded.
        largest_bytes: of all studies together; those looked at last stay.
    """

    def __init__(self, archive: Archive, folder: Path, largest_bytes: int) -> None:
        self._archive = archive
        self._folder = folder
        self._largest_bytes = largest_bytes
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._open: OrderedDict[str, Reopened] = OrderedDict()
        self._open_lock = threading.Lock()

    def has(self, job_id: str) -> bool:
        """Whether the images lie ready."""
        return (self._folder / job_id / META).exists()

    def open(self, record: JobRecord) -> CinePack:
        """The cine a job has analysed, with the labels it drew.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
            Refused: the study is not what was analysed any more.
        """
        folder = self._ready(record)
        return CinePack(folder, _read_meta(folder))

    def pack(self, record: JobRecord) -> CinePack | LoopPack:
        """What a job has analysed, as ``open`` or ``open_loops``."""
        folder = self._ready(record)
        meta = _read_meta(folder)
        return LoopPack(folder, meta) if "loops" in meta else CinePack(folder, meta)

    def open_loops(self, record: JobRecord) -> LoopPack:
        """The ultrasound loops a job has analysed, with the labels it drew.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
            Refused: the study is not what was analysed any more.
        """
        folder = self._ready(record)
        return LoopPack(folder, _read_meta(folder))

    def reopen(self, record: JobRecord) -> Reopened:
        """The study as it was read for its analysis, to be measured again.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
            Refused: the study is not what was analysed any more.
        """
        job_id = record.job.job_id
        folder = self._ready(record)
        with self._locks[job_id]:
            opened = self._open.get(job_id)
            if opened is None:
                opened = _opened(record, folder / SOURCE)
        with self._open_lock:
            self._open[job_id] = opened
            self._open.move_to_end(job_id)
            while len(self._open) > KEPT_OPEN:
                self._open.popitem(last=False)
        return opened

    def study(self, record: JobRecord) -> Study:
        """The study of a job, also of one that has analysed nothing; errors as of ``reopen``."""
        job = record.job
        folder = self._folder / job.job_id
        if self.has(job.job_id) or record.outcome.state is not JobState.REFUSED:
            return self.reopen(record).study
        with self._locks[job.job_id]:
            if not (folder / SOURCE).exists():
                with self._fetched(record) as source:
                    source.rename(private_folder(folder) / SOURCE)
                self._keep_within_bounds(folder)
            return read_fetched(folder / SOURCE, job)

    def _ready(self, record: JobRecord) -> Path:
        """The folder of a job's images, made where it is not there yet."""
        job_id = record.job.job_id
        folder = self._folder / job_id
        with self._locks[job_id]:
            if not self.has(job_id):
                with self._fetched(record) as source:
                    self._make(folder, source, record)
                self._keep_within_bounds(folder)
            (folder / META).touch()
        return folder

    def _make(self, folder: Path, source: Path, record: JobRecord) -> None:
        """Under another name until all is there: what has this name is whole."""
        making = folder.with_name(f".{folder.name}-making")
        for old in (making, folder):
            shutil.rmtree(old, ignore_errors=True)
        private_folder(making)
        opened = _opened(record, source)
        meta = {**_write(_shown(record, opened), making), "scanner": _scanner(opened)}
        source.rename(making / SOURCE)
        write_whole(making / META, json.dumps(meta).encode())
        making.rename(folder)

    @contextmanager
    def _fetched(self, record: JobRecord) -> Iterator[Path]:
        folder = self._folder / f".{record.job.job_id}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            content = self._archive.content(record.job.study_uid)
            if not content.instances:
                raise StudyRefused(
                    "study_not_in_archive",
                    "The archive does not have this study any more.",
                    "Its numbers and report are still here; its images are not.",
                )
            bring(self._archive, content, folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _keep_within_bounds(self, newest: Path) -> None:
        """Throw away what was looked at longest ago, never what was just made."""
        others = (f for f in self._folder.iterdir() if f != newest and not f.name.startswith("."))
        oldest_first = sorted(others, key=_last_used_s)
        used = _size(newest) + sum(map(_size, oldest_first))
        for folder in oldest_first:
            if used <= self._largest_bytes:
                return
            used -= _size(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _opened(record: JobRecord, source: Path) -> Reopened:
    return open_analysed(source, record.job, record.outcome)


def _shown(record: JobRecord, opened: Reopened) -> Shown:
    spec = spec_of(record.job, record.outcome)
    if spec is None or spec.page is None:
        raise StudyRefused("no_contours", "This analysis has no such images.", "Its numbers can be read.")
    shown: Shown = spec.page.shown(opened)
    return shown


def _write(shown: Shown, folder: Path) -> Meta:
    """Write images and labels; returns what a page must know of them."""
    return _write_stack(shown, folder) if isinstance(shown, ShownStack) else write_loops(folder, shown)


def _write_stack(shown: ShownStack, folder: Path) -> Meta:
    stack = shown.cine.stack
    scale = StoredScale.of(stack.phase(t) for t in range(stack.n_phases))
    for z in range(stack.shape[1]):
        frames = (scale.stored(stack.frame(t, z)).tobytes() for t in range(stack.n_phases))
        write_whole(folder / f"slice-{z}.u16", b"".join(frames))
    write_whole(folder / LABELS, packed_labels(shown.labels))
    return {**_described(shown), **asdict(scale), "crossings": write_crossings(folder, shown)}


def _read_meta(folder: Path) -> Meta:
    meta: Meta = json.loads((folder / META).read_text("utf-8"))
    return meta


def _described(shown: ShownStack) -> dict[str, Any]:
    cine, labels = shown.cine, shown.labels
    stack, geometry = cine.stack, cine.stack.geometry
    n_phases, n_slices, rows, columns = stack.shape
    drawn = np.flatnonzero(labels.any(axis=(0, 2, 3)))
    low, high = shown.window or intensity_percentiles(
        stack, drawn if drawn.size else np.arange(n_slices), WINDOW_PERCENTILES
    )
    times_ms = stack.phase_times_ms
    left, right, top, bottom = edge_directions(geometry)
    return {
        "n_phases": n_phases,
        "n_slices": n_slices,
        "rows": rows,
        "columns": columns,
        "spacing_y_mm": geometry.spacing_y_mm,
        "spacing_x_mm": geometry.spacing_x_mm,
        "calibrated": True,
        "slice_spacing_mm": geometry.slice_spacing_mm,
        "voxel_volume_ml": geometry.voxel_volume_ml,
        "heart_rate_bpm": stack.heart_rate_bpm,
        "times_ms": None if times_ms is None else times_ms.tolist(),
        "last_slice_first": shown.last_slice_first,
        "window": [float(low), float(max(high, low + 1e-6))],
        "edges": {"left": left, "right": right, "top": top, "bottom": bottom},
        "heart": _heart_box(labels),
    }


def _heart_box(labels: NDArray[np.uint8]) -> list[int] | None:
    """First and last row, first and last column that are labelled in any frame; None where none is."""
    y = np.flatnonzero(labels.any(axis=(0, 1, 3)))
    x = np.flatnonzero(labels.any(axis=(0, 1, 2)))
    return [int(y[0]), int(y[-1]), int(x[0]), int(x[-1])] if y.size else None


def _scanner(opened: Reopened) -> str:
    """Manufacturer and model, by which disagreements are grouped."""
    header = opened.planes[0][0].header
    stated = (str(header.get(keyword) or "").strip() for keyword in ("Manufacturer", "ManufacturerModelName"))
    return " ".join(text for text in stated if text)


def _last_used_s(folder: Path) -> float:
    """When a study was looked at; what an older version left there was not, as far as this one knows."""
    meta = folder / META
    return meta.stat().st_mtime if meta.exists() else 0.0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))
