"""Which measured loops of an ultrasound study give its numbers: of one examination, at rest, best seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cvai.analyses.echo_apical.analysis import MeasuredLoop
from cvai.analyses.echo_apical.codes import VIEW_NAMES
from cvai.dicom.read.ultrasound.sessions import sessions_of
from cvai.dicom.read.values import Excluded, LoopLeftOut
from cvai.domain.anatomy import Structure
from cvai.domain.beats import area_curve
from cvai.domain.echo.loop_times import seen_rate_bpm
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say

_SIMILAR_RATE_BPM = 10.0

_STRESS_RATIO, _STRESS_BPM = 1.5, 30.0
"""Loops whose heart rates differ by this ratio and by so much were not all acquired at rest."""

_REST_RATIO = 1.25
"""Up to this multiple of the slowest rate, loops count as acquired at rest with the slowest."""


@dataclass(frozen=True, slots=True, eq=False)
class LoopChoice:
    """The loops that are reported.

    Args:
        loops: one for each view, four-chamber view first.
        excluded: the others, with reasons.
        findings: what had to be left out that could have been measured.
    """

    loops: tuple[MeasuredLoop, ...]
    excluded: tuple[Excluded, ...]
    findings: tuple[Finding, ...]


def choose_loops(measured: Sequence[MeasuredLoop]) -> LoopChoice:
    """The best loop of each view, of one examination and at one heart rate.

    Args:
        measured: at least one.
    """
    session, session_findings = _of_one_session(measured)
    resting, rate_findings = _at_the_slowest_rate(session)
    loops = _best_of_each_view(resting)
    reasons = (
        *((loop, say("of another examination in the study")) for loop in measured if loop not in session),
        *((loop, say("acquired at a higher heart rate")) for loop in session if loop not in resting),
        *(
            (loop, say("another {view} loop was preferred", view=VIEW_NAMES[loop.view]))
            for loop in resting
            if loop not in loops
        ),
    )
    excluded = tuple(_left_out(loop, reason) for loop, reason in reasons)
    return LoopChoice(loops, excluded, (*session_findings, *rate_findings))


def with_chosen_loops(measured: Sequence[MeasuredLoop], chosen: Sequence[str]) -> LoopChoice:
    """The loops that a person chose, and for a view of which none was chosen the one that goes with them.

    A loop of another examination, or at a heart rate of stress beside one at rest, goes with none.

    Args:
        measured: loops of the study, the chosen ones among them.
        chosen: SOPInstanceUIDs, at least one; of two of one view the last one counts.
    """
    by_uid = {loop.source.images[0].sop_instance_uid: loop for loop in measured}
    by_view = {by_uid[uid].view: by_uid[uid] for uid in chosen}
    sessions = _sessions(measured)
    own = [session for session in sessions if any(loop in session for loop in by_view.values())]
    first = next(iter(by_view.values()))
    beside = [loop for loop in own[0] if loop.view not in by_view and not _is_stress_beside(loop, first)]
    if beside:
        best = max(beside, key=lambda loop: (_goes_with(first, loop), *_quality(loop)))
        by_view[best.view] = best
    loops = tuple(by_view[view] for view in VIEW_NAMES if view in by_view)
    excluded = tuple(
        _left_out(loop, say("another loop was chosen")) for loop in measured if loop not in loops
    )
    return LoopChoice(loops, excluded, _of_several_sessions() if len(own) > 1 else ())


def rate_bpm(loop: MeasuredLoop) -> float | None:
    """Heart rate as stated, else as seen; None where neither."""
    stated_bpm = loop.source.loop.heart_rate_bpm
    if stated_bpm is not None or loop.is_sparse:
        return stated_bpm
    return seen_rate_bpm(loop.source.loop, area_curve(loop.segmentation.area_curve_px(Structure.LV_CAVITY)))


def _left_out(loop: MeasuredLoop, reason: str) -> Excluded:
    image = loop.source.images[0]
    left = LoopLeftOut(image.sop_instance_uid, loop.view.value, len(loop.source.images), rate_bpm(loop))
    return Excluded(loop.source.series_uid, reason, left)


def _of_several_sessions() -> tuple[Finding, ...]:
    message = say("The loops that were chosen are of several examinations, hours or days apart.")
    return (Finding("several_examinations", Severity.WARNING, message),)


def _is_stress_beside(loop: MeasuredLoop, other: MeasuredLoop) -> bool:
    """Whether only one of both was acquired at rest, as far as their heart rates are known."""
    rates_bpm = [rate for rate in (rate_bpm(loop), rate_bpm(other)) if rate is not None]
    return len(rates_bpm) == 2 and _are_rest_and_stress(min(rates_bpm), max(rates_bpm))


def _are_rest_and_stress(slowest_bpm: float, fastest_bpm: float) -> bool:
    return fastest_bpm >= max(_STRESS_RATIO * slowest_bpm, slowest_bpm + _STRESS_BPM)


def _sessions(measured: Sequence[MeasuredLoop]) -> list[list[MeasuredLoop]]:
    """The loops of each examination, the earliest first."""
    headers = [loop.source.images[0].header for loop in measured]
    return [[measured[index] for index in indices] for indices in sessions_of(headers)]


def _of_one_session(measured: Sequence[MeasuredLoop]) -> tuple[list[MeasuredLoop], tuple[Finding, ...]]:
    """The loops of the latest examination that shows most views."""
    sessions = _sessions(measured)
    if len(sessions) == 1:
        return sessions[0], ()
    chosen = max(enumerate(sessions), key=lambda at: (len({loop.view for loop in at[1]}), at[0]))[1]
    message = say(
        "The study holds loops of {n_examinations} examinations, hours or days apart; {n_considered} "
        "of {n_loops} loops, of one of them, were considered.",
        n_examinations=len(sessions),
        n_considered=len(chosen),
        n_loops=len(measured),
    )
    return chosen, (Finding("several_examinations", Severity.WARNING, message),)


def _at_the_slowest_rate(loops: Sequence[MeasuredLoop]) -> tuple[list[MeasuredLoop], tuple[Finding, ...]]:
    """Stress examinations are not always named so; loops of unknown rate are left out of such."""
    rates_bpm = {id(loop): rate for loop in loops if (rate := rate_bpm(loop)) is not None}
    if not rates_bpm:
        return list(loops), ()
    slowest_bpm, fastest_bpm = min(rates_bpm.values()), max(rates_bpm.values())
    if not _are_rest_and_stress(slowest_bpm, fastest_bpm):
        return list(loops), ()
    limit_bpm = _REST_RATIO * slowest_bpm
    resting = [loop for loop in loops if rates_bpm.get(id(loop), fastest_bpm) <= limit_bpm]
    message = say(
        "Loops were acquired at heart rates of {slowest_bpm:.0f} to {fastest_bpm:.0f}/min; those up "
        "to {limit_bpm:.0f}/min are taken as acquired at rest, and only they were considered.",
        slowest_bpm=slowest_bpm,
        fastest_bpm=fastest_bpm,
        limit_bpm=limit_bpm,
    )
    return resting, (Finding("rest_by_heart_rate", Severity.WARNING, message),)


def _best_of_each_view(loops: Sequence[MeasuredLoop]) -> tuple[MeasuredLoop, ...]:
    """The four-chamber loop that is most surely one, and the two-chamber loop that goes with it."""
    four = [loop for loop in loops if loop.view is EchoView.APICAL_4_CHAMBER]
    two = [loop for loop in loops if loop.view is EchoView.APICAL_2_CHAMBER]
    if not four or not two:
        return (max(loops, key=_quality),)
    first = max(four, key=_quality)
    return first, max(two, key=lambda loop: (_goes_with(first, loop), *_quality(loop)))


def _quality(loop: MeasuredLoop) -> tuple[bool, bool, float]:
    is_calibrated = loop.source.loop.spacing_mm is not None
    return is_calibrated, not loop.contradicts_its_header, loop.segmentation.view_probability


def _goes_with(first: MeasuredLoop, second: MeasuredLoop) -> bool:
    """Of similar heart rate, as far as both are known."""
    rates_bpm = rate_bpm(first), rate_bpm(second)
    if rates_bpm[0] is None or rates_bpm[1] is None:
        return False
    return abs(rates_bpm[0] - rates_bpm[1]) <= _SIMILAR_RATE_BPM
