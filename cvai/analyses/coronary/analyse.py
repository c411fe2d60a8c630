"""One study of coronary angiography, in one straight line.

::

    Study -> runs -> filling, best frame -> maps of it and its neighbours -> tree, diameters -> lesions
          -> findings -> CoronaryAnalysis
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun, NumberedLesion, standing
from cvai.analyses.coronary.by_hand import opened_runs
from cvai.analyses.coronary.tree import (
    LIKELY,
    VesselModel,
    joined_maps,
    measured_tree,
    neighbours,
    vessel_profiles,
)
from cvai.analyses.coronary.views import view_findings, view_key
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.angiography.runs import AssembledRun, assemble_run, select_runs, stated_time
from cvai.dicom.read.days import day_findings
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import subject_findings, subject_of_headers
from cvai.dicom.read.values import CineNotFound, Excluded, Images, Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import joined, say
from cvai.domain.subject import Subject
from cvai.domain.vessels.diameters import frame_blur_px
from cvai.domain.vessels.filling import LEAST_FILLING, Filling, best_frame, filling_of
from cvai.domain.vessels.segments import PROXIMAL_SEGMENTS
from cvai.errors import HeartRefused, Refused

MOST_RUNS = 12
"""Measured of one study: the first, in order of acquisition, that show a filled tree."""
MOST_LESIONS = 20
_LEAST_TREE_PX = 0.004
"""Share of the field that a coronary tree covers at least."""
_REFERENCE_MM = (1.8, 6.0)
"""Beyond these it is unusual: proximal segments are 2.8 to 4.5 mm wide on average, with standard deviations
of 0.4 to 0.6 (Dodge et al., Circulation 1992;86:232-246); half and double of most lie outside."""
_SAME_TREE, _COMPARED_PX = 0.8, 512
"""Dice of the trees of a run and its copy, on a picture of this side."""
_MOST_BLUR_PX = 2.0
"""Detector and focal spot make about 1; of 50 frames of ARCADE one has more than this."""
_COARSE_PX, _THIN_PX = 450, 9.0
"""Longer side of a frame, and reference diameter: runs are acquired with 512 pixels and more, in which
vessels are 7 to 16 wide. A phantom's stenosis of 65 % measures 71 in half as many, 90 in three eighths."""
_INVERTED = 1.5
"""Ratio of what bright and dark thin structures fill from which on a picture is inverted."""


def analyse_coronary(study: Study, model: VesselModel, watch: Stopwatch) -> CoronaryAnalysis:
    """Find the runs of filled coronary arteries, measure the best frame of each and judge it; or open
    runs for a reader to draw on.

    Raises:
        Refused: the study cannot be measured honestly.
    """
    if study.is_read_by_hand:
        return opened_runs(study, MOST_RUNS, watch)
    with watch.stage("select"):
        patient = study.patient()
        selection = select_runs(study)
    frames = _chosen_frames(study, selection.runs)
    runs, findings, excluded = _measured_runs(selection.runs, frames, model, watch)
    analysis = CoronaryAnalysis(
        study_uid=study.study_uid,
        patient=patient,
        runs=tuple(runs),
        measurements=(),
        findings=(),
        excluded=(*selection.excluded, *excluded),
        model=model.identity,
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
        subject=subject_of_runs(study, runs),
    )
    return with_numbers(analysis, (*findings, *study_findings(study)))


def study_findings(study: Study) -> tuple[Finding, ...]:
    """What a reader should know of the study as a whole."""
    return (*study.findings_of_choice, *unreadable_findings(study))


def _chosen_frames(study: Study, runs: Sequence[Images]) -> Mapping[str, int]:
    """The frames that a person chose, by SOPInstanceUID of their runs.

    Raises:
        CineNotFound: ``chosen_frame_missing``.
    """
    n_frames = {images[0].sop_instance_uid: len(images) for images in runs}
    for uid, frame in study.chosen_frames.items():
        if frame >= n_frames.get(uid, 0):
            raise CineNotFound(
                "chosen_frame_missing",
                say("No run that can be measured has the frame {number} that was chosen.", number=frame + 1),
                say("Choose a frame of a run that was measured."),
                (),
            )
    return study.chosen_frames


def subject_of_runs(study: Study, runs: Sequence[MeasuredRun]) -> Subject:
    """Whose arteries they are, by the headers of the measured frames and reports of the study."""
    return subject_of_headers([run.image.header for run in runs], reports_of(study))


