"""What labels on apical loops measure, whoever drew them: the model alone, or a reader after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.echo_apical.analysis import BIPLANE, EF_OWN_LENGTH, MeasuredLoop
from cvai.analyses.echo_apical.besides import SQUARE_PX, atria_of, strain_of
from cvai.analyses.echo_apical.choice import rate_bpm
from cvai.analyses.echo_apical.codes import VIEW_NAMES, VIEW_TITLES
from cvai.dicom.read.days import day_findings
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import subject_findings, subject_of_headers
from cvai.dicom.read.ultrasound.loops import AssembledLoop
from cvai.dicom.read.values import Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.domain.anatomy import Structure
from cvai.domain.beats import area_curve
from cvai.domain.body import with_body_size
from cvai.domain.echo.atrium import mean_atrial_volumes, measure_atrium
from cvai.domain.echo.doubt import fraction_doubt_findings, volume_doubts
from cvai.domain.echo.function import (
    KeyDiscs,
    Volumes,
    key_discs,
    mean_volumes,
    measure_echo,
    monoplane_volumes,
    require_ejection,
)
from cvai.domain.echo.hidden import hidden_findings
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.loop_times import checked_times
from cvai.domain.echo.not_drawn import not_drawn, not_drawn_findings, single_frames_finding
from cvai.domain.echo.quality import (
    atrial_lengths_findings,
    atrium_findings,
    biplane_findings,
    course_findings,
    disc_findings,
    enlargement_findings,
    is_atrium_cut,
    length_findings,
    loop_findings,
    strain_findings,
    volume_findings,
)
from cvai.domain.echo.simpson import disc_stack
from cvai.domain.echo.strain import measure_strain
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.normals import with_normal_ranges
from cvai.domain.phases import KeyPhases
from cvai.domain.subject import Subject
from cvai.domain.uncertainty import Uncertainty
from cvai.errors import HeartRefused

_VIEWS = (EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER)


class EchoMeasures(TypedDict):
    """Fields of ``EchoAnalysis`` that follow from its loops."""

    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    subject: Subject
    esv_factor: float


def measured(
    study: Study,
    loops: Sequence[MeasuredLoop],
    *,
    esv_factor: float,
    known: Uncertainty | None = None,
    first_findings: Sequence[Finding] = (),
) -> EchoMeasures:
    """Measure and judge.

    Args:
        study: which the loops are of.
        loops: one for each view, four-chamber view first, see ``with_atria_and_strain``.
        esv_factor: see ``EchoAnalysis``.
        known: how far the model's measurements may be off; None for a reader's, which have no intervals.
        first_findings: come before those that are made here.

    Nothing is measured as long as a reader has not drawn every loop in both phases.

    Raises:
        HeartRefused: ``no_ejection``.
    """
    discs = {loop.view: loop.discs for loop in loops}
    if not all(discs.values()):
        return _unmeasured(study, loops, first_findings)
    volumes = volumes_of(discs, esv_factor)
    calibrated = all(loop.source.loop.spacing_mm is not None for loop in loops)
    headers = [loop.source.images[0].header for loop in loops]
    subject = subject_of_headers(headers, reports_of(study))
    found: tuple[Measurement, ...] = (
        *measure_echo(volumes, heart_rate_bpm(loops) or subject.heart_rate_bpm, calibrated=calibrated),
        fraction_by_own_length(discs, esv_factor),
        *_atrium(loops, calibrated=calibrated),
        *measure_strain(
            {loop.view: loop.strain for loop in loops},
            {loop.view: loop.source.loop.times_ms for loop in loops},
        ),
    )
    findings = (
        *first_findings,
        *_findings(loops, calibrated=calibrated),
        *volume_findings(volumes, _first_beats(loops), calibrated=calibrated),
        *subject_findings(headers, subject),
        *day_findings(headers),
        *unreadable_findings(study),
    )
    if known is not None:
        own = _of_loops(known, loops)
        found = tuple(own.around(m, known_as=_of_view(m.name, view_of(loops))) for m in found)
        findings = (*findings, *_doubt_findings(own, loops))
    measurements = _with_normal_ranges(with_body_size(found, subject), subject, findings)
    atrium_index = next((m for m in measurements if m.name == "la_max_index"), None)
    return EchoMeasures(
        measurements=measurements,
        findings=(*findings, *enlargement_findings(atrium_index)),
        subject=subject,
        esv_factor=esv_factor,
    )


def _unmeasured(
    study: Study, loops: Sequence[MeasuredLoop], first_findings: Sequence[Finding]
) -> EchoMeasures:
    headers = [loop.source.images[0].header for loop in loops]
    subject = subject_of_headers(headers, reports_of(study))
    of_sources = [f.in_view(loop.view.value) for loop in loops for f in loop.source.findings]
    missing = [one for loop in loops for one in not_drawn(loop.segmentation, loop.beats)]
    findings = (
        *first_findings,
        *_one_of_each_code(of_sources),
        *not_drawn_findings(missing, VIEW_NAMES),
        *subject_findings(headers, subject),
        *day_findings(headers),
        *unreadable_findings(study),
    )
    return EchoMeasures(measurements=(), findings=findings, subject=subject, esv_factor=1.0)


def volumes_of(discs: Mapping[EchoView, tuple[KeyDiscs, ...]], esv_factor: float) -> Volumes:
    """Mean volumes of all beats, the end-systolic one times the factor.

    Raises:
        HeartRefused: ``no_ejection``.
    """
    volumes = _mean_volumes(discs, esv_factor)
    require_ejection(volumes)
    return volumes


def fraction_by_own_length(discs: Mapping[EchoView, tuple[KeyDiscs, ...]], esv_factor: float) -> Measurement:
    """Ejection fraction of discs whose height is that of each phase's own axis, as many machines show it."""
    return Measurement(EF_OWN_LENGTH, _mean_volumes(discs, esv_factor, own_length=True).ef_percent, "%")


