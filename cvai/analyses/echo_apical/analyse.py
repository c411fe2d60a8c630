"""One ultrasound study, in one straight line.

::

    Study -> grey loops -> sector, size of a pixel, times -> labels and view -> beats -> discs -> EF, volumes
          -> left atrium, strain -> findings -> EchoAnalysis
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cvai import __version__
from cvai.analyses.echo_apical.analysis import BIPLANE, EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.besides import SQUARE_PX, atria_of, strain_of
from cvai.analyses.echo_apical.choice import choose_loops, rate_bpm
from cvai.analyses.echo_apical.codes import VIEW_NAMES
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import subject_of_headers
from cvai.dicom.read.ultrasound.loops import AssembledLoop, assemble_loop, select_loops
from cvai.dicom.read.values import CineNotFound, Excluded, Images, Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.domain.anatomy import Structure
from cvai.domain.beats import area_curve
from cvai.domain.body import with_body_size
from cvai.domain.echo.atrium import mean_atrial_volumes, measure_atrium
from cvai.domain.echo.function import (
    KeyDiscs,
    key_discs,
    mean_volumes,
    measure_echo,
    monoplane_volumes,
    require_ejection,
)
from cvai.domain.echo.loop import LoopSegmentation
from cvai.domain.echo.loop_times import checked_times
from cvai.domain.echo.quality import (
    atrial_lengths_findings,
    atrium_findings,
    biplane_findings,
    disc_findings,
    enlargement_findings,
    is_atrium_cut,
    loop_findings,
    strain_findings,
    volume_findings,
)
from cvai.domain.echo.strain import measure_strain
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.normals import with_normal_ranges
from cvai.domain.phases import KeyPhases
from cvai.domain.subject import Subject
from cvai.domain.uncertainty import Uncertainty
from cvai.errors import HeartRefused, Refused
from cvai.models.echo import EchoSegmenter

_VIEWS = (EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER)


def analyse_echo(study: Study, segmenter: EchoSegmenter, watch: Stopwatch) -> EchoAnalysis:
    """Find the best loop of each apical view, measure it and judge it.

    Raises:
        Refused: the study cannot be measured honestly.
    """
    with watch.stage("select"):
        patient = study.patient()
        selection = select_loops(study)
    measured, excluded = _measured_loops(selection.loops, segmenter, watch)
    with watch.stage("measure"):
        choice = choose_loops(measured)
        loops = tuple(_with_atria_and_strain(loop) for loop in choice.loops)
        beats = {loop.view: loop.discs for loop in loops}
        view_name = BIPLANE if len(loops) > 1 else loops[0].view.value
        esv_factor = segmenter.esv_factors.get(view_name, 1.0)
        volumes = mean_volumes(*(beats.get(view, ()) for view in _VIEWS)).with_esv_times(esv_factor)
        require_ejection(volumes)
        calibrated = all(loop.source.loop.spacing_mm is not None for loop in loops)
        measurements = (
            *measure_echo(volumes, _heart_rate_bpm(loops), calibrated=calibrated),
            *_atrium(loops, calibrated=calibrated),
            *measure_strain(
                {loop.view: loop.strain for loop in loops},
                {loop.view: loop.source.loop.times_ms for loop in loops},
            ),
        )
        findings = (
            *selection.findings,
            *choice.findings,
            *_findings(loops, calibrated=calibrated),
            *volume_findings(volumes, _first_beats(loops), calibrated=calibrated),
            *unreadable_findings(study),
        )
    if segmenter.uncertainty is not None:
        measurements = tuple(_with_interval(m, segmenter.uncertainty, view_name) for m in measurements)
    subject = subject_of_headers([loop.source.images[0].header for loop in loops], reports_of(study))
    measurements = _with_normal_ranges(with_body_size(measurements, subject), subject, findings)
    atrium_index = next((m for m in measurements if m.name == "la_max_index"), None)
    return EchoAnalysis(
        study_uid=study.study_uid,
        patient=patient,
        loops=loops,
        measurements=measurements,
        findings=(*findings, *enlargement_findings(atrium_index)),
        excluded=(*selection.excluded, *excluded, *choice.excluded),
        model=segmenter.identity,
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
        subject=subject,
        esv_factor=esv_factor,
    )


def _measured_loops(
    loops: Sequence[Images], segmenter: EchoSegmenter, watch: Stopwatch
) -> tuple[list[MeasuredLoop], list[Excluded]]:
    """Every loop that shows an apical view and can be measured; the frames of others are not kept.

    Raises:
        Refused: none can; where there is one loop only, with that loop's own refusal.
    """
    measured: list[MeasuredLoop] = []
    excluded: list[Excluded] = []
    refusals: list[Refused] = []
    for images in loops:
        try:
            measured.append(_measured(images, segmenter, watch))
        except Refused as refusal:
            refusals.append(refusal)
            excluded.append(Excluded(images[0].series_uid, f"{refusal.code}: {refusal.message}"))
    if measured:
        return measured, excluded
    if len(loops) == 1:
        raise refusals[0]
    reasons = "; ".join(dict.fromkeys(p.reason for p in excluded))
    is_one_reason = len({refusal.code for refusal in refusals}) == 1
    raise CineNotFound(
        refusals[0].code if is_one_reason else "no_apical_view",
        f"None of {len(loops)} loops can be measured: {reasons}",
        refusals[0].hint if is_one_reason else "Send apical four- and two-chamber loops in grey scale.",
        tuple(excluded),
    )


def _measured(images: Images, segmenter: EchoSegmenter, watch: Stopwatch) -> MeasuredLoop:
    with watch.stage("assemble"):
        source = assemble_loop(images)
    with watch.inference():
        segmentation = segmenter.segment(source.loop)
    if segmentation.view is EchoView.OTHER:
        stated = "" if source.stated_view is None else f", though stated as {source.stated_view.name}"
        raise CineNotFound(
            "no_apical_view",
            f"The loop shows neither an apical four- nor a two-chamber view "
            f"(probability {100 * segmentation.view_probability:.0f} %){stated}.",
            "Send apical four- and two-chamber loops.",
            (),
        )
    with watch.stage("measure"):
        return _with_discs(source, segmentation)


def _with_discs(source: AssembledLoop, segmentation: LoopSegmentation) -> MeasuredLoop:
    """Beats whose discs give volumes of a heart; a frame without a mitral plane costs its beat, not the loop.

    Raises:
        HeartRefused: no beat has such discs.
    """
    curve = area_curve(segmentation.area_curve_px(Structure.LV_CAVITY))
    checked = checked_times(VIEW_NAMES[segmentation.view], source.loop, curve)
    source = replace(source, loop=checked.loop, findings=(*source.findings, *checked.findings))
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


def _with_atria_and_strain(loop: MeasuredLoop) -> MeasuredLoop:
    """The loop with what only those loops are asked for that are reported."""
    seen = (loop.source.loop, loop.segmentation, loop.beats)
    return replace(loop, atria=atria_of(*seen), strain=strain_of(*seen))


def _atrium(loops: Sequence[MeasuredLoop], *, calibrated: bool) -> tuple[Measurement, ...]:
    """The left atrium; nothing where a view lacks it."""
    if not all(loop.atria for loop in loops):
        return ()
    atria = {loop.view: loop.atria for loop in loops}
    return measure_atrium(mean_atrial_volumes(*(atria.get(v, ()) for v in _VIEWS)), calibrated=calibrated)


def _with_interval(measurement: Measurement, uncertainty: Uncertainty, view: str) -> Measurement:
    """Its interval; one view alone is less sure than two, and the card says how much."""
    if view == BIPLANE:
        return uncertainty.around(measurement)
    of_view = uncertainty.around(replace(measurement, name=f"{measurement.name}_{view}"))
    return replace(of_view, name=measurement.name)


def _with_normal_ranges(
    measurements: tuple[Measurement, ...], subject: Subject, findings: Sequence[Finding]
) -> tuple[Measurement, ...]:
    """Ranges are of hearts at rest."""
    if any(finding.code == "not_at_rest" for finding in findings):
        return measurements
    return with_normal_ranges(measurements, subject, "US")


def _heart_rate_bpm(loops: Sequence[MeasuredLoop]) -> float | None:
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
            *disc_findings(name, loop.discs[0], loop.beats[0]),
            *atrium_findings(name, cut=_is_atrium_cut(loop), measured=bool(loop.atria), beat=loop.beats[0]),
            *strain_findings(name, loop.strain),
        )
        findings += (finding.in_view(loop.view.value) for finding in of_loop)
    if len(loops) == 1:
        message = f"Only an {VIEW_NAMES[loops[0].view]} view was measured; two views are more reliable."
        findings.append(Finding("single_plane", Severity.WARNING, message).in_view(loops[0].view.value))
    else:
        first, second = loops
        rates_bpm = (rate_bpm(first), rate_bpm(second))
        findings += biplane_findings(first.discs[0], second.discs[0], rates_bpm, _first_beats(loops))
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
    message = (
        f"A loop stated as {stated.name} was measured as {VIEW_NAMES[loop.view]} view, which it looks like."
    )
    return (Finding("view_contradicts_header", Severity.WARNING, message),)
