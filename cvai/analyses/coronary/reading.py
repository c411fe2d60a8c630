"""Analysed runs opened again for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.coronary.analyse import MOST_RUNS
from cvai.analyses.coronary.objects import SEGMENTS, seg_kind
from cvai.dicom.read.angiography.runs import AssembledRun, assemble_run, select_runs
from cvai.dicom.read.values import ImagePlane, Study
from cvai.dicom.write.objects.labels import of_other_images, read_labels, source_instance_of


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedRun:
    """A run, and the labels (t, y, x) that an analysis drew in one of its frames."""

    number: int
    source: AssembledRun
    labels: NDArray[np.uint8]

    @property
    def frame(self) -> int:
        """0-based, the one that was drawn in."""
        return int(np.argmax(self.labels.any(axis=(1, 2))))


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedRuns:
    """A study and the runs that were measured."""

    study: Study
    runs: tuple[ReopenedRun, ...]

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(1) the images of the runs, run after run."""
        return tuple((image,) for run in self.runs for image in run.source.images)


def reopen_runs(study: Study, files: Mapping[str, Path]) -> ReopenedRuns:
    """The runs as they were read for their analysis.

    Args:
        study: with every image.
        files: the segmentation of each run, by its kind.

    Raises:
        Refused: ``segmentation_of_other_images``, or as ``assemble_run``.
    """
    runs = {images[0].sop_instance_uid: images for images in select_runs(study).runs}
    reopened = []
    for number in range(1, MOST_RUNS + 1):
        path = files.get(seg_kind(number))
        if path is None:
            continue
        images = runs.get(source_instance_of(path))
        if images is None:
            raise of_other_images()
        labels = read_labels(path, tuple((image,) for image in images), SEGMENTS)
        reopened.append(ReopenedRun(number, assemble_run(images), labels[:, 0]))
    return ReopenedRuns(study, tuple(reopened))