def _mean_volumes(
    discs: Mapping[EchoView, tuple[KeyDiscs, ...]], esv_factor: float, *, own_length: bool = False
) -> Volumes:
    by_view = (discs.get(view, ()) for view in _VIEWS)
    return mean_volumes(*by_view, own_length=own_length).with_esv_times(esv_factor)


def view_of(loops: Sequence[MeasuredLoop]) -> str:
    """``a4c``, ``a2c`` or ``biplane``."""
    return BIPLANE if len(loops) > 1 else loops[0].view.value


def with_beats_found(source: AssembledLoop, segmentation: LoopSegmentation) -> MeasuredLoop:
    """Beats whose discs give volumes of a heart; a frame without a mitral plane costs its beat, not the loop.

    Raises:
        HeartRefused: no beat has such discs.
    """
    curve = area_curve(segmentation.area_curve_px(Structure.LV_CAVITY))
    source = _with_checked_times(source, segmentation)
    beats: list[KeyPhases] = []
    discs: list[KeyDiscs] = []
    refusal: HeartRefused | None = None
    for beat in curve.beats or (curve.extremes,):
        try:
            stacks = key_discs(segmentation, beat, source.loop.spacing_mm or SQUARE_PX)
            require_ejection(monoplane_volumes(stacks))
        except HeartRefused as error:
            refusal = error
        else:
            discs.append(stacks)
            beats.append(beat)
    if refusal is not None and not beats:
        raise refusal
    return MeasuredLoop(source, segmentation, tuple(beats), tuple(discs))


def with_beats(
    source: AssembledLoop, segmentation: LoopSegmentation, beats: tuple[KeyPhases, ...]
) -> MeasuredLoop:
    """Beats that a reader has looked at, with their discs.

    Raises:
        HeartRefused: ``mitral_plane_not_found``, in a frame that the message names.
    """
    spacing = source.loop.spacing_mm or SQUARE_PX
    labels, view = segmentation.labels, segmentation.view
    discs = tuple(discs_of_beat(view, beat, labels.__getitem__, spacing) for beat in beats)
    return MeasuredLoop(_with_checked_times(source, segmentation), segmentation, beats, discs)


