"""Analysed loops opened again for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.echo_apical.objects import LOOP_KINDS, SEGMENTS
from cvai.dicom.read.ultrasound.loops import AssembledLoop, assemble_loop, select_loops
from cvai.dicom.read.values import ImagePlane, Study
from cvai.dicom.write.objects.labels import of_other_images, read_labels, source_instance_of
from cvai.domain.echo.views import EchoView


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedLoop:
    """An ultrasound loop, and the labels (t, y, x) that one analysis drew on it."""

    view: EchoView
    source: AssembledLoop
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedLoops:
    """A study and the loops that were measured, four-chamber view first."""

    study: Study
    loops: tuple[ReopenedLoop, ...]

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(1) the images that were measured, loop after loop."""
        return tuple((image,) for loop in self.loops for image in loop.source.images)


def reopen_loops(study: Study, files: Mapping[str, Path]) -> ReopenedLoops:
    """The loops as they were read for their analysis.

    Args:
        study: with every image.
        files: the segmentation of each view, by its kind.

    Raises:
        Refused: ``segmentation_of_other_images``, or as ``assemble_loop``.
    """
    loops = {images[0].sop_instance_uid: images for images in select_loops(study).loops}
    reopened = []
    for view, kind in LOOP_KINDS.items():
        if kind not in files:
            continue
        images = loops.get(source_instance_of(files[kind]))
        if images is None:
            raise of_other_images()
        labels = read_labels(files[kind], tuple((image,) for image in images), SEGMENTS)
        reopened.append(ReopenedLoop(view, assemble_loop(images), labels[:, 0]))
    return ReopenedLoops(study, tuple(reopened))
