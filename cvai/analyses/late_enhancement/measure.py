"""What labels on late enhancement measure, whoever drew them: the model alone, or a reader after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.late_enhancement.guide import NO_CINE
from cvai.dicom.read.enhancement.finder import WHOLE_STACK_SLICES
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import headers_of, subject_findings, subject_of
from cvai.dicom.read.values import AssembledCine, Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.subject import Subject
from cvai.domain.tissue.contrast import contrast_findings
from cvai.domain.tissue.extent import extent_findings
from cvai.domain.tissue.quality import label_findings
from cvai.domain.tissue.rules import fwhm_percent, n_sd_percent
from cvai.domain.tissue.segments import CineGuide, measure_segments, part_kind
from cvai.domain.tissue.shares import NO_REFLOW, WALL, infarct_share_percent, share_percent
from cvai.domain.tissue.transmurality import is_ring, transmural_percent, transmurality
from cvai.domain.uncertainty import Uncertainty
from cvai.domain.volumes import mass_g
from cvai.errors import HeartRefused

FEWEST_RINGS = 0.5
"""Share of the slices with a cavity in which the wall closes around it; fewer are no short axis."""


class EnhancementMeasures(TypedDict):
    """Fields of ``EnhancementAnalysis`` that follow from the labels."""

    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    subject: Subject


def measured(
    study: Study,
    stack: AssembledCine,
    labels: NDArray[np.uint8],
    guide: CineGuide | str,
    known: Uncertainty | None = None,
) -> EnhancementMeasures:
    """Measure and judge.

    Args:
        study: which the images are of.
        stack: with its sources.
        labels: (z, y, x) values of LGE_LABELS on its grid.
        guide: from the cine, or why there is none.
        known: how far a reader may be from the model; None where a reader drew the labels.

    Raises:
        HeartRefused: ``no_short_axis``.
    """
    geometry = stack.stack.geometry
    spacing_mm = (geometry.spacing_y_mm, geometry.spacing_x_mm)
    _require_rings(labels, spacing_mm)
    images, share = stack.stack.phase(0), infarct_share_percent(labels)
    found: dict[str, float | None] = {
        "infarct_share": share,
        "no_reflow_share": share_percent(labels, (NO_REFLOW,)),
        "transmural_share": transmural_percent(labels, spacing_mm),
        "enhanced_share_5sd": n_sd_percent(images, labels),
        "enhanced_share_fwhm": fwhm_percent(images, labels),
    }
    shares = [Measurement(name, value, "%") for name, value in found.items() if value is not None]
    segments = measure_segments(labels, geometry, guide)
    subject = subject_of(stack, reports_of(study))
    return EnhancementMeasures(
        measurements=_with_intervals((*shares, *_masses(stack, labels, share)), segments.measurements, known),
        findings=(
            *stack.findings,
            *subject_findings(headers_of(stack), subject),
            *unreadable_findings(study),
            *extent_findings(labels, geometry, guide.length_mm if isinstance(guide, CineGuide) else None),
            *contrast_findings(images, labels),
            *label_findings(labels, found["enhanced_share_5sd"], spacing_mm),
            *_segment_findings(segments.missing),
        ),
        subject=subject,
    )


def _with_intervals(
    wholes: Sequence[Measurement], parts: Sequence[Measurement], known: Uncertainty | None
) -> tuple[Measurement, ...]:
    if known is None:
        return (*wholes, *parts)
    return (*map(known.around, wholes), *(known.around(part, part_kind(part)) for part in parts))


def _segment_findings(missing: str) -> tuple[Finding, ...]:
    """Why segments are missing, where ``no_matching_cine`` does not say it."""
    if missing in ("", NO_CINE):
        return ()
    return (
        Finding(
            "segments_not_measured",
            Severity.INFO,
            say("Segments of the wall are missing: {reason}.", reason=missing),
        ),
    )


def _masses(
    stack: AssembledCine, labels: NDArray[np.uint8], share_percent_: float
) -> tuple[Measurement, ...]:
    """Mass of the myocardium and of the infarct; none where slices are too few to add up."""
    if len(labels) < WHOLE_STACK_SLICES:
        return ()
    voxels = int(np.count_nonzero(np.isin(labels, WALL)))
    myocardium_g = mass_g(voxels * stack.stack.geometry.voxel_volume_ml)
    return (
        Measurement("lv_mass", myocardium_g, "g"),
        Measurement("infarct_mass", myocardium_g * share_percent_ / 100.0, "g"),
    )


def _require_rings(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> None:
    """Refuse slices that do not cut the ventricle across: there the wall is no ring."""
    rays = [found for plane in labels if (found := transmurality(plane, spacing_mm)) is not None]
    n_rings = sum(map(is_ring, rays))
    if not rays or n_rings < FEWEST_RINGS * len(rays):
        raise HeartRefused(
            "no_short_axis",
            say(
                "The wall closes around the cavity in {n_rings} of {n_slices} slices of late enhancement.",
                n_rings=n_rings,
                n_slices=len(rays),
            )
            if rays
            else say("In no slice of late enhancement a cavity lies within its wall."),
            say("Check that the series is late enhancement in short axis."),
        )
