"""What the cine of the study tells about late enhancement.

The analysis labels one phase of the cine itself, some ten slices: results of the cine's own analysis may not
be there yet, and no job waits for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.enhancement.assemble import cine_at_enhancement
from cvai.dicom.read.enhancement.finder import EnhancementSelection
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.tissue.cine_check import agreement, agreement_findings, mass_findings, shift_findings
from cvai.domain.tissue.segments import CineGuide
from cvai.domain.ventricles.septum import angle_on_image_deg, septum_direction
from cvai.domain.ventricles.short_axis import require_short_axis
from cvai.errors import FileRefused, GeometryRefused, HeartRefused
from cvai.models.segmenter import Segmenter

SEPTUM, LENGTH = "septum_deg", "ventricle_mm"
"""Names of the fields of ``CineGuide`` in ``factors`` of result.json."""

NO_CINE = say("the study holds no short-axis cine of these places")
NO_MODEL = say("no model for short-axis cines is installed")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCine:
    """One phase of the cine, and the model that labelled it."""

    segmentation: CineSegmentation
    model: str


def labelled_cine(selection: EnhancementSelection, segmenter: Segmenter | None) -> LabelledCine | str:
    """The matching phase of the cine with its labels, or why there is none."""
    if selection.cine is None:
        return NO_CINE
    if segmenter is None:
        return NO_MODEL
    try:
        phase = cine_at_enhancement(selection.cine, selection)
        segmentation = segmenter.segment(phase)
        require_short_axis(segmentation, KeyPhases(0, 0))
    except (FileRefused, GeometryRefused, HeartRefused) as refusal:
        return say(
            "the cine cannot be used ({code}: {reason})",
            code=refusal.code,
            reason=refusal.message.rstrip("."),
        )
    return LabelledCine(segmentation, f"{segmenter.identity.name} {segmenter.identity.version}")


def guide_of(cine: LabelledCine | str, geometry: StackGeometry) -> CineGuide | str:
    """Septum and length of the ventricle, for images of late enhancement that lie at ``geometry``."""
    if isinstance(cine, str):
        return cine
    labels, grid = cine.segmentation.labels[0], cine.segmentation.geometry
    septum = septum_direction(labels, grid)
    n_slices = int((labels == SAX_LABELS[Structure.LV_CAVITY]).any(axis=(1, 2)).sum())
    return CineGuide(
        None if septum is None else angle_on_image_deg(septum, geometry), n_slices * grid.slice_spacing_mm
    )


def compared(
    labels: NDArray[np.uint8], geometry: StackGeometry, cine: LabelledCine | str
) -> tuple[Finding, ...]:
    """What is to be said where contours and those of the cine disagree; labels are (z, y, x)."""
    if isinstance(cine, str):
        return ()
    outlines = agreement_findings(agreement(labels, geometry, cine.segmentation))
    return (
        *(outlines or shift_findings(labels, geometry, cine.segmentation)),
        *mass_findings(labels, geometry, cine.segmentation),
    )


def guide_factors(guide: CineGuide) -> dict[str, float]:
    """The guide as it is kept in result.json."""
    septum = {} if guide.septum_deg is None else {SEPTUM: guide.septum_deg}
    return {**septum, LENGTH: guide.length_mm}


def guide_from(factors: Mapping[str, float]) -> CineGuide | str:
    """The guide from result.json, or that there was none."""
    if LENGTH not in factors:
        return say("the septum was not found in a cine when the study was measured")
    return CineGuide(factors.get(SEPTUM), factors[LENGTH])
