"""Step 5, what is left out: why every other group is not analysed, and what a reader should know of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from cvai.dicom.read.cine.candidates import VENTRICLE_LENGTH_MM, Candidate, turned_deg
from cvai.dicom.read.cine.conditions import Condition
from cvai.dicom.read.cine.image_groups import (
    MAX_STILLS,
    MIN_PHASES,
    MIN_SLICES,
    ImageGroup,
    trigger_span_ms,
)
from cvai.dicom.read.cine.images import has_same_grid, is_annotated, is_same_kind
from cvai.dicom.read.cine.placement import along_normal_mm, is_parallel, is_placed, normal_of
from cvai.dicom.read.cine.stacks import continues, is_at, is_similar_view, overlaps
from cvai.dicom.read.header.attributes import number
from cvai.dicom.read.values import Excluded, ImagePlane, Images, Study
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import Message, joined, say

_FEWEST_TIMES = 3
"""So many echo or inversion times at one place make a series of a map."""


def without_images_of(stack: ImageGroup, groups: Sequence[ImageGroup]) -> list[ImageGroup]:
    """What groups hold besides the images of a stack."""
    ids = {id(plane) for plane in stack.planes}
    rests = (tuple(plane for plane in group.planes if id(plane) not in ids) for group in groups)
    return [ImageGroup(rest) for rest in rests if rest]


def reasons_for(
    left: Sequence[ImageGroup], chosen: Candidate, candidates: Sequence[Candidate]
) -> list[Excluded]:
    """Why groups, which hold no images of the stack chosen, are not analysed, in words for a person."""
    ranks = {id(plane): rank for rank, c in enumerate(candidates) for plane in c.stack.planes}
    excluded: list[Excluded] = []
    for group in left:
        rank = min((ranks[id(p)] for p in group.planes if id(p) in ranks), default=None)
        reason = (
            reason_without_cine(group, chosen.stack)
            if rank is None
            else _why_not(group, candidates[rank], chosen)
        )
        excluded.extend(Excluded(uid, reason) for uid in group.series_uids)
    return excluded


def unplaced_elsewhere(unplaced: Images, stack: ImageGroup) -> list[Excluded]:
    """Series, not of the stack, with images of unknown position."""
    series_uids = dict.fromkeys(plane.series_uid for plane in unplaced)
    reason = say("position, orientation or pixel spacing missing or invalid")
    return [Excluded(uid, reason) for uid in series_uids if uid not in stack.series_uids]


def findings_of_choice(
    chosen: Candidate,
    candidates: Sequence[Candidate],
    stacks: Sequence[ImageGroup],
    left: Sequence[ImageGroup],
    study: Study,
) -> tuple[Finding, ...]:
    """What a reader should know: other stacks of the heart, slices left out, altered pixels."""
    stack = chosen.stack
    unfit = [*_unfit_images(study, stack, left), *(group for group in left if _is_mistimed(group, stack))]
    return (
        *_other_stacks(chosen, candidates),
        *_left_out_slices(
            stack, (*stacks, *(group for group in left if _may_be_slices(group, stack))), unfit
        ),
        *_altered_pixels(stack),
        *_unusual(chosen),
    )


def reason_without_cine(group: ImageGroup, stack: ImageGroup | None) -> str:
    """Why a group that is of no candidate is not analysed."""
    if group.n_phases < MIN_PHASES:
        return say(
            "{size}: still images such as scouts, late enhancement or maps, no cine", size=size_words(group)
        )
    if not group.is_cine and (span_ms := trigger_span_ms(group.slices[group.n_slices // 2])) is not None:
        return say(
            "{size} at trigger times of {first_ms:g} to {last_ms:g} ms, not from one heartbeat: "
            "perfusion, another dynamic series, or times in another unit",
            size=size_words(group),
            first_ms=span_ms[0],
            last_ms=span_ms[1],
        )
    if not group.is_cine:
        return say(
            "{size}, not from one heartbeat: perfusion or another dynamic series", size=size_words(group)
        )
    if stack is not None and is_same_kind(stack.planes[0], group.planes[0]) and overlaps(stack, group):
        return say("{size}: slices of the analysed stack from another acquisition", size=size_words(group))
    return say("{size}: a long-axis or single-slice cine, not a stack", size=size_words(group))


def map_words(planes: Sequence[ImagePlane]) -> str | None:
    """What a series is that holds images of a slice at several echo or inversion times; None for others."""
    for keyword, words in (
        ("EchoTime", say("echo times, as for a map of T2 or T2*")),
        ("InversionTime", say("inversion times, as for a map of T1 or a scout")),
    ):
        by_place: dict[object, set[float]] = defaultdict(set)
        for plane in planes:
            if (time_ms := number(plane.header, keyword)) is not None:
                by_place[plane.position_mm].add(time_ms)
        times_ms = max(by_place.values(), key=len, default=set())
        if len(times_ms) >= _FEWEST_TIMES:
            return say(
                "{count} {what}: {first_ms:g} to {last_ms:g} ms",
                count=len(times_ms),
                what=words,
                first_ms=min(times_ms),
                last_ms=max(times_ms),
            )
    return None


def _why_not(group: ImageGroup, rival: Candidate, chosen: Candidate) -> str:
    best = chosen.stack
    why = (
        say("which {criterion}", criterion=rival.why_not(chosen))
        if rival.preference < chosen.preference
        else say("which is not cut across the long axis or could not be measured")
    )
    return say(
        "{size}: a cine stack with {n_slices} slices x {n_phases} phases was preferred to this one, {why}",
        size=size_words(group),
        n_slices=best.n_slices,
        n_phases=best.n_phases,
        why=why,
    )


def size_words(group: ImageGroup) -> Message:
    """How many slices and images of each a group has."""
    return (
        say("{n_slices} slices x {n_phases} images", n_slices=group.n_slices, n_phases=group.n_phases)
        if group.n_slices > 1
        else say("{n_slices} slice x {n_phases} images", n_slices=group.n_slices, n_phases=group.n_phases)
    )


def _other_stacks(chosen: Candidate, candidates: Sequence[Candidate]) -> list[Finding]:
    """Other whole cines of the same view: at another heart rate, or the same thing once more."""
    others = [
        c
        for c in candidates
        if c is not chosen
        and c.stack.length_mm >= VENTRICLE_LENGTH_MM
        and is_similar_view(chosen.stack, c.stack)
    ]
    if not others:
        return []
    condition = chosen.stack.condition
    is_repeat = all(
        c.stack.condition.is_like(condition) and c.stack.condition.is_in_session_of(condition) for c in others
    )
    seen = joined("; ", (_described(c.stack.condition, condition) for c in others))
    message = say(
        "{count} other cine stack(s) cover the heart as well: {seen}. The one that was measured: {measured}.",
        count=len(others),
        seen=seen,
        measured=_described(condition, condition),
    )
    return [Finding("other_cine_stack", Severity.INFO if is_repeat else Severity.WARNING, message)]


def _described(condition: Condition, chosen: Condition) -> Message:
    words = [say("called stress")] if condition.under_stress else []
    words.append(
        say("heart rate unknown")
        if condition.rr_ms is None
        else say("{rate_bpm:.0f}/min", rate_bpm=60_000.0 / condition.rr_ms)
    )
    if condition is not chosen and condition.acquired_s is not None and chosen.acquired_s is not None:
        minutes = (condition.acquired_s[0] - chosen.acquired_s[0]) / 60.0
        apart = abs(minutes)
        words.append(
            say("{minutes:.0f} minutes later", minutes=apart)
            if minutes >= 0
            else say("{minutes:.0f} minutes earlier", minutes=apart)
        )
    return joined(", ", words)


def _left_out_slices(
    best: ImageGroup, stacks: Sequence[ImageGroup], unfit: Sequence[ImageGroup]
) -> list[Finding]:
    """Cine slices that are no stack, and lie beside the analysed one or at its places; ``unfit`` lie beside
    it."""
    loose = [s for s in stacks if s.n_slices < MIN_SLICES or s.length_mm < VENTRICLE_LENGTH_MM]
    loose = [s for s in loose if s is not best]
    beside = [s for s in (*loose, *unfit) if continues(best, s)]
    again = [
        s
        for s in loose
        if s not in beside and is_same_kind(best.planes[0], s.planes[0]) and overlaps(best, s)
    ]
    findings = []
    if beside:
        message = say(
            "{count} cine slice(s) next to the analysed stack were left out, since their direction, "
            "pixel grid, pulse sequence, heart rate, trigger times, kind or positions differ; the "
            "ventricle may be covered in part only.",
            count=sum(s.n_slices for s in beside),
        )
        findings.append(Finding("adjacent_slices_left_out", Severity.WARNING, message))
    if again:
        message = say(
            "{count} slice(s) of the analysed stack were acquired again under other conditions "
            "({conditions}) and left out.",
            count=sum(s.n_slices for s in again),
            conditions=joined("; ", (_described(s.condition, best.condition) for s in again)),
        )
        findings.append(Finding("other_acquisition_left_out", Severity.WARNING, message))
    return findings


def _may_be_slices(group: ImageGroup, stack: ImageGroup) -> bool:
    """Whether a group may be what arrived of slices of the stack: of other series, too few phases for a cine
    and too many for stills."""
    is_own = not set(stack.series_uids).isdisjoint(group.series_uids)
    is_kin = is_same_kind(stack.planes[0], group.planes[0])
    return is_kin and not group.is_cine and (is_own or MAX_STILLS < group.n_phases < MIN_PHASES)


def _is_mistimed(group: ImageGroup, stack: ImageGroup) -> bool:
    """Whether a group may be slices of the stack whose times are in another unit or of another clock."""
    is_kin = is_same_kind(stack.planes[0], group.planes[0])
    return is_kin and not group.is_cine and group.n_phases == stack.n_phases


def _unfit_images(study: Study, stack: ImageGroup, left: Sequence[ImageGroup]) -> list[ImageGroup]:
    """Images of the stack's own series, at places that it lacks, that were not looked at since their headers
    call them something else: another modality or part of the signal, a localizer, colour."""
    known = {id(plane) for group in (stack, *left) for plane in group.planes}
    first = stack.planes[0]
    own = [plane for s in study.series if s.series_uid in stack.series_uids for plane in s.planes]
    like = [p for p in own if is_placed(p) and is_parallel(first, p) and has_same_grid(first, p)]
    places_mm = along_normal_mm(like, normal_of(first)) if like else ()
    unfit = tuple(
        p
        for p, at_mm in zip(like, places_mm, strict=True)
        if id(p) not in known and not is_at(stack, float(at_mm))
    )
    return [ImageGroup(unfit)] if unfit else []


def _altered_pixels(stack: ImageGroup) -> list[Finding]:
    n_annotated = sum(is_annotated(plane) for plane in stack.planes)
    if n_annotated == 0:
        return []
    message = say(
        "{n_annotated} of {n_images} images were made by reading software or have something burnt "
        "in; the study holds no original ones.",
        n_annotated=n_annotated,
        n_images=len(stack.planes),
    )
    return [Finding("annotated_images", Severity.WARNING, message)]


def _unusual(chosen: Candidate) -> list[Finding]:
    """That the stack may be no short-axis cine as the model knows it, by its direction or its preparation."""
    found = []
    if not chosen.stands_across:
        message = say(
            "The slices are turned by {angle_deg:.0f} degrees from the usual short axis: check that they are "
            "short-axis slices; a heart that lies otherwise looks so as well.",
            angle_deg=turned_deg(chosen.stack),
        )
        found.append(Finding("unusual_direction", Severity.WARNING, message))
    if not chosen.is_plain:
        message = say(
            "By its headers the cine is tagged or inversion-prepared: check that contours follow the heart "
            "and not the tags."
        )
        found.append(Finding("prepared_cine", Severity.WARNING, message))
    return found
