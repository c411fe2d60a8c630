"""Finds the short-axis stack of late enhancement in a study; what is left out has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from cvai.dicom.read.cine.acquisitions import each_alone
from cvai.dicom.read.cine.assemble import repeat_findings
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.cine.conditions import acquired_s
from cvai.dicom.read.cine.image_groups import ImageGroup, image_groups_of
from cvai.dicom.read.cine.images import StudyImages, is_same_kind
from cvai.dicom.read.cine.left_out import size_words, without_images_of
from cvai.dicom.read.cine.placement import along_normal_mm, grouped, is_parallel, is_placed, normal_of
from cvai.dicom.read.cine.stacks import continues, is_similar_view, overlaps, stacks_of
from cvai.dicom.read.enhancement.images import (
    Reconstruction,
    inversion_time_ms,
    is_phase_sensitive,
    reconstruction_of,
    why_another_kind,
    why_not,
)
from cvai.dicom.read.header.attributes import texts, time_of_day_s, whole_number
from cvai.dicom.read.values import CineNotFound, Excluded, ImagePlane, Images, Series, Study
from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.message import Message, say
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import FileRefused

FEWEST_SLICES = 2
"""Two slices still show an infarct; one has no place in a stack."""

WHOLE_STACK_SLICES = 3
"""Fewer parallel slices cannot be summed to the mass of a ventricle."""

_MOST_REPEATS = 2
"""So many images at a position are an acquisition and its repeat; more run over inversion times, or time."""

_MOST_STACKS = 5
"""So many stacks of one kind at a position were acquired while contrast washed out; more images, whatever
series they are of, run over inversion times, or time."""

_AS_LONG = 0.8
"""Share of the longest stack that another has to cover to be as good."""

_EVEN = 1.1
"""Ratio of the gaps between slices of one stack."""

_OTHER_INVERSION = 1.3
"""Ratio of the longest and shortest inversion time of a stack. While contrast washes out, some 50 ms of 300
are added from the first slice to the last."""

_EARLY_S = 5 * 60.0
"""Sooner after contrast, or so long before another stack, blood and no-reflow are not yet what they are late:
10 minutes and more are waited (Kramer et al., J Cardiovasc Magn Reson 2020;22:17,
doi:10.1186/s12968-020-00607-1), less where the dose is low."""

_DAY_S = 86_400.0

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
    axis, is phase-sensitive where both kinds were reconstructed, covers the heart, and is two-dimensional; of
    several such the latest. Series of one acquisition are joined, as those of a cine. Descriptions count only
    where they tell reconstructions apart, or name a map or a scout. Where a person chose a series, the best
    stack with images of it is taken.

    Raises:
        CineNotFound: ``no_late_enhancement``, ``inversion_time_scout`` or ``too_few_slices``;
            ``chosen_series_no_stack``.
        FileRefused: nothing of the study could be read.
    """
    series, excluded = _suitable(study)
    stills, scouts = apart_from_scouts(image_groups_of(StudyImages(series, ())))
    stacks = _stacks(stills)
    candidates = [stack for stack in stacks if stack.n_slices >= FEWEST_SLICES]
    excluded = (*excluded, *(Excluded(uid, _of_scout(g)) for g in scouts for uid in g.series_uids))
    if not candidates:
        raise _refusal(study, scouts, stacks, excluded)
    chosen = study.chosen_images
    best = _best(candidates if chosen is None else _of_series(candidates, chosen, excluded))
    others = [stack for stack in stacks if stack is not best]
    stack = _latest(best)
    cine = _matching_cine(study, best)
    return EnhancementSelection(
        stack=stack,
        cine=cine,
        is_phase_sensitive=is_phase_sensitive(best.planes[0]),
        excluded=(*excluded, *(e for other in others for e in _left_out(other, best))),
        findings=(
            *study.findings_of_choice,
            *_size_findings(best),
            *_repeat_findings(best),
            *_beside_findings(best, others),
            *_complement_findings(best, others),
            *_kind_findings(best),
            *_inversion_findings(stack),
            *_early_findings(stack, others),
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


def apart_from_scouts(groups: Sequence[ImageGroup]) -> tuple[list[ImageGroup], list[ImageGroup]]:
    """Groups that may be slices of late enhancement, and those whose positions run over inversion times or
    time: as a series holds them, or as series of one inversion time or one moment each."""
    scouts = [group for group in groups if group.n_phases > _MOST_REPEATS]
    stills = [group for group in groups if group.n_phases <= _MOST_REPEATS]
    spread = []
    for pool in grouped((plane for group in stills for plane in group.planes), _is_same_kind):
        crowded = [images for images in ImageGroup(tuple(pool)).slices if len(images) > _MOST_STACKS]
        spread += [ImageGroup(tuple(plane for images in crowded for plane in images))] if crowded else []
    for scout in spread:
        stills = without_images_of(scout, stills)
    return stills, scouts + spread


def _is_same_kind(first: ImagePlane, second: ImagePlane) -> bool:
    return (
        is_parallel(first, second)
        and is_same_kind(first, second)
        and reconstruction_of(first) is reconstruction_of(second)
    )


def _stacks(groups: Sequence[ImageGroup]) -> list[ImageGroup]:
    """Stacks of one reconstruction, one acquisition each; slices may have been repeated on the spot."""
    return [stack for kind in Reconstruction for stack in stacks_of(_made_as(kind, groups), each_alone)]


def _made_as(kind: Reconstruction, groups: Sequence[ImageGroup]) -> list[ImageGroup]:
    """What the groups hold of one reconstruction."""
    own = (tuple(plane for plane in g.planes if reconstruction_of(plane) is kind) for g in groups)
    return [ImageGroup(planes) for planes in own if planes]


def _latest(stack: ImageGroup) -> ImageGroup:
    """Of a slice that was acquired again the later image."""
    return ImageGroup(tuple(max(images, key=_moment) for images in stack.slices))


def _moment(plane: ImagePlane) -> tuple[float, int, int]:
    began_s = acquired_s(plane.header)
    number = whole_number(plane.header, "SeriesNumber") or 0
    return -1.0 if began_s is None else began_s, number, plane.instance_number or 0


def _best(stacks: Sequence[ImageGroup]) -> ImageGroup:
    """Of those of the best direction and reconstruction that cover the heart, the two-dimensional, the
    latest: soon after contrast, blood and no-reflow are not yet what they are late."""
    alike = max(map(_kind_of_stack, stacks))
    good = [stack for stack in stacks if _kind_of_stack(stack) == alike]
    longest_mm = max(stack.length_mm for stack in good)
    long = [stack for stack in good if stack.length_mm >= _AS_LONG * longest_mm]
    return max(long, key=lambda stack: (_is_two_dimensional(stack), max(map(_moment, stack.planes))))


def _kind_of_stack(stack: ImageGroup) -> tuple[bool, bool, Reconstruction]:
    """Sorts stacks, the best last."""
    across = abs(float(normal_of(stack.planes[0]) @ _LONG_AXIS_LPS)) >= _SHORT_AXIS_MIN_COSINE
    is_whole = stack.n_slices >= WHOLE_STACK_SLICES
    return across, is_whole, reconstruction_of(stack.planes[0])


def _is_two_dimensional(stack: ImageGroup) -> bool:
    return texts(stack.planes[0].header, "MRAcquisitionType") != ("3D",)


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


def _repeat_findings(stack: ImageGroup) -> list[Finding]:
    repeated = [z for z, images in enumerate(stack.slices) if len(images) > 1]
    return repeat_findings(len(stack.planes) - stack.n_slices, repeated, stack.n_slices)


def _beside_findings(stack: ImageGroup, others: Sequence[ImageGroup]) -> tuple[Finding, ...]:
    """Slices next to the stack, reconstructed as it is, that do not fit it: a few, or at no place of it."""
    beside = [
        other
        for other in others
        if (other.n_slices < WHOLE_STACK_SLICES or not overlaps(stack, other))
        and reconstruction_of(other.planes[0]) is reconstruction_of(stack.planes[0])
        and continues(stack, other)
    ]
    if not beside:
        return ()
    message = say(
        "{count} slice(s) of late enhancement next to the measured stack were left out, since their "
        "direction, pixel grid, pulse sequence or positions differ; the ventricle may be covered in part "
        "only.",
        count=sum(other.n_slices for other in beside),
    )
    return (Finding("adjacent_slices_left_out", Severity.WARNING, message),)


def _complement_findings(stack: ImageGroup, others: Sequence[ImageGroup]) -> list[Finding]:
    """That slices of the same stack are reconstructed in another way, and those were not measured."""
    found = []
    for other in others:
        if reconstruction_of(other.planes[0]) is reconstruction_of(stack.planes[0]):
            continue
        if not is_similar_view(stack, other) or overlaps(stack, other):
            continue
        both = [images[0] for images in (*stack.slices, *other.slices)]
        gaps_mm = np.diff(sorted(along_normal_mm(both, normal_of(stack.planes[0]))))
        if gaps_mm.max() > _EVEN * gaps_mm.min():
            continue
        message = say(
            "{count} of {n_slices} slices of late enhancement are reconstructed in another way, such as "
            "magnitudes, and were left out: shares and masses are of the other slices. Send one "
            "reconstruction of all slices.",
            count=other.n_slices,
            n_slices=len(both),
        )
        found.append(Finding("adjacent_slices_left_out", Severity.WARNING, message))
    return found


def _early_findings(stack: ImageGroup, others: Sequence[ImageGroup]) -> tuple[Finding, ...]:
    """That contrast had been given shortly before, or that a stack was acquired once it had washed out."""
    times_s = [s for plane in stack.planes if (s := acquired_s(plane.header)) is not None]
    if not times_s:
        return ()
    given_s = time_of_day_s(stack.planes[0].header, "ContrastBolusStartTime")
    waited_s = None if given_s is None else (min(times_s) - given_s) % _DAY_S
    if waited_s is not None and waited_s < _EARLY_S:
        message = say(
            "The images were acquired {minutes:.0f} minutes after contrast: blood is still bright and an "
            "infarct not yet, so that its share may be wrong. Send late images.",
            minutes=waited_s / 60.0,
        )
        return (Finding("enhancement_early", Severity.WARNING, message),)
    rivals = [s for s in others if is_similar_view(stack, s) and s.length_mm >= _AS_LONG * stack.length_mm]
    later_s = max((_moment(plane)[0] for rival in rivals for plane in rival.planes), default=0.0) - max(
        times_s
    )
    if later_s < _EARLY_S:
        return ()
    message = say(
        "Another stack of late enhancement was acquired {minutes:.0f} minutes later, but is no "
        "phase-sensitive one: check that the one that was measured is not an early one, or choose the other.",
        minutes=later_s / 60.0,
    )
    return (Finding("enhancement_early", Severity.WARNING, message),)


def _kind_findings(stack: ImageGroup) -> tuple[Finding, ...]:
    if is_phase_sensitive(stack.planes[0]):
        return ()
    message = say(
        "Magnitude images were measured; the study holds no phase-sensitive ones, on which the model "
        "was trained. With a wrong inversion time, healthy myocardium is bright in magnitude images."
    )
    return (Finding("magnitude_enhancement", Severity.INFO, message),)


def _inversion_findings(stack: ImageGroup) -> tuple[Finding, ...]:
    """That slices of the stack were acquired at inversion times too far apart for one drift of T1."""
    stated_ms = [ms for plane in stack.planes if (ms := inversion_time_ms(plane)) is not None]
    if not stated_ms or max(stated_ms) < _OTHER_INVERSION * min(stated_ms):
        return ()
    usual_ms = median(stated_ms)
    other = [
        z
        for z, (plane,) in enumerate(stack.slices)
        if (ms := inversion_time_ms(plane)) is not None and ms != usual_ms
    ]
    message = say(
        "The slices of the stack were acquired at inversion times of {least_ms:.0f} to {most_ms:.0f} ms: "
        "healthy myocardium is not as dark in all of them, and an infarct may be missed in some, or seen "
        "where none is. Send a stack of one inversion time.",
        least_ms=min(stated_ms),
        most_ms=max(stated_ms),
    )
    return (Finding("inversion_times_differ", Severity.WARNING, message, whole_slices(other)),)


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
        "The study holds no short-axis cine of these places: contours are not compared with it, no "
        "segment of the wall is named, and whether slices are missing at the base is not known."
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
