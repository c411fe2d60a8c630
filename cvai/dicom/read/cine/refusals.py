"""Why a study has no cine to analyse, as a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cvai.dicom.read.cine.image_groups import MIN_PHASES, MIN_SLICES, ImageGroup
from cvai.dicom.read.cine.images import StudyImages
from cvai.dicom.read.cine.left_out import map_words, reason_without_cine
from cvai.dicom.read.values import CineNotFound, Excluded, Study
from cvai.dicom.read.whole import all_unreadable
from cvai.domain.message import Message, joined, say
from cvai.errors import FileRefused

_HINT = say("Send the study once its short-axis cine is complete.")


def refusal_of(
    study: Study, images: StudyImages, groups: Sequence[ImageGroup], stacks: Sequence[ImageGroup]
) -> FileRefused | CineNotFound:
    """What a study without candidates is refused with; the unreadable file where nothing else is there."""
    if not groups and (refusals := all_unreadable(study)):
        return refusals[0]
    if not any(series.modality == "MR" for series in study.series if series.planes):
        return _nothing_to_measure(study, images.unsuitable)
    maps = {series.series_uid: words for series in images.series if (words := map_words(series.planes))}
    excluded = (
        *images.unsuitable,
        *(
            Excluded(uid, maps.get(uid) or reason_without_cine(group, None))
            for group in groups
            for uid in group.series_uids
        ),
    )
    phases = [group for group in groups if maps.keys().isdisjoint(group.series_uids)]
    return CineNotFound(*_what_is_lacking(phases, stacks, excluded), _HINT, excluded)


def _what_is_lacking(
    groups: Sequence[ImageGroup], stacks: Sequence[ImageGroup], excluded: Sequence[Excluded]
) -> tuple[str, Message]:
    """Code and message."""
    if stacks:
        largest = max(stack.n_slices for stack in stacks)
        if (crowded := _crowded(groups)) is not None:
            return "too_few_slices", crowded
        message = say(
            "The largest cine has {largest} parallel slice(s); a ventricle needs {fewest} or more.",
            largest=largest,
            fewest=MIN_SLICES,
        )
        return "too_few_slices", message
    moving = (group for group in groups if group.n_slices >= MIN_SLICES and not group.stands_still)
    most = max((group.n_phases for group in moving), default=0)
    if 1 < most < MIN_PHASES:
        message = say(
            "The stack has {most} phases in a slice; a heartbeat needs {fewest} or more.",
            most=most,
            fewest=MIN_PHASES,
        )
        return "too_few_phases", message
    return "no_cine", say("The study holds no cine; {seen}.", seen=_seen(excluded))


def _crowded(groups: Sequence[ImageGroup]) -> Message | None:
    """That images of one place are too many for one slice; None where they are not."""
    images = max((images for group in groups if group.is_cine for images in group.slices), key=len)
    at_one_time = Counter(p.trigger_time_ms for p in images if p.trigger_time_ms is not None)
    most = max(at_one_time.values(), default=0)
    if most < MIN_SLICES:
        return None
    return say(
        "By ImagePositionPatient {count} images lie in one slice, up to {most} of them at one trigger time: "
        "either one slice was acquired again and again, or its positions were lost or are in another unit, "
        "and the original images are needed.",
        count=len(images),
        most=most,
    )


def _nothing_to_measure(study: Study, unsuitable: Sequence[Excluded]) -> CineNotFound:
    """CT, angiography and what else there is: nothing has to be sent."""
    stated = {series.modality for series in study.series if series.planes}
    modalities = [*sorted(stated - {""}), *([say("not stated")] if "" in stated else [])]
    held = (
        say("images of modality {modalities}", modalities=joined(", ", modalities))
        if modalities
        else say("no images")
    )
    message = say("The study holds {held}: there is nothing to measure here.", held=held)
    return CineNotFound("nothing_to_measure", message, say("Nothing has to be done."), tuple(unsuitable))


def _seen(excluded: Sequence[Excluded]) -> Message:
    reasons = list(dict.fromkeys(p.reason for p in excluded))
    if not reasons:
        return say("it holds no series that could be read")
    more = [say("and {count} more", count=len(reasons) - 4)] if len(reasons) > 4 else []
    return say("seen: {reasons}", reasons=joined("; ", [*reasons[:4], *more]))