def with_numbers(analysis: CoronaryAnalysis, findings: Sequence[Finding]) -> CoronaryAnalysis:
    """The analysis with what its lesions measure, and with findings about them beside those given."""
    return replace(
        analysis,
        measurements=() if _is_nothing_drawn(analysis) else measurements_of(analysis.runs),
        findings=_one_of_each((*findings, *_patient_findings(analysis)), _lesion_findings(analysis)),
    )


def _is_nothing_drawn(analysis: CoronaryAnalysis) -> bool:
    """Whether a reader has yet to draw a lesion, since no model has looked for one."""
    return analysis.model.is_hand and not any(run.lesions for run in analysis.runs)


def _patient_findings(analysis: CoronaryAnalysis) -> tuple[Finding, ...]:
    headers = [run.image.header for run in analysis.runs]
    return (*subject_findings(headers, analysis.subject), *day_findings(headers))


def _measured_runs(
    runs: Sequence[Images], frames: Mapping[str, int], model: VesselModel, watch: Stopwatch
) -> tuple[list[MeasuredRun], list[Finding], list[Excluded]]:
    """Every run that shows a filled tree; the frames of others are not kept.

    Raises:
        Refused: none does, or a frame that a person chose does not; where there is one run only, with that
            run's own refusal.
    """
    measured: list[MeasuredRun] = []
    findings: list[Finding] = []
    excluded: list[Excluded] = []
    refusals: list[Refused] = []
    left_out = 0
    for images in runs:
        try:
            if len(measured) >= MOST_RUNS:
                left_out += 1
                excluded.append(
                    Excluded(
                        images[0].series_uid, say("{n_runs} runs before it were measured", n_runs=MOST_RUNS)
                    )
                )
                continue
            run, of_run = _measured(images, frames, model, watch)
            if any(_is_copy(run, former) for former in measured):
                excluded.append(Excluded(images[0].series_uid, say("a copy of a run that was measured")))
                continue
        except Refused as refusal:
            if images[0].sop_instance_uid in frames:
                raise
            refusals.append(refusal)
            excluded.append(Excluded(images[0].series_uid, joined(": ", (refusal.code, refusal.message))))
        else:
            measured.append(run)
            findings += (finding.in_view(view_key(len(measured))) for finding in of_run)
    if measured:
        return measured, [*findings, *left_out_findings(left_out)], excluded
    if len(runs) == 1:
        raise refusals[0]
    reasons = joined("; ", dict.fromkeys(e.reason for e in excluded))
    is_one_reason = len({refusal.code for refusal in refusals}) == 1
    raise CineNotFound(
        refusals[0].code if is_one_reason else "no_coronary_run",
        say("None of {n_runs} runs can be measured: {reasons}", n_runs=len(runs), reasons=reasons),
        refusals[0].hint if is_one_reason else say("Send runs with contrast medium in a coronary artery."),
        tuple(excluded),
    )


def _is_copy(run: MeasuredRun, former: MeasuredRun) -> bool:
    """Whether two runs are one: made at the same time from the same side, and with the same tree.

    Times alone do not tell, since studies without names have often lost them, and both arteries are looked
    at from the same sides.
    """
    made, made_before = (
        (stated_time(each.image.header), each.source.view, each.source.plane) for each in (run, former)
    )
    one, other = (each.labels[_evenly(each.labels.shape)] > 0 for each in (run, former))
    return made == made_before and bool(2 * (one & other).sum() >= _SAME_TREE * (one.sum() + other.sum()))


def _evenly(shape: tuple[int, ...]) -> tuple[NDArray[np.intp], ...]:
    """Places evenly over a picture of any size, for comparing two of different sizes."""
    centres = (np.arange(_COMPARED_PX) + 0.5) / _COMPARED_PX
    return np.ix_(*((centres * side).astype(np.intp) for side in shape))


def left_out_findings(n_runs: int) -> tuple[Finding, ...]:
    """That runs were not looked at; none where all were."""
    if n_runs == 0:
        return ()
    message = say(
        "The first {n_measured} runs were measured; {n_runs} later ones were not looked at.",
        n_measured=MOST_RUNS,
        n_runs=n_runs,
    )
    return (Finding("runs_left_out", Severity.WARNING, message),)


