"""Which of several stacks is the short axis, where headers leave it open: the contours tell."""

from __future__ import annotations

from dataclasses import replace

from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import CineSelection
from cvai.dicom.read.cine.placement import tilt_deg
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say
from cvai.domain.ventricles.short_axis import cross_section
from cvai.errors import GeometryRefused, HeartRefused
from cvai.models.segmenter import Segmenter

_SAME_VIEW_DEG = 30.0
"""Stacks whose planes differ by less cut the heart alike."""

_CLEARLY_BETTER = 0.1
"""Difference of two scores of ``CrossSection`` that counts more than what headers prefer. In fifteen ACDC
hearts the score is 0.77 to 0.96 in short axis and 0.00 to 0.14 along it (``python -m
benchmarks.short_axis``); in a sagittal slab, half-way in between, it was 0.62 in a phantom whose short axis
has 0.93."""

_MOST_LOOKS = 4


def in_order(preferred: CineSelection, segmenter: Segmenter, watch: Stopwatch) -> tuple[CineSelection, ...]:
    """The stacks to measure until one can be, the best first.

    Headers alone do not tell a short axis from a sagittal slab, nor where the heart lies on the right. Where
    stacks of several directions cover the heart, one phase of each is segmented, and the roundest rings come
    first.
    """
    options = (preferred, *preferred.alternatives)
    if not any(_differs(preferred, other) for other in preferred.alternatives):
        return options
    looked_at = options[:_MOST_LOOKS]
    scores = [_score(option, segmenter, watch) for option in looked_at]
    good = [o for o, score in zip(looked_at, scores, strict=True) if score >= max(scores) - _CLEARLY_BETTER]
    rest = [o for o in options if o not in good]
    if good[0] is preferred:
        return (*good, *rest)
    return (_with_reason(good[0]), *good[1:], *rest)


def _differs(first: CineSelection, second: CineSelection) -> bool:
    return tilt_deg(first.planes[0], second.planes[0]) > _SAME_VIEW_DEG


def _score(selection: CineSelection, segmenter: Segmenter, watch: Stopwatch) -> float:
    """How much the first phase looks like a short axis; 0 where there is nothing to see."""
    try:
        with watch.stage("assemble"):
            one_phase = assemble_cine(selection).stack.only(0)
        with watch.inference():
            segmentation = segmenter.segment(one_phase)
    except (GeometryRefused, HeartRefused):
        return 0.0
    seen = cross_section(segmentation, 0)
    return 0.0 if seen is None else seen.score


def _with_reason(selection: CineSelection) -> CineSelection:
    message = say(
        "Stacks of several directions show the heart; the one with round, closed contours was measured."
    )
    finding = Finding("chosen_by_contours", Severity.INFO, message)
    return replace(selection, findings=(*selection.findings, finding))
