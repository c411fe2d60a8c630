"""Step 5, what is left out: why every other group is not analysed, and what a reader should know of it."""

from __future__ import annotations

from collections.abc import Sequence

from cvai.dicom.read.cine.candidates import VENTRICLE_LENGTH_MM, Candidate
from cvai.dicom.read.cine.conditions import Condition
from cvai.dicom.read.cine.image_groups import MAX_STILLS, MIN_PHASES, MIN_SLICES, ImageGroup
from cvai.dicom.read.cine.images import is_annotated, is_same_kind
from cvai.dicom.read.cine.stacks import continues, is_similar_view, overlaps
from cvai.dicom.read.values import Excluded, Images
from cvai.domain.findings import Finding, Severity


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
    reason = "position, orientation or pixel spacing missing or invalid"
    return [Excluded(uid, reason) for uid in series_uids if uid not in stack.series_uids]


def findings_of_choice(
    chosen: Candidate,
    candidates: Sequence[Candidate],
    stacks: Sequence[ImageGroup],
    left: Sequence[ImageGroup],
) -> tuple[Finding, ...]:
    """What a reader should know: other stacks of the heart, slices left out, altered pixels."""
    stack = chosen.stack
    return (
        *_other_stacks(chosen, candidates),
        *_left_out_slices(stack, (*stacks, *(group for group in left if _lacks_phases(group, stack)))),
        *_altered_pixels(stack),
    )


def reason_without_cine(group: ImageGroup, stack: ImageGroup | None) -> str:
    """Why a group that is of no candidate is not analysed."""
    if group.n_phases < MIN_PHASES:
        return f"{_size(group)}: still images such as scouts, late enhancement or maps, no cine"
    if not group.is_cine:
        return f"{_size(group)}, not from one heartbeat: perfusion or another dynamic series"
    if stack is not None and is_same_kind(stack.planes[0], group.planes[0]) and overlaps(stack, group):
        return f"{_size(group)}: slices of the analysed stack from another acquisition"
    return f"{_size(group)}: a long-axis or single-slice cine, not a stack"


def _why_not(group: ImageGroup, rival: Candidate, chosen: Candidate) -> str:
    best = chosen.stack
    why = (
        f"which {rival.why_not(chosen)}"
        if rival.preference < chosen.preference
        else "which is not cut across the long axis or could not be measured"
    )
    return (
        f"{_size(group)}: a cine stack with {best.n_slices} slices x {best.n_phases} phases was preferred to "
        f"this one, {why}"
    )


def _size(group: ImageGroup) -> str:
    return f"{group.n_slices} slice{'s' if group.n_slices > 1 else ''} x {group.n_phases} images"


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
    seen = "; ".join(_described(c.stack.condition, condition) for c in others)
    message = (
        f"{len(others)} other cine stack(s) cover the heart as well: {seen}. The one that was measured: "
        f"{_described(condition, condition)}."
    )
    return [Finding("other_cine_stack", Severity.INFO if is_repeat else Severity.WARNING, message)]


def _described(condition: Condition, chosen: Condition) -> str:
    words = ["called stress"] if condition.under_stress else []
    words.append("heart rate unknown" if condition.rr_ms is None else f"{60_000.0 / condition.rr_ms:.0f}/min")
    if condition is not chosen and condition.acquired_s is not None and chosen.acquired_s is not None:
        minutes = (condition.acquired_s[0] - chosen.acquired_s[0]) / 60.0
        words.append(f"{abs(minutes):.0f} minutes {'later' if minutes >= 0 else 'earlier'}")
    return ", ".join(words)


def _left_out_slices(best: ImageGroup, stacks: Sequence[ImageGroup]) -> list[Finding]:
    """Cine slices that are no stack, and lie beside the analysed one or at its places."""
    loose = [s for s in stacks if s.n_slices < MIN_SLICES or s.length_mm < VENTRICLE_LENGTH_MM]
    loose = [s for s in loose if s is not best]
    beside = [s for s in loose if continues(best, s)]
    again = [
        s
        for s in loose
        if s not in beside and is_same_kind(best.planes[0], s.planes[0]) and overlaps(best, s)
    ]
    findings = []
    if beside:
        message = (
            f"{sum(s.n_slices for s in beside)} cine slice(s) next to the analysed stack were left out, "
            "since their direction, pixel grid, pulse sequence, heart rate or positions differ; the "
            "ventricle may be covered in part only."
        )
        findings.append(Finding("adjacent_slices_left_out", Severity.WARNING, message))
    if again:
        message = (
            f"{sum(s.n_slices for s in again)} slice(s) of the analysed stack were acquired again under "
            f"other conditions ({'; '.join(_described(s.condition, best.condition) for s in again)}) and "
            "left out."
        )
        findings.append(Finding("other_acquisition_left_out", Severity.WARNING, message))
    return findings


def _lacks_phases(group: ImageGroup, stack: ImageGroup) -> bool:
    """Whether a group may be what arrived of slices of the stack: too few phases for a cine, too many for
    stills."""
    is_kin = is_same_kind(stack.planes[0], group.planes[0])
    return is_kin and not group.is_cine and MAX_STILLS < group.n_phases < MIN_PHASES


def _altered_pixels(stack: ImageGroup) -> list[Finding]:
    n_annotated = sum(is_annotated(plane) for plane in stack.planes)
    if n_annotated == 0:
        return []
    message = (
        f"{n_annotated} of {len(stack.planes)} images were made by reading software or have something burnt "
        "in; the study holds no original ones."
    )
    return [Finding("annotated_images", Severity.WARNING, message)]