def _measured(
    images: Images, frames: Mapping[str, int], model: VesselModel, watch: Stopwatch
) -> tuple[MeasuredRun, tuple[Finding, ...]]:
    with watch.stage("assemble"):
        source = assemble_run(images)
        filling = filling_of(source.run)
    _require_coronary(source, filling)
    chosen = frames.get(images[0].sop_instance_uid)
    frame = best_frame(source.run, filling) if chosen is None else chosen
    with watch.inference():
        looked_at = neighbours(frame, source.run.n_frames)
        maps = joined_maps([model.maps(source.run.grey(t)) for t in looked_at], source.run.field)
    found = float(np.count_nonzero(maps.labels) / np.count_nonzero(source.run.field))
    if found < _LEAST_TREE_PX:
        raise HeartRefused(
            "vessels_not_found",
            say(
                "No coronary artery was found in frame {frame} of {n_frames}.",
                frame=frame + 1,
                n_frames=source.run.n_frames,
            ),
            say("Check that a coronary artery is filled with contrast medium."),
        )
    with watch.stage("measure"):
        profiles = vessel_profiles(source.run, frame, maps.labels)
        tree = measured_tree(profiles, maps.labels, maps.stenosis)
    lesions, blur_px = tree.lesions[:MOST_LESIONS], frame_blur_px(profiles)
    run = MeasuredRun(source, frame, maps.labels, lesions, tree.lesser_percent, tree.suspected, blur_px)
    return run, run_findings(run, frames)


def _require_coronary(source: AssembledRun, filling: Filling) -> None:
    """Refuse runs that show something else than filled coronary arteries."""
    if filling.is_chamber:
        raise HeartRefused(
            "not_coronary",
            say(
                "In the run ({run}) a structure as wide as a ventricle or the aorta is filled, over "
                "{percent:.0f} % of the field.",
                run=source.name,
                percent=100 * filling.wide,
            ),
            say("Send runs with contrast medium in a coronary artery."),
        )
    if filling.bright > _INVERTED and filling.rise * filling.bright >= LEAST_FILLING:
        raise HeartRefused(
            "grey_inverted",
            say(
                "Thin bright structures fill, not dark ones: the photometric interpretation or the sign of "
                "the pixel intensity is wrong."
            ),
            say("Correct PhotometricInterpretation or PixelIntensityRelationshipSign."),
        )
    if not filling.has_vessels:
        raise HeartRefused(
            "no_contrast",
            say(
                "Thin dark structures change by {percent:.1f} % of the field over the run ({run}): no "
                "contrast medium, or a catheter alone.",
                percent=100 * filling.rise,
                run=source.name,
            ),
            say("Send runs with contrast medium in a coronary artery."),
        )


def run_findings(run: MeasuredRun, chosen_frames: Mapping[str, int]) -> tuple[Finding, ...]:
    """What a reader should know of a run and of its measured frame.

    Args:
        run: that was measured.
        chosen_frames: see ``Study.chosen_frames``.
    """
    findings = [*run.source.findings]
    is_chosen = run.source.images[0].sop_instance_uid in chosen_frames
    if not run.source.run.r_waves and run.source.run.n_frames > 1 and not is_chosen:
        message = say("No R wave is stated; the frame was chosen by filling and by least motion.")
        findings.append(Finding("phase_by_motion", Severity.INFO, message, (Place(phase=run.frame),)))
    if run.blur_px is not None and run.blur_px >= _MOST_BLUR_PX:
        message = say(
            "Edges of the vessels are smeared over {blur_px:.1f} pixels (standard deviation; about 1 is "
            "usual), as by motion, a mean over frames or smoothing: stenoses look milder than they are, by "
            "10 points and more.",
            blur_px=run.blur_px,
        )
        findings.append(Finding("angiogram_blurred", Severity.WARNING, message, (Place(phase=run.frame),)))
    if _is_coarse(run):
        rows, columns = run.labels.shape
        message = say(
            "The frames have {columns} x {rows} pixels, fewer than runs are acquired with, and vessels are "
            "only a few pixels wide: stenoses look more severe than they are, by 10 points and more. Send "
            "the run as it was acquired.",
            columns=columns,
            rows=rows,
        )
        findings.append(Finding("angiogram_coarse", Severity.WARNING, message, (Place(phase=run.frame),)))
    if _touches_edge(run):
        message = say("Vessels end at the edge of the field; what lies beyond is not measured.")
        findings.append(Finding("tree_cut", Severity.INFO, message, (Place(phase=run.frame),)))
    if run.suspected:
        message = say("One place looks narrowed to the network, but could not be measured.")
        if run.suspected > 1:
            message = say(
                "{suspected} places look narrowed to the network, but could not be measured.",
                suspected=run.suspected,
            )
        findings.append(
            Finding("narrowing_not_measured", Severity.WARNING, message, (Place(phase=run.frame),))
        )
    return tuple(findings)


def _is_coarse(run: MeasuredRun) -> bool:
    """Whether frames were exported with fewer pixels, not merely cropped."""
    is_thin = any(lesion.narrowing.reference_px < _THIN_PX for lesion in run.lesions)
    return is_thin and max(run.labels.shape) < _COARSE_PX