def discs_of_beat(
    view: EchoView,
    beat: KeyPhases,
    labels_at: Callable[[int], NDArray[np.uint8]],
    spacing_mm: tuple[float, float],
) -> KeyDiscs:
    """Discs of a beat that a reader has looked at; ``labels_at`` gives the (y, x) labels of a frame.

    Raises:
        HeartRefused: ``mitral_plane_not_found``, in a frame that the message names.
    """
    stacks = []
    for t in (beat.end_diastole, beat.end_systole):
        try:
            stacks.append(disc_stack(labels_at(t), spacing_mm))
        except HeartRefused as refusal:
            message = say(
                "{view} view, frame {frame}: {reason}",
                view=VIEW_TITLES[view],
                frame=t + 1,
                reason=refusal.message,
            )
            raise HeartRefused(refusal.code, message, refusal.hint) from refusal
    return KeyDiscs(*stacks)


def _with_checked_times(source: AssembledLoop, segmentation: LoopSegmentation) -> AssembledLoop:
    """The loop without times and heart rate that its beats contradict."""
    curve = area_curve(segmentation.area_curve_px(Structure.LV_CAVITY))
    checked = checked_times(VIEW_NAMES[segmentation.view], source.loop, curve)
    return replace(source, loop=checked.loop, findings=(*source.findings, *checked.findings))


def with_atria_and_strain(loop: MeasuredLoop) -> MeasuredLoop:
    """The loop with what only those loops are asked for that are reported."""
    seen = (loop.source.loop, loop.segmentation, loop.beats)
    hidden = hidden_findings(VIEW_NAMES[loop.view], loop.source.loop, loop.segmentation, loop.beats[0])
    strain = strain_of(*seen, is_hidden=bool(hidden))
    return replace(loop, atria=atria_of(*seen), strain=strain, hidden=hidden)


def may_share_scale(first: EchoLoop, second: EchoLoop) -> bool:
    """Whether two loops without a size of their pixels may share it, being of one matrix."""
    uncalibrated = first.spacing_mm is None and second.spacing_mm is None
    return uncalibrated and first.frames.shape[1:] == second.frames.shape[1:]


def _atrium(loops: Sequence[MeasuredLoop], *, calibrated: bool) -> tuple[Measurement, ...]:
    """The left atrium; nothing where a view lacks it."""
    if not all(loop.atria for loop in loops):
        return ()
    atria = {loop.view: loop.atria for loop in loops}
    return measure_atrium(mean_atrial_volumes(*(atria.get(v, ()) for v in _VIEWS)), calibrated=calibrated)


def _of_loops(known: Uncertainty, loops: Sequence[MeasuredLoop]) -> Uncertainty:
    """Half-widths of these loops; those that hold for every patient where the network showed no doubt."""
    shown = [(loop.segmentation.doubts, beat) for loop in loops for beat in loop.beats]
    frames = [(d[beat.end_diastole], d[beat.end_systole]) for d, beat in shown if d is not None]
    if len(frames) < len(shown):
        return known
    doubts = volume_doubts(*zip(*frames, strict=True))
    return known.at_doubts({_of_view(name, view_of(loops)): doubt for name, doubt in doubts.items()})


def _of_view(name: str, view: str) -> str:
    """What a card calls a measurement of these views: one alone is less sure than two."""
    return name if view == BIPLANE or name.endswith(f"_{view}") else f"{name}_{view}"


