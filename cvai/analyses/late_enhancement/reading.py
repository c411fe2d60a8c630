"""Analysed late enhancement opened again for a reader, and measured with what the reader made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.analyses.late_enhancement.guide import guide_from
from cvai.analyses.late_enhancement.measure import measured
from cvai.analyses.late_enhancement.objects import SEG, SEGMENTS
from cvai.analyses.late_enhancement.pictures import intensity_window
from cvai.analyses.shown import ShownStack
from cvai.analyses.spec import STACK, Correction
from cvai.dicom.read.enhancement.assemble import assemble_enhancement
from cvai.dicom.read.enhancement.finder import select_late_enhancement
from cvai.dicom.read.values import AssembledCine, ImagePlane, Study
from cvai.dicom.write.objects.labels import read_labels
from cvai.domain.segmentation import apex_comes_first


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedEnhancement:
    """A study, its late enhancement, and the (1, z, y, x) labels of one analysis of it."""

    study: Study
    stack: AssembledCine
    labels: NDArray[np.uint8]

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(z) the images that were measured."""
        return self.stack.planes


def reopen_enhancement(study: Study, files: Mapping[str, Path]) -> ReopenedEnhancement:
    """The stack as it was read for its analysis.

    Args:
        study: with every image.
        files: the segmentation, by its kind; none where the study is read by hand.

    Raises:
        Refused: ``segmentation_of_other_images``, or as ``assemble_enhancement``.
    """
    stack = assemble_enhancement(select_late_enhancement(study))
    drawn = SEG in files
    labels = (
        read_labels(files[SEG], stack.planes, SEGMENTS) if drawn else np.zeros(stack.stack.shape, np.uint8)
    )
    return ReopenedEnhancement(study, stack, labels)


def labels_of(reopened: ReopenedEnhancement) -> dict[str, NDArray[np.uint8]]:
    """(1, z, y, x) as the model drew them."""
    return {STACK: reopened.labels}


def shown_enhancement(reopened: ReopenedEnhancement) -> ShownStack:
    """What a reader is shown, the base first."""
    labels = reopened.labels[0]
    return ShownStack(
        reopened.stack,
        reopened.labels,
        last_slice_first=apex_comes_first(labels),
        window=intensity_window(reopened.stack, labels) if labels.any() else None,
    )


def remeasured_enhancement(reopened: ReopenedEnhancement, correction: Correction) -> EnhancementAnalysis:
    """The analysis as the reader left it: their contours, measured anew."""
    labels = np.ascontiguousarray(correction.labels[STACK][0])
    guide = guide_from(correction.factors)
    return EnhancementAnalysis(
        **measured(reopened.study, reopened.stack, labels, guide),
        study_uid=reopened.study.study_uid,
        patient=reopened.study.patient(),
        stack=reopened.stack,
        labels=labels,
        guide=guide,
        model=correction.model,
        cvai_version=__version__,
        timings_ms={},
        verification=correction.verification,
    )