def _touches_edge(run: MeasuredRun) -> bool:
    field = run.source.run.field
    inner = np.zeros_like(field)
    inner[4:-4, 4:-4] = (
        field[4:-4, 4:-4] & field[:-8, 4:-4] & field[8:, 4:-4] & field[4:-4, :-8] & field[4:-4, 8:]
    )
    return bool(((run.labels > 0) & ~inner).any())


def measurements_of(runs: Sequence[MeasuredRun]) -> tuple[Measurement, ...]:
    """What the lesions of runs measure, the largest stenosis first."""
    largest = max(run.largest_percent for run in runs)
    numbers = [Measurement("max_stenosis", largest, "%")]
    for found in standing(runs):
        numbers.append(Measurement(stenosis_name(found.number), found.lesion.percent, "%"))
        numbers += _lengths(found)
    return tuple(numbers)


def stenosis_name(number: int | str) -> str:
    """Name of a lesion's percent diameter stenosis in result.json."""
    return f"lesion_{number}_stenosis"


def _lengths(found: NumberedLesion) -> tuple[Measurement, ...]:
    """Minimal and reference diameter and length in mm, with what calibration leaves open.

    None without calibration, nor where a reader gives the percentage: the diameter would contradict it.
    """
    size, lesion = found.run.source.run.pixel_size, found.lesion
    if size is None or lesion.given_percent is not None:
        return ()

    def of(name: str, px: float) -> Measurement:
        mm = px * size.mm
        interval = mm * (1 - size.uncertainty), mm * (1 + size.uncertainty)
        return Measurement(f"lesion_{found.number}_{name}", mm, "mm", interval)

    narrowing = lesion.narrowing
    return (
        of("minimal_diameter", narrowing.minimal_px),
        of("reference_diameter", narrowing.reference_px),
        of("length", narrowing.length_px),
    )


def _lesion_findings(analysis: CoronaryAnalysis) -> list[Finding]:
    findings = [*view_findings(analysis)]
    by_profile = [
        found.number
        for found in analysis.lesions
        if found.lesion.probability < LIKELY and not found.lesion.is_of_reader
    ]
    if by_profile:
        message = say(
            "Lesions seen in the diameters alone, not by the network: {numbers}.",
            numbers=joined(", ", by_profile),
        )
        findings.append(Finding("lesion_by_profile", Severity.WARNING, message))
    findings += _size_findings(analysis)
    one_sided = [f.number for f in analysis.lesions if f.lesion.narrowing.is_one_sided]
    if one_sided:
        message = say(
            "The reference diameter rests on one side of the lesion alone: {numbers}.",
            numbers=joined(", ", one_sided),
        )
        findings.append(Finding("reference_one_sided", Severity.WARNING, message))
    if not analysis.lesions and not analysis.model.is_hand:
        message = say(
            "No lesion was found; lesions at the ostium, at the end of a vessel or within a stent and "
            "occlusions may be missed."
        )
        findings.append(Finding("no_lesion", Severity.WARNING, message))
    return findings


def _size_findings(analysis: CoronaryAnalysis) -> list[Finding]:
    """Lesions in vessels that are too wide or too narrow for the size of a pixel that is stated."""
    odd = []
    for found in analysis.lesions:
        size, lesion = found.run.source.run.pixel_size, found.lesion
        if size is None or lesion.given_percent is not None:
            continue
        reference_mm = lesion.narrowing.reference_px * size.mm
        is_narrow = lesion.segment in PROXIMAL_SEGMENTS and reference_mm < _REFERENCE_MM[0]
        if is_narrow or reference_mm > _REFERENCE_MM[1]:
            odd.append(
                say("{reference_mm:.1f} mm (lesion {number})", reference_mm=reference_mm, number=found.number)
            )
    if not odd:
        return []
    message = say(
        "Reference diameters are unusual: {diameters}. The vessel is ectatic or small throughout, or the "
        "pixel size is wrong, as of a picture that was resized; check diameters and lengths in mm.",
        diameters=joined(", ", odd),
    )
    return [Finding("vessel_size_implausible", Severity.WARNING, message)]


def _one_of_each(*several: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each code once for each message, leading to all of its places."""
    merged: dict[tuple[str, str], Finding] = {}
    for finding in (f for findings in several for f in findings):
        key = finding.code, finding.message
        former = merged.get(key)
        where = (*(former.where if former else ()), *finding.where)
        merged[key] = Finding(finding.code, finding.severity, finding.message, where)
    return tuple(merged.values())
