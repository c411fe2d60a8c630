"""Finds the short-axis cine of a study: images -> groups -> stacks -> candidates -> the cine chosen.

Every step is a function of values in a module of its own, which imports none of a later step. What is left
out on the way has a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cvai.dicom.read.cine.candidates import Candidate, candidates_of
from cvai.dicom.read.cine.image_groups import (
    MIN_PHASES,
    MIN_SLICES,
    ImageGroup,
    cine_groups_of,
    image_groups_of,
)
from cvai.dicom.read.cine.images import StudyImages, images_of, unplaced_of
from cvai.dicom.read.cine.left_out import (
    findings_of_choice,
    reasons_for,
    unplaced_elsewhere,
    without_images_of,
)
from cvai.dicom.read.cine.refusals import refusal_of
from cvai.dicom.read.cine.stacks import is_similar_view, stacks_of
from cvai.dicom.read.values import CineNotFound, Excluded, ImagePlane, Study
from cvai.domain.findings import Finding
from cvai.domain.message import say
from cvai.domain.series_choice import SeriesChoice

_ALTERNATIVE_LENGTH = 0.7
"""Share of the preferred stack's length that another of the same view has to cover to be measured in its
place."""


@dataclass(frozen=True, slots=True, eq=False)
class CineSelection:
    """The images to assemble.

    Args:
        series_uid: series of the cine, the first one if several were joined.
        planes: every image of the cine, in no particular order.
        excluded: what was left aside, with reasons.
        findings: what a reader should know about the choice.
        alternatives: what may be measured if this turns out not to be a short-axis cine, the best first.
        candidates: every stack that was compared, the preferred one first.
    """

    series_uid: str
    planes: tuple[ImagePlane, ...]
    excluded: tuple[Excluded, ...]
    findings: tuple[Finding, ...] = ()
    alternatives: tuple[CineSelection, ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What the steps have given."""

    study: Study
    images: StudyImages
    groups: tuple[ImageGroup, ...]
    stacks: tuple[ImageGroup, ...]
    candidates: tuple[Candidate, ...]


def select_sax_cine(study: Study) -> CineSelection:
    """Find the short-axis cine of a study.

    The cine is the stack of parallel slices, each with many phases of one heartbeat, that covers the heart
    best, at rest where headers say so. Orientation, position, times and heart rates decide; descriptions,
    which every site words its own way, do not, except that what is called stress comes after what is not.

    Where a person chose a series, the best stack with images of it is the cine, without an alternative.

    Raises:
        CineNotFound: ``no_cine``, ``too_few_slices`` or ``too_few_phases``; ``chosen_series_no_stack``.
        FileRefused: nothing of the study could be read.
    """
    images = images_of(study)
    groups = image_groups_of(images)
    stacks = tuple(stacks_of(cine_groups_of(groups)))
    candidates = tuple(candidates_of(stacks))
    if candidates:
        found = _Found(study, images, groups, stacks, candidates)
        choice = study.chosen_images
        selection = _preferred(found) if choice is None else _chosen(found, choice)
        return replace(selection, findings=(*study.findings_of_choice, *selection.findings))
    if (unplaced := _unplaced_cine(images)) is not None:
        return unplaced
    raise refusal_of(study, images, groups, stacks)


def _chosen(found: _Found, choice: SeriesChoice) -> CineSelection:
    of_series = [c for c in found.candidates if choice.series_uid in c.stack.series_uids]
    if not of_series:
        excluded = _selection(found.candidates[0], found).excluded
        reasons = [left.reason for left in excluded if left.series_uid == choice.series_uid]
        why = reasons[0] if reasons else say("it is no series of images of this study")
        raise CineNotFound(
            "chosen_series_no_stack",
            say("The series that was chosen is no stack of cine slices: {why}.", why=why),
            say("Choose another series, or keep the result there is."),
            excluded,
        )
    return _selection(of_series[0], found)


def _preferred(found: _Found) -> CineSelection:
    best, *others = found.candidates
    alternatives = tuple(_selection(other, found) for other in others if _may_replace(other, best))
    return _selection(best, found, alternatives)


def _selection(
    chosen: Candidate, found: _Found, alternatives: tuple[CineSelection, ...] = ()
) -> CineSelection:
    stack, unplaced = chosen.stack, found.images.unplaced
    left = without_images_of(stack, found.groups)
    return CineSelection(
        series_uid=stack.series_uids[0],
        planes=(*stack.planes, *(plane for plane in unplaced if plane.series_uid in stack.series_uids)),
        excluded=(
            *found.images.unsuitable,
            *reasons_for(left, chosen, found.candidates),
            *unplaced_elsewhere(unplaced, stack),
        ),
        findings=findings_of_choice(chosen, found.candidates, found.stacks, left, found.study),
        alternatives=alternatives,
        candidates=found.candidates,
    )


def _may_replace(other: Candidate, best: Candidate) -> bool:
    """Whether to measure ``other`` if ``best`` fails: another view, or as much of the heart in the same
    state."""
    if not other.covers_ventricle:
        return False
    if not is_similar_view(best.stack, other.stack):
        return True
    is_long = other.stack.length_mm >= _ALTERNATIVE_LENGTH * best.stack.length_mm
    return is_long and other.stack.condition.is_like(best.stack.condition)


def _unplaced_cine(images: StudyImages) -> CineSelection | None:
    """The largest series that has as many images as a cine but does not place them.

    It is handed on as it is, so that the refusal names what its headers lack rather than deny the cine.
    """
    largest = max(images.series, key=lambda s: len(unplaced_of(s)), default=None)
    if largest is None or len(unplaced_of(largest)) < MIN_SLICES * MIN_PHASES:
        return None
    return CineSelection(largest.series_uid, largest.planes, images.unsuitable)
