"""Which images of a study are its short-axis cine; everything else is passed over with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvai.heart.findings import Finding, Severity
from cvai.study.header import texts, whole_number
from cvai.study.parts import MIN_PHASES, MIN_SLICES, Part, parts_of, series_uid_of
from cvai.study.placement import is_placed, normal_of
from cvai.study.stacks import continues, stacks_of
from cvai.study.values import CineNotFound, ImagePlane, PassedOver, Series, Study

_LONG_AXIS_LPS = np.array([0.70, -0.55, -0.45])
"""Usual direction of the left ventricle from base to apex: to the left, to the front, down. Short-axis slices
stand across it, transverse and long-axis ones do not. Only used to prefer one stack over another."""

_SHORT_AXIS_MIN_COSINE = 0.7
"""Short-axis stacks lie within 45 degrees of the usual direction; a transverse stack is 63 degrees away."""

_VENTRICLE_LENGTH_MM = 50.0
"""A stack that covers less does not hold a whole adult ventricle."""

_PHASE_IMAGE_TYPES = frozenset(
    {"P", "PHASE", "PHASE MAP", "PHASE_MAP", "VELOCITY", "VELOCITY_MAP", "FLOW_MAP"}
)


@dataclass(frozen=True, slots=True, eq=False)
class CineSelection:
    """The images to assemble.

    Args:
        series_uid: series of the cine, the first one if several were joined.
        planes: every image of the cine, in no particular order.
        passed_over: what was left aside, with reasons.
        findings: what a reader should know about the choice.
    """

    series_uid: str
    planes: tuple[ImagePlane, ...]
    passed_over: tuple[PassedOver, ...]
    findings: tuple[Finding, ...] = ()


def select_sax_cine(study: Study) -> CineSelection:
    """Find the short-axis cine of a study.

    The cine is the stack of parallel slices, each with many phases of one heartbeat, that covers the heart
    best. Orientation, position and times decide; descriptions, which every site words its own way, do not.

    Raises:
        CineNotFound: ``no_cine``, ``too_few_slices`` or ``too_few_phases``.
    """
    unsuitable = [PassedOver(s.series_uid, reason) for s in study.series if (reason := _unsuitable(s))]
    suitable = [s for s in study.series if not _unsuitable(s)]
    parts = [part for s in suitable for part in parts_of(p for p in _usable(s) if is_placed(p))]
    stacks = [s for s in stacks_of(parts) if s.n_slices >= MIN_SLICES]
    if not stacks:
        return _unplaced_cine(suitable, unsuitable) or _refuse(parts, unsuitable)
    best = max(stacks, key=_preference)
    chosen = {id(plane) for plane in best.planes}
    left = [Part(rest) for part in parts if (rest := tuple(p for p in part.planes if id(p) not in chosen))]
    unplaced = _unplaced(suitable)
    return CineSelection(
        series_uid=best.series_uids[0],
        planes=(*best.planes, *(p for p in unplaced if series_uid_of(p) in best.series_uids)),
        passed_over=(
            *unsuitable,
            *(PassedOver(uid, _reason(part, best)) for part in left for uid in part.series_uids),
            *_unplaced_elsewhere(unplaced, best),
        ),
        findings=(*_left_out_neighbours(best, left), *_unreadable_files(study)),
    )


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
    image_type = texts(plane.header, "ImageType")
    is_grey = (whole_number(plane.header, "SamplesPerPixel") or 1) == 1
    return is_grey and "LOCALIZER" not in image_type and not _PHASE_IMAGE_TYPES.intersection(image_type[2:])


def _preference(stack: Part) -> tuple[bool, bool, int, int, int]:
    coverage_mm = stack.positions_mm[-1] - stack.positions_mm[0]
    cosine = abs(float(normal_of(stack.planes[0]) @ _LONG_AXIS_LPS)) / float(np.linalg.norm(_LONG_AXIS_LPS))
    return (
        coverage_mm >= _VENTRICLE_LENGTH_MM,
        cosine >= _SHORT_AXIS_MIN_COSINE,
        stack.n_slices,
        stack.n_phases,
        stack.latest_series_number,
    )


def _reason(part: Part, best: Part | None) -> str:
    """Why a part is not the cine that is analysed, in words for a person."""
    images = f"{part.n_slices} slice{'s' if part.n_slices > 1 else ''} x {part.n_phases} images"
    if part.n_phases < MIN_PHASES:
        return f"{images}: still images such as scouts, late enhancement or maps, no cine"
    if not part.is_cine:
        return f"{images}, not from one heartbeat: perfusion or another dynamic series"
    if part.n_slices < MIN_SLICES or best is None:
        return f"{images}: a long-axis or single-slice cine, not a stack"
    return f"{images}: a cine stack with {best.n_slices} slices x {best.n_phases} phases was preferred"


def _unplaced(suitable: Sequence[Series]) -> list[ImagePlane]:
    return [plane for series in suitable for plane in _usable(series) if not is_placed(plane)]


def _unplaced_elsewhere(unplaced: Sequence[ImagePlane], best: Part) -> list[PassedOver]:
    series_uids = dict.fromkeys(series_uid_of(plane) for plane in unplaced)
    reason = "position, orientation or pixel spacing missing or invalid"
    return [PassedOver(uid, reason) for uid in series_uids if uid not in best.series_uids]


def _unplaced_cine(suitable: Sequence[Series], unsuitable: Sequence[PassedOver]) -> CineSelection | None:
    """The largest series that has as many images as a cine but does not place them.

    It is handed on as it is, so that the refusal names what its headers lack rather than deny the cine.
    """
    largest = max(suitable, key=lambda s: len(_unplaced([s])), default=None)
    if largest is None or len(_unplaced([largest])) < MIN_SLICES * MIN_PHASES:
        return None
    return CineSelection(largest.series_uid, tuple(_usable(largest)), tuple(unsuitable))


def _refuse(parts: Sequence[Part], unsuitable: Sequence[PassedOver]) -> CineSelection:
    passed_over = (
        *unsuitable,
        *(PassedOver(uid, _reason(part, None)) for part in parts for uid in part.series_uids),
    )
    hint = "Send the study once its short-axis cine is complete."
    cines = stacks_of(parts)
    if cines:
        largest = max(part.n_slices for part in cines)
        message = f"The largest cine has {largest} parallel slice(s); a ventricle needs {MIN_SLICES} or more."
        raise CineNotFound("too_few_slices", message, hint, passed_over)
    most = max((part.n_phases for part in parts if part.n_slices >= MIN_SLICES), default=0)
    if 1 < most < MIN_PHASES:
        message = f"The stack has {most} phases in a slice; a heartbeat needs {MIN_PHASES} or more."
        raise CineNotFound("too_few_phases", message, hint, passed_over)
    message = f"The study holds no cine; {_seen(passed_over)}."
    raise CineNotFound("no_cine", message, hint, passed_over)


def _seen(passed_over: Sequence[PassedOver]) -> str:
    reasons = list(dict.fromkeys(p.reason for p in passed_over))
    if not reasons:
        return "it holds no series that could be read"
    shown = "; ".join(reasons[:4])
    return f"seen: {shown}" + (f"; and {len(reasons) - 4} more" if len(reasons) > 4 else "")


def _left_out_neighbours(best: Part, left: Sequence[Part]) -> list[Finding]:
    n_slices = sum(part.n_slices for part in left if part.is_cine and continues(best, part))
    if n_slices == 0:
        return []
    message = (
        f"{n_slices} parallel cine slice(s) next to the analysed stack were left out, since their pixel "
        "grid, pulse sequence or positions differ; the ventricle may be covered in part only."
    )
    return [Finding("adjacent_slices_left_out", Severity.WARNING, message)]


def _unreadable_files(study: Study) -> list[Finding]:
    """Damaged files that have no place in a series and may have belonged to the cine."""
    placed = {id(p.defect) for s in study.series for p in s.planes if p.defect is not None}
    n_files = sum(id(refusal) not in placed for refusal in study.unreadable)
    if n_files == 0:
        return []
    message = f"{n_files} file(s) of the study could not be read; the cine may be incomplete."
    return [Finding("unreadable_files", Severity.WARNING, message)]
