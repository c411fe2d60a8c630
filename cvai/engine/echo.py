"""One ultrasound study, in one straight line.

::

    Study -> grey loops -> sector, size of a pixel, times -> labels and view -> beats -> discs -> EF, volumes
          -> findings -> EchoAnalysis
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cvai import __version__
from cvai.engine.watch import Stopwatch
from cvai.errors import HeartRefused, Refused
from cvai.heart.anatomy import Structure
from cvai.heart.beats import beats_of
from cvai.heart.body import with_body_size
from cvai.heart.echo import EchoView
from cvai.heart.echo_function import KeyDiscs, key_discs, mean_volumes, measure_echo
from cvai.heart.echo_quality import biplane_findings, disc_findings, loop_findings
from cvai.heart.findings import Finding, Severity
from cvai.heart.loop import LoopSegmentation
from cvai.heart.measurement import Measurement
from cvai.heart.normals import with_normal_ranges
from cvai.heart.phases import KeyPhases
from cvai.heart.uncertainty import Uncertainty
from cvai.inference.echo import EchoSegmenter
from cvai.results.echo_analysis import BIPLANE, EchoAnalysis, MeasuredLoop
from cvai.results.echo_codes import VIEW_NAMES
from cvai.study.parts import series_uid_of
from cvai.study.subject import subject_of_headers
from cvai.study.ultrasound import AssembledLoop, assemble_loop, select_loops
from cvai.study.values import CineNotFound, Images, PassedOver, Study

_SQUARE_PX = (1.0, 1.0)
_SIMILAR_RATE_BPM = 10.0


def analyse_echo(study: Study, segmenter: EchoSegmenter, watch: Stopwatch) -> EchoAnalysis:
    """Find the best loop of each apical view, measure it and judge it.

    Raises:
        Refused: the study cannot be measured honestly.
    """
    with watch.stage("select"):
        patient = study.patient()
        selection = select_loops(study)
    measured, passed_over = _measured_loops(selection.loops, segmenter, watch)
    passed_over = [*selection.passed_over, *passed_over]
    with watch.stage("measure"):
        loops = _best_of_each_view(measured)
        passed_over += [_preferred(loop) for loop in measured if loop not in loops]
        beats = {loop.view: loop.discs for loop in loops}
        view = BIPLANE if len(loops) > 1 else loops[0].view.value
        esv_factor = segmenter.esv_factors.get(view, 1.0)
        volumes = mean_volumes(
            *(beats.get(v, ()) for v in (EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER))
        ).with_esv_times(esv_factor)
        calibrated = all(loop.source.loop.spacing_mm is not None for loop in loops)
        measurements = measure_echo(volumes, _heart_rate_bpm(loops), calibrated=calibrated)
        findings = _findings(loops)
    if segmenter.uncertainty is not None:
        measurements = tuple(_with_interval(m, segmenter.uncertainty, view) for m in measurements)
    subject = subject_of_headers([loop.source.images[0].header for loop in loops])
    return EchoAnalysis(
        study_uid=study.study_uid,
        patient=patient,
        loops=loops,
        measurements=with_normal_ranges(with_body_size(measurements, subject), subject, "US"),
        findings=findings,
        passed_over=tuple(passed_over),
        model=segmenter.identity,
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
        subject=subject,
        esv_factor=esv_factor,
    )


def _measured_loops(
    loops: Sequence[Images], segmenter: EchoSegmenter, watch: Stopwatch
) -> tuple[list[MeasuredLoop], list[PassedOver]]:
    """Every loop that shows an apical view and can be measured; the frames of others are not kept.

    Raises:
        Refused: none can; where there is one loop only, with that loop's own refusal.
    """
    measured: list[MeasuredLoop] = []
    passed_over: list[PassedOver] = []
    refusals: list[Refused] = []
    for images in loops:
        try:
            measured.append(_measured(images, segmenter, watch))
        except Refused as refusal:
            refusals.append(refusal)
            passed_over.append(PassedOver(series_uid_of(images[0]), f"{refusal.code}: {refusal.message}"))
    if measured:
        return measured, passed_over
    if len(loops) == 1:
        raise refusals[0]
    reasons = "; ".join(dict.fromkeys(p.reason for p in passed_over))
    raise CineNotFound(
        "no_apical_view",
        f"None of {len(loops)} loops can be measured: {reasons}",
        "Send apical four- and two-chamber loops in grey scale.",
        tuple(passed_over),
    )


def _measured(images: Images, segmenter: EchoSegmenter, watch: Stopwatch) -> MeasuredLoop:
    with watch.stage("assemble"):
        source = assemble_loop(images)
    with watch.stage("infer"):
        segmentation = segmenter.segment(source.loop)
    if segmentation.view is EchoView.OTHER:
        raise CineNotFound(
            "no_apical_view",
            f"The loop shows neither an apical four- nor a two-chamber view "
            f"(probability {100 * segmentation.view_probability:.0f} %).",
            "Send apical four- and two-chamber loops.",
            (),
        )
    with watch.stage("measure"):
        return _with_discs(source, segmentation)


def _with_discs(source: AssembledLoop, segmentation: LoopSegmentation) -> MeasuredLoop:
    """Beats whose discs can be made; a frame without a mitral plane costs its beat, not the loop.

    Raises:
        HeartRefused: no beat has discs.
    """
    loop = source.loop
    times_ms = np.arange(loop.n_frames, dtype=np.float64) if loop.times_ms is None else loop.times_ms
    beats: list[KeyPhases] = []
    discs: list[KeyDiscs] = []
    refusal: HeartRefused | None = None
    for beat in beats_of(segmentation.area_curve_px(Structure.LV_CAVITY), times_ms):
        try:
            discs.append(key_discs(segmentation, beat, loop.spacing_mm or _SQUARE_PX))
        except HeartRefused as error:
            refusal = error
        else:
            beats.append(beat)
    if refusal is not None and not beats:
        raise refusal
    return MeasuredLoop(source, segmentation, tuple(beats), tuple(discs))


def _with_interval(measurement: Measurement, uncertainty: Uncertainty, view: str) -> Measurement:
    """Its interval; one view alone is less sure than two, and the card says how much."""
    if view == BIPLANE:
        return uncertainty.around(measurement)
    of_view = uncertainty.around(replace(measurement, name=f"{measurement.name}_{view}"))
    return replace(of_view, name=measurement.name)


def _best_of_each_view(loops: Sequence[MeasuredLoop]) -> tuple[MeasuredLoop, ...]:
    """The four-chamber loop that is most surely one, and the two-chamber loop that goes with it."""
    four = [loop for loop in loops if loop.view is EchoView.APICAL_4_CHAMBER]
    two = [loop for loop in loops if loop.view is EchoView.APICAL_2_CHAMBER]
    if not four or not two:
        return (max(loops, key=_quality),)
    first = max(four, key=_quality)
    return first, max(two, key=lambda loop: (_goes_with(first, loop), *_quality(loop)))


def _quality(loop: MeasuredLoop) -> tuple[bool, float]:
    return loop.source.loop.spacing_mm is not None, loop.segmentation.view_probability


def _goes_with(first: MeasuredLoop, second: MeasuredLoop) -> bool:
    """Of similar heart rate, as far as both are known."""
    rates = [loop.source.loop.heart_rate_bpm for loop in (first, second)]
    if rates[0] is None or rates[1] is None:
        return False
    return abs(rates[0] - rates[1]) <= _SIMILAR_RATE_BPM


def _preferred(loop: MeasuredLoop) -> PassedOver:
    name = VIEW_NAMES[loop.view]
    return PassedOver(loop.source.series_uid, f"another {name} loop was preferred")


def _heart_rate_bpm(loops: Sequence[MeasuredLoop]) -> float | None:
    """Mean of what the loops state."""
    rates = [r for loop in loops if (r := loop.source.loop.heart_rate_bpm) is not None]
    return float(np.mean(rates)) if rates else None


def _findings(loops: Sequence[MeasuredLoop]) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    for loop in loops:
        name = VIEW_NAMES[loop.view]
        findings += loop.source.findings
        findings += loop_findings(name, loop.source.loop, loop.segmentation, loop.beats)
        findings += disc_findings(name, loop.discs[0])
    if len(loops) == 1:
        message = f"Only an {VIEW_NAMES[loops[0].view]} view was measured; two views are more reliable."
        findings.append(Finding("single_plane", Severity.WARNING, message))
    else:
        first, second = loops
        rates_bpm = first.source.loop.heart_rate_bpm, second.source.loop.heart_rate_bpm
        findings += biplane_findings(first.discs[0], second.discs[0], rates_bpm)
    return tuple({finding.code: finding for finding in findings}.values())
