"""Finds the short-axis stack of late enhancement in a study; what is left out has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.cine.image_groups import ImageGroup, image_groups_of
from cvai.dicom.read.cine.images import StudyImages, is_same_kind
from cvai.dicom.read.cine.left_out import size_words
from cvai.dicom.read.cine.placement import grouped, is_parallel, is_placed, normal_of
from cvai.dicom.read.cine.stacks import is_similar_view, overlaps
from cvai.dicom.read.enhancement.images import (
    inversion_time_ms,
    is_phase_sensitive,
    why_another_kind,
    why_not,
)
from cvai.dicom.read.header.attributes import time_of_day_s, whole_number
from cvai.dicom.read.values import CineNotFound, Excluded, ImagePlane, Images, Series, Study
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import Message, say
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import FileRefused

FEWEST_SLICES = 2
"""Two slices still show an infarct; one has no place in a stack."""

WHOLE_STACK_SLICES = 3
"""Fewer parallel slices cannot be summed to the mass of a ventricle."""

_MOST_REPEATS = 2
"""So many images at a position are an acquisition and its repeat; more run over inversion times, or time."""

_LONG_AXIS_LPS = np.array([0.70, -0.55, -0.45])
"""Usual direction of the left ventricle from base to apex; only used to prefer one stack to another."""

_SHORT_AXIS_MIN_COSINE = 0.7

_HINT = say("Send the study once its short-axis late enhancement is complete.")


@dataclass(frozen=True, slots=True, eq=False)
class EnhancementSelection:
    """The images to assemble.

    Args:
        stack: one image a slice.
        cine: the short-axis cine of the same places, with all its phases; None where there is none.
        is_phase_sensitive: whether the images keep the sign of the magnetisation; else they are magnitudes.
        excluded: what was left aside, with reasons.
        findings: what a reader should know about the choice.
    """

    stack: ImageGroup
    cine: ImageGroup | None
    is_phase_sensitive: bool
    excluded: tuple[Excluded, ...]
    findings: tuple[Finding, ...]


def select_late_enhancement(study: Study) -> EnhancementSelection:
    """Find the short-axis late enhancement of a study.

    It is the stack of parallel inversion-recovery images, one a slice, that stands across the usual long
    axis, is phase-sensitive where both kinds were reconstructed, and covers most; of several such the latest.
    Slices that are series of their own are joined. Descriptions count only where they say PSIR. Where a
    person chose a series, the best stack with images of it is taken.

    Raises:
        CineNotFound: ``no_late_enhancement``, ``inversion_time_scout`` or ``too_few_slices``;
            ``chosen_series_no_stack``.
        FileRefused: nothing of the study could be read.
    """
    series, excluded = _suitable(study)
    groups = image_groups_of(StudyImages(series, ()))
    scouts = [group for group in groups if group.n_phases > _MOST_REPEATS]
    stacks = _stacks([group for group in groups if group.n_phases <= _MOST_REPEATS])
    candidates = [stack for stack in stacks if stack.n_slices >= FEWEST_SLICES]
    excluded = (*excluded, *(Excluded(uid, _of_scout(g)) for g in scouts for uid in g.series_uids))
    if not candidates:
        raise _refusal(study, scouts, stacks, excluded)
    chosen = study.chosen
    best = max(candidates if chosen is None else _of_series(candidates, chosen, excluded), key=_preference)
    others = [stack for stack in stacks if stack is not best]
    cine = _matching_cine(study, best)
    return EnhancementSelection(
        stack=best,
        cine=cine,
        is_phase_sensitive=is_phase_sensitive(best.planes[0]),
        excluded=(*excluded, *(e for other in others for e in _left_out(other, best))),
        findings=(
            *([] if chosen is None else [chosen.finding]),
            *_size_findings(best),
            *_kind_findings(best),
            *_cine_findings(cine),
        ),
    )


def _of_series(
    candidates: Sequence[ImageGroup], choice: SeriesChoice, excluded: tuple[Excluded, ...]
) -> list[ImageGroup]:
    """The stacks with images of the series that a person chose.

    Raises:
        CineNotFound: ``chosen_series_no_stack``.
    """
    found = [stack for stack in candidates if choice.series_uid in stack.series_uids]
    if not found:
        reasons = [left.reason for left in excluded if left.series_uid == choice.series_uid]
        why = reasons[0] if reasons else say("it has too few slices, or is no series of this study")
        raise CineNotFound(
            "chosen_series_no_stack",
            say("The series that was chosen is no stack of late enhancement: {why}.", why=why),
            say("Choose another series, or keep the result there is."),
            excluded,
        )
    return found


def _suitable(study: Study) -> tuple[tuple[Series, ...], tuple[Excluded, ...]]:
    """Series with the images that may be late enhancement, and why the others have none."""
    suitable, excluded = [], []
    for series in study.series:
        reasons = [why_not(plane) for plane in series.planes]
        usable = tuple(p for p, reason in zip(series.planes, reasons, strict=True) if reason is None)
        if series.modality != "MR":
            excluded.append(
                Excluded(
                    series.series_uid, say("not an MR series (modality {modality})", modality=series.modality)
                )
            )
        elif usable:
            suitable.append(replace(series, planes=usable))
        else:
            excluded.append(Excluded(series.series_uid, next(filter(None, reasons), say("no images"))))
    return tuple(suitable), tuple(excluded)


def prepared_series(study: Study) -> tuple[Series, ...]:
    """MR series with the images that were made as late enhancement is, placed or not."""
    kept = [
        replace(series, planes=tuple(p for p in series.planes if why_another_kind(p) is None))
        for series in study.series
        if series.modality == "MR"
    ]
    return tuple(series for series in kept if series.planes)


def is_over_time(group: ImageGroup) -> bool:
    """Whether its positions were imaged again and again, with one inversion time or none that is stated."""
    return group.n_phases > _MOST_REPEATS and len(_inversion_times_ms(group)) < 2


def _inversion_times_ms(group: ImageGroup) -> set[float]:
    """Those stated at its first position."""
    return {ms for plane in group.slices[0] if (ms := inversion_time_ms(plane)) is not None}


def _stacks(groups: Sequence[ImageGroup]) -> list[ImageGroup]:
    """Stacks of one image a slice: as series hold them, and of series of one slice each."""
    pieces = [ImageGroup(tuple(p)) for g in groups for p in grouped(g.planes, _is_same_reconstruction)]
    single = [plane for piece in pieces if piece.n_slices == 1 for plane in piece.planes]
    joined = [ImageGroup(tuple(planes)) for planes in grouped(single, _is_same_stack)]
    return [_latest(stack) for stack in (*(p for p in pieces if p.n_slices > 1), *joined)]


def _is_same_reconstruction(first: ImagePlane, second: ImagePlane) -> bool:
    return is_phase_sensitive(first) == is_phase_sensitive(second)


def _is_same_stack(first: ImagePlane, second: ImagePlane) -> bool:
    return (
        is_parallel(first, second) and is_same_kind(first, second) and _is_same_reconstruction(first, second)
    )


def _latest(stack: ImageGroup) -> ImageGroup:
    """Of a slice that was acquired again the later image."""
    return ImageGroup(tuple(max(images, key=_moment) for images in stack.slices))


def _moment(plane: ImagePlane) -> tuple[float, int, int]:
    header = plane.header
    acquired_s = time_of_day_s(header, "AcquisitionTime")
    number = whole_number(header, "SeriesNumber") or 0
    return -1.0 if acquired_s is None else acquired_s, number, plane.instance_number or 0


def _preference(stack: ImageGroup) -> tuple[bool, bool, bool, int, tuple[float, int, int]]:
    """Sorts stacks, the best last: what covers fewer slices because it was planned so is no worse."""
    across = abs(float(normal_of(stack.planes[0]) @ _LONG_AXIS_LPS)) >= _SHORT_AXIS_MIN_COSINE
    is_whole = stack.n_slices >= WHOLE_STACK_SLICES
    moment = max(_moment(plane) for plane in stack.planes)
    return across, is_whole, is_phase_sensitive(stack.planes[0]), stack.n_slices, moment


def _of_scout(group: ImageGroup) -> Message:
    size = size_words(group)
    if is_over_time(group):
        return say("{size}: a series over time, no late enhancement", size=size)
    return say(
        "{size} at {n_times} inversion times: a scout or a map of T1",
        size=size,
        n_times=len(_inversion_times_ms(group)),
    )


def _left_out(stack: ImageGroup, best: ImageGroup) -> list[Excluded]:
    kind = say("phase-sensitive") if is_phase_sensitive(stack.planes[0]) else say("magnitude")
    reason = say(
        "{n_slices} slice(s) of {kind} late enhancement: another stack was preferred",
        n_slices=stack.n_slices,
        kind=kind,
    )
    return [Excluded(uid, reason) for uid in stack.series_uids if uid not in best.series_uids]


def _size_findings(stack: ImageGroup) -> tuple[Finding, ...]:
    if stack.n_slices >= WHOLE_STACK_SLICES:
        return ()
    message = say(
        "The stack has {n_slices} slices: shares are of these slices, and masses are not given.",
        n_slices=stack.n_slices,
    )
    return (Finding("few_enhancement_slices", Severity.WITHHELD, message),)


def _kind_findings(stack: ImageGroup) -> tuple[Finding, ...]:
    if is_phase_sensitive(stack.planes[0]):
        return ()
    message = say(
        "Magnitude images were measured; the study holds no phase-sensitive ones, on which the model "
        "was trained. With a wrong inversion time, healthy myocardium is bright in magnitude images."
    )
    return (Finding("magnitude_enhancement", Severity.INFO, message),)


def _matching_cine(study: Study, stack: ImageGroup) -> ImageGroup | None:
    """The short-axis cine that shows the same part of the heart; a choice is of late enhancement alone."""
    try:
        cines = select_sax_cine(replace(study, chosen=None))
        planes = tuple(plane for plane in cines.planes if is_placed(plane))
    except (CineNotFound, FileRefused):
        return None
    cine = ImageGroup(planes) if planes else None
    return cine if cine is not None and is_similar_view(stack, cine) and overlaps(stack, cine) else None


def _cine_findings(cine: ImageGroup | None) -> tuple[Finding, ...]:
    if cine is not None:
        return ()
    message = say(
        "The study holds no short-axis cine of these places: contours are not compared with it, and "
        "no segment of the wall is named."
    )
    return (Finding("no_matching_cine", Severity.INFO, message),)


def _refusal(
    study: Study, scouts: Sequence[ImageGroup], stacks: Sequence[ImageGroup], excluded: tuple[Excluded, ...]
) -> FileRefused | CineNotFound:
    if not any(series.planes for series in study.series) and study.unreadable:
        return study.unreadable[0]
    if stacks:
        message = say(
            "The largest stack of late enhancement has {n_slices} slice.",
            n_slices=max(s.n_slices for s in stacks),
        )
        return CineNotFound("too_few_slices", message, _HINT, excluded)
    over_inversion_times = [group for group in scouts if not is_over_time(group)]
    if over_inversion_times:
        message = say(
            "The study holds no late enhancement, but {series}.", series=_of_scout(over_inversion_times[0])
        )
        return CineNotFound("inversion_time_scout", message, _HINT, excluded)
    return CineNotFound(
        "no_late_enhancement", say("The study holds no late enhancement in short axis."), _HINT, excluded
    )


def images_of(selection: EnhancementSelection) -> Images:
    """One image a slice, in order along the normal."""
    return tuple(images[0] for images in selection.stack.slices)
