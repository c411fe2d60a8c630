"""An analysed cine opened again for a reader, and measured with what the reader made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from traceback import clear_frames

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.measure import measured
from cvai.analyses.cine_sax.objects import SEGMENTS, CineKind
from cvai.analyses.shown import ShownStack
from cvai.analyses.spec import STACK, Correction
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import CineSelection, select_sax_cine
from cvai.dicom.read.cine.long_axes import long_axes_of
from cvai.dicom.read.values import AssembledCine, ImagePlane, Study
from cvai.dicom.write.objects.labels import read_labels
from cvai.domain.crossing import cuts_through
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.errors import Refused

MOST_LONG_AXES = 6
"""More than these do not fit beside the stack; radial series have a dozen."""


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedCine:
    """A study, its cine, and the labels of one analysis of it."""

    study: Study
    cine: AssembledCine
    segmentation: CineSegmentation

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(z) the images that were measured."""
        return self.cine.planes


def reopen_cine(study: Study, files: Mapping[str, Path]) -> ReopenedCine:
    """The cine as it was read for its analysis: of several stacks, the one that was segmented.

    Args:
        study: with every image.
        files: the cine segmentation, by its kind; none where the study is read by hand.

    Raises:
        Refused: ``segmentation_of_other_images``, or as ``assemble_cine``.
    """
    path = files.get(CineKind.CINE)
    preferred = select_sax_cine(study)
    refusals: list[Refused] = []
    for selection in (preferred, *preferred.alternatives):
        try:
            return _reopened(study, selection, path)
        except Refused as refusal:
            clear_frames(refusal.__traceback__)  # they hold the stack, and the next one needs its room
            refusals.append(refusal)
    raise refusals[0]


def _reopened(study: Study, selection: CineSelection, path: Path | None) -> ReopenedCine:
    cine = assemble_cine(selection)
    if path is None:
        return ReopenedCine(study, cine, CineSegmentation.empty(cine.stack.shape, cine.stack.geometry))
    labels = read_labels(path, cine.planes, SEGMENTS)
    return ReopenedCine(study, cine, CineSegmentation(labels, cine.stack.geometry))


def labels_of(reopened: ReopenedCine) -> dict[str, NDArray[np.uint8]]:
    """(t, z, y, x) as the model drew them."""
    return {STACK: reopened.segmentation.labels}


def shown_cine(reopened: ReopenedCine) -> ShownStack:
    """What a reader is shown, the base first, with the long axes of the heart."""
    labels, geometry = reopened.segmentation.labels, reopened.cine.stack.geometry
    drawn = labels.max(axis=0)
    long_axes = long_axes_of(reopened.study, reopened.cine)
    through_heart = (cine for cine in long_axes if cuts_through(geometry, drawn > 0, cine.geometry))
    return ShownStack(
        reopened.cine,
        labels,
        last_slice_first=apex_comes_first(drawn),
        crossings=tuple(islice(through_heart, MOST_LONG_AXES)),
    )


def remeasured_cine(reopened: ReopenedCine, correction: Correction) -> CineAnalysis:
    """The analysis as the reader left it: their contours, their phases, measured anew."""
    study, cine, phases = reopened.study, reopened.cine, correction.phases
    segmentation = CineSegmentation(np.ascontiguousarray(correction.labels[STACK]), cine.stack.geometry)
    return CineAnalysis(
        **measured(study, cine, segmentation, phases, chosen=correction.chosen),
        study_uid=study.study_uid,
        patient=study.patient(),
        cine=cine,
        segmentation=segmentation,
        phases=phases,
        model=correction.model,
        cvai_version=__version__,
        timings_ms={},
        verification=correction.verification,
    )