def _doubt_findings(own: Uncertainty, loops: Sequence[MeasuredLoop]) -> tuple[Finding, ...]:
    """Of both views: that one view alone is unsure is said of each (``single_plane``)."""
    if view_of(loops) != BIPLANE:
        return ()
    open_shares = {
        Place(t, view=loop.view.value): float(loop.segmentation.doubts[t])
        for loop in loops
        if loop.segmentation.doubts is not None
        for t in (loop.beats[0].end_diastole, loop.beats[0].end_systole)
    }
    return fraction_doubt_findings(own.half_width("lv_ef", 0.0), open_shares)


def _with_normal_ranges(
    measurements: tuple[Measurement, ...], subject: Subject, findings: Sequence[Finding]
) -> tuple[Measurement, ...]:
    """Ranges are of hearts at rest."""
    if any(finding.code == "not_at_rest" for finding in findings):
        return measurements
    return with_normal_ranges(measurements, subject, "US")


def heart_rate_bpm(loops: Sequence[MeasuredLoop]) -> float | None:
    """Mean of what the loops state; none where one of them is contradicted."""
    if any(f.code == "heart_rate_contradicted" for loop in loops for f in loop.source.findings):
        return None
    rates = [r for loop in loops if (r := loop.source.loop.heart_rate_bpm) is not None]
    return float(np.mean(rates)) if rates else None


def _findings(loops: Sequence[MeasuredLoop], *, calibrated: bool) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    for loop in loops:
        name = VIEW_NAMES[loop.view]
        of_loop = (
            *loop.source.findings,
            *_stated_otherwise(loop),
            *loop_findings(name, loop.source.loop, loop.segmentation, loop.beats),
            *((single_frames_finding(),) if loop.is_sparse else course_findings(name, loop.segmentation)),
            *loop.hidden,
            *disc_findings(name, loop.discs[0], loop.beats[0]),
            *(length_findings(name, loop.discs[0], loop.beats[0]) if calibrated else ()),
            *atrium_findings(name, cut=_is_atrium_cut(loop), measured=bool(loop.atria), beat=loop.beats[0]),
            *strain_findings(name, loop.strain),
        )
        findings += (finding.in_view(loop.view.value) for finding in of_loop)
    if len(loops) == 1:
        message = say(
            "Only an {view} view was measured; two views are more reliable.", view=VIEW_NAMES[loops[0].view]
        )
        findings.append(Finding("single_plane", Severity.WARNING, message).in_view(loops[0].view.value))
    else:
        first, second = loops
        rates_bpm = (rate_bpm(first), rate_bpm(second))
        one_scale = calibrated or may_share_scale(first.source.loop, second.source.loop)
        findings += biplane_findings(
            first.discs[0], second.discs[0], rates_bpm, _first_beats(loops), one_scale=one_scale
        )
        if calibrated and first.atria and second.atria:
            lengths_mm = [loop.atria[0].largest.axis.length_mm for loop in loops]
            findings += atrial_lengths_findings(lengths_mm, _first_beats(loops))
    return _one_of_each_code(findings)


def _is_atrium_cut(loop: MeasuredLoop) -> bool:
    return is_atrium_cut(loop.source.loop, loop.segmentation, loop.beats)


def _one_of_each_code(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The last of each code; where both views have the same to say, it leads to both."""
    by_code: dict[str, Finding] = {}
    for finding in findings:
        former = by_code.get(finding.code)
        earlier = former.where if former is not None and former.message == finding.message else ()
        by_code[finding.code] = replace(finding, where=(*earlier, *finding.where))
    return tuple(by_code.values())


def _first_beats(loops: Sequence[MeasuredLoop]) -> dict[str, KeyPhases]:
    """The beat to look at in each view."""
    return {loop.view.value: loop.beats[0] for loop in loops}


def _stated_otherwise(loop: MeasuredLoop) -> tuple[Finding, ...]:
    stated = loop.source.stated_view
    if stated is None or not loop.contradicts_its_header:
        return ()
    message = say(
        "A loop stated as {stated} was measured as {view} view.",
        stated=stated.name,
        view=VIEW_NAMES[loop.view],
    )
    return (Finding("view_contradicts_header", Severity.WARNING, message),)
