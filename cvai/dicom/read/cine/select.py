"""Which images of a study are its short-axis cine; everything else is passed over with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cvai.dicom.read.cine.candidates import VENTRICLE_LENGTH_MM, Candidate, candidates_of
from cvai.dicom.read.cine.conditions import Condition
from cvai.dicom.read.cine.image_groups import (
    MAX_STILLS,
    MIN_PHASES,
    MIN_SLICES,
    ImageGroup,
    image_groups_of,
    is_annotated,
    is_same_kind,
    series_uid_of,
)
from cvai.dicom.read.cine.placement import is_placed
from cvai.dicom.read.cine.stacks import continues, is_similar_view, overlaps, stacks_of
from cvai.dicom.read.header.attributes import texts, whole_number
from cvai.dicom.read.values import CineNotFound, Component, Excluded, ImagePlane, Series, Study
from cvai.domain.findings import Finding, Severity

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
class _Examination:
    """What a study holds, sorted once for every choice that is made from it."""

    study: Study
    unsuitable: tuple[Excluded, ...]
    unplaced: tuple[ImagePlane, ...]
    parts: tuple[ImageGroup, ...]
    stacks: tuple[ImageGroup, ...]
    candidates: tuple[Candidate, ...]


def select_sax_cine(study: Study) -> CineSelection:
    """Find the short-axis cine of a study.

    The cine is the stack of parallel slices, each with many phases of one heartbeat, that covers the heart
    best, at rest where that can be told. Orientation, position, times and heart rates decide; descriptions,
    which every site words its own way, do not, except that what is called stress comes after what is not.

    Raises:
        CineNotFound: ``no_cine``, ``too_few_slices`` or ``too_few_phases``.
        FileRefused: nothing of the study could be read.
    """
    unsuitable = tuple(Excluded(s.series_uid, reason) for s in study.series if (reason := _unsuitable(s)))
    suitable = [s for s in study.series if not _unsuitable(s)]
    parts = tuple(part for s in suitable for part in image_groups_of(p for p in _usable(s) if is_placed(p)))
    stacks = tuple(stacks_of(parts))
    candidates = tuple(candidates_of([s for s in stacks if s.n_slices >= MIN_SLICES]))
    if not candidates:
        return _unplaced_cine(suitable, unsuitable) or _refuse(study, parts, unsuitable)
    seen = _Examination(study, unsuitable, tuple(_unplaced(suitable)), parts, stacks, candidates)
    best = candidates[0]
    alternatives = tuple(_selection(c, seen) for c in candidates[1:] if _may_replace(c, best))
    return _selection(best, seen, alternatives)


def _selection(
    chosen: Candidate, seen: _Examination, alternatives: tuple[CineSelection, ...] = ()
) -> CineSelection:
    stack = chosen.stack
    ids = {id(plane) for plane in stack.planes}
    left = [
        ImageGroup(rest) for part in seen.parts if (rest := tuple(p for p in part.planes if id(p) not in ids))
    ]
    return CineSelection(
        series_uid=stack.series_uids[0],
        planes=(*stack.planes, *(p for p in seen.unplaced if series_uid_of(p) in stack.series_uids)),
        excluded=(
            *seen.unsuitable,
            *(Excluded(uid, _reason(part, chosen, seen)) for part in left for uid in part.series_uids),
            *_unplaced_elsewhere(seen.unplaced, stack),
        ),
        findings=(
            *_other_stacks(chosen, seen.candidates),
            *_left_out_slices(stack, (*seen.stacks, *(part for part in left if _lacks_phases(part, stack)))),
            *_altered_pixels(stack),
        ),
        alternatives=alternatives,
        candidates=seen.candidates,
    )


def _may_replace(other: Candidate, best: Candidate) -> bool:
    """Whether to measure ``other`` if ``best`` fails: another view, or as much of the heart in the same
    state."""
    if not other.covers_ventricle:
        return False
    if not is_similar_view(best.stack, other.stack):
        return True
    is_long = other.length_mm >= _ALTERNATIVE_LENGTH * best.length_mm
    return is_long and other.stack.condition.is_like(best.stack.condition)


def _unsuitable(series: Series) -> str | None:
    """Why a whole series is out of the question; None where its images have to be looked at."""
    if series.modality != "MR":
        return f"not an MR series (modality {series.modality or 'not stated'})"
    if not series.planes:
        return "no images"
    if all("LOCALIZER" in texts(plane.header, "ImageType") for plane in series.planes):
        return "localizer"
    if not _usable(series):
        return "phase, velocity or colour images, no anatomy"
    return None


def _usable(series: Series) -> list[ImagePlane]:
    return [plane for plane in series.planes if _shows_anatomy(plane)]


def _shows_anatomy(plane: ImagePlane) -> bool:
    is_grey = (whole_number(plane.header, "SamplesPerPixel") or 1) == 1
    is_localizer = "LOCALIZER" in texts(plane.header, "ImageType")
    return is_grey and not is_localizer and plane.component in (None, Component.MAGNITUDE)


def _reason(part: ImageGroup, chosen: Candidate, seen: _Examination) -> str:
    """Why a part is not the cine that is analysed, in words for a person."""
    rival = next((c for c in seen.candidates if c is not chosen and _shares_images(c.stack, part)), None)
    if rival is None:
        return _reason_without_cine(part, chosen.stack)
    best = chosen.stack
    why = (
        f"which {rival.why_not(chosen)}"
        if rival.preference < chosen.preference
        else "which is not cut across the long axis or could not be measured"
    )
    return (
        f"{_size(part)}: a cine stack with {best.n_slices} slices x {best.n_phases} phases was preferred to "
        f"this one, {why}"
    )


def _reason_without_cine(part: ImageGroup, stack: ImageGroup | None) -> str:
    if part.n_phases < MIN_PHASES:
        return f"{_size(part)}: still images such as scouts, late enhancement or maps, no cine"
    if not part.is_cine:
        return f"{_size(part)}, not from one heartbeat: perfusion or another dynamic series"
    if stack is not None and is_same_kind(stack.planes[0], part.planes[0]) and overlaps(stack, part):
        return f"{_size(part)}: slices of the analysed stack from another acquisition"
    return f"{_size(part)}: a long-axis or single-slice cine, not a stack"


def _size(part: ImageGroup) -> str:
    return f"{part.n_slices} slice{'s' if part.n_slices > 1 else ''} x {part.n_phases} images"


def _shares_images(stack: ImageGroup, part: ImageGroup) -> bool:
    ids = {id(plane) for plane in stack.planes}
    return any(id(plane) in ids for plane in part.planes)


def _unplaced(suitable: Sequence[Series]) -> list[ImagePlane]:
    return [plane for series in suitable for plane in _usable(series) if not is_placed(plane)]


def _unplaced_elsewhere(unplaced: Sequence[ImagePlane], best: ImageGroup) -> list[Excluded]:
    series_uids = dict.fromkeys(series_uid_of(plane) for plane in unplaced)
    reason = "position, orientation or pixel spacing missing or invalid"
    return [Excluded(uid, reason) for uid in series_uids if uid not in best.series_uids]


def _unplaced_cine(suitable: Sequence[Series], unsuitable: Sequence[Excluded]) -> CineSelection | None:
    """The largest series that has as many images as a cine but does not place them.

    It is handed on as it is, so that the refusal names what its headers lack rather than deny the cine.
    """
    largest = max(suitable, key=lambda s: len(_unplaced([s])), default=None)
    if largest is None or len(_unplaced([largest])) < MIN_SLICES * MIN_PHASES:
        return None
    return CineSelection(largest.series_uid, tuple(_usable(largest)), tuple(unsuitable))


def _refuse(study: Study, parts: Sequence[ImageGroup], unsuitable: Sequence[Excluded]) -> CineSelection:
    if not parts and study.unreadable:
        raise study.unreadable[0]
    if not any(series.modality == "MR" for series in study.series if series.planes):
        raise _nothing_to_measure(study, unsuitable)
    excluded = (
        *unsuitable,
        *(Excluded(uid, _reason_without_cine(part, None)) for part in parts for uid in part.series_uids),
    )
    hint = "Send the study once its short-axis cine is complete."
    cines = stacks_of(parts)
    if cines:
        largest = max(part.n_slices for part in cines)
        message = f"The largest cine has {largest} parallel slice(s); a ventricle needs {MIN_SLICES} or more."
        raise CineNotFound("too_few_slices", message, hint, excluded)
    most = max((part.n_phases for part in parts if part.n_slices >= MIN_SLICES), default=0)
    if 1 < most < MIN_PHASES:
        message = f"The stack has {most} phases in a slice; a heartbeat needs {MIN_PHASES} or more."
        raise CineNotFound("too_few_phases", message, hint, excluded)
    message = f"The study holds no cine; {_seen(excluded)}."
    raise CineNotFound("no_cine", message, hint, excluded)


def _nothing_to_measure(study: Study, unsuitable: Sequence[Excluded]) -> CineNotFound:
    """CT, angiography and what else there is: nobody has to send anything."""
    modalities = sorted({series.modality or "not stated" for series in study.series if series.planes})
    held = f"images of modality {', '.join(modalities)}" if modalities else "no images"
    message = f"The study holds {held}: there is nothing to measure here."
    hint = "cvai measures short-axis cine MR and apical ultrasound loops; nothing has to be done."
    return CineNotFound("nothing_to_measure", message, hint, tuple(unsuitable))


def _seen(excluded: Sequence[Excluded]) -> str:
    reasons = list(dict.fromkeys(p.reason for p in excluded))
    if not reasons:
        return "it holds no series that could be read"
    shown = "; ".join(reasons[:4])
    return f"seen: {shown}" + (f"; and {len(reasons) - 4} more" if len(reasons) > 4 else "")


def _other_stacks(chosen: Candidate, candidates: Sequence[Candidate]) -> list[Finding]:
    """Other whole cines of the same view: at another heart rate, or the same thing once more."""
    others = [
        c
        for c in candidates
        if c is not chosen and c.length_mm >= VENTRICLE_LENGTH_MM and is_similar_view(chosen.stack, c.stack)
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
    loose = [s for s in stacks if s.n_slices < MIN_SLICES or not _is_whole(s)]
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


def _lacks_phases(part: ImageGroup, stack: ImageGroup) -> bool:
    """Whether a part may be what arrived of slices of the stack: too few phases for a cine, too many for
    stills."""
    is_kin = is_same_kind(stack.planes[0], part.planes[0])
    return is_kin and not part.is_cine and MAX_STILLS < part.n_phases < MIN_PHASES


def _is_whole(stack: ImageGroup) -> bool:
    return stack.positions_mm[-1] - stack.positions_mm[0] >= VENTRICLE_LENGTH_MM


def _altered_pixels(stack: ImageGroup) -> list[Finding]:
    n_annotated = sum(is_annotated(plane) for plane in stack.planes)
    if n_annotated == 0:
        return []
    message = (
        f"{n_annotated} of {len(stack.planes)} images were made by reading software or have something burnt "
        "in; the study holds no original ones."
    )
    return [Finding("annotated_images", Severity.WARNING, message)]
