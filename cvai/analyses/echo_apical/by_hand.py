"""Loops that the software refused, opened for a reader to draw on: nothing of them is measured before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cvai import __version__
from cvai.analyses.echo_apical.analysis import EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.besides import SQUARE_PX
from cvai.analyses.echo_apical.codes import VIEW_NAMES
from cvai.analyses.echo_apical.measure import discs_of_beat, measured, with_atria_and_strain, with_beats
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.ultrasound.loops import AssembledLoop, LoopSelection, assemble_loop, select_loops
from cvai.dicom.read.ultrasound.stages import loop_left_out
from cvai.dicom.read.values import Excluded, Study
from cvai.domain.anatomy import Structure
from cvai.domain.echo.atrium import atria_of_frames
from cvai.domain.echo.hidden import hidden_findings
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.not_drawn import not_drawn
from cvai.domain.echo.quality import is_atrium_cut
from cvai.domain.echo.strain import LoopStrain
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import ModelIdentity, background

REFUSALS = frozenset(
    {"no_apical_view", "heart_not_found", "image_upside_down", "mitral_plane_not_found", "no_ejection"}
)
"""Codes of what is refused for what the model makes of a loop; a loop that is no sound one is drawn on by
nobody."""

_SYSTOLE = 1 / 3
"""Share of a heartbeat after which end-systole stands until a reader sets it."""

StatedLoop = tuple[EchoView, AssembledLoop]


def opened_loops(study: Study, watch: Stopwatch) -> EchoAnalysis:
    """The loops whose views a reader states, without contours and numbers.

    Raises:
        Refused: ``chosen_loop_not_measured``, or as ``assemble_loop``.
    """
    with watch.stage("select"):
        patient = study.patient()
        selection = select_loops(study)
    with watch.stage("assemble"):
        stated = stated_loops(study, selection)
    loops = tuple(
        drawn_loop(source, nothing_drawn(view, source.loop), (first_beat(source.loop),))
        for view, source in stated
    )
    return EchoAnalysis(
        **measured(study, loops, esv_factor=1.0, first_findings=(*selection.findings, _to_be_set(loops))),
        study_uid=study.study_uid,
        patient=patient,
        loops=loops,
        excluded=(*selection.excluded, *_others(selection, loops)),
        model=ModelIdentity.of_hand(__version__),
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
    )


def stated_loops(study: Study, selection: LoopSelection) -> tuple[StatedLoop, ...]:
    """What a reader draws on with the views that they state, four-chamber view first.

    Raises:
        Refused: as ``assemble_loop``.
    """
    by_uid = {images[0].sop_instance_uid: images for images in selection.loops}
    stated = {} if study.chosen is None else {EchoView(view): uid for uid, view in study.chosen.views}
    return tuple((view, assemble_loop(by_uid[stated[view]])) for view in VIEW_NAMES if view in stated)


def nothing_drawn(view: EchoView, loop: EchoLoop) -> LoopSegmentation:
    """A loop of a stated view before anybody draws on it."""
    return LoopSegmentation(background(loop.frames.shape), view, 1.0)


def first_beat(loop: EchoLoop) -> KeyPhases:
    """Where end-diastole and end-systole stand until a reader sets them: in a first beat from the first frame
    on, as long as the stated heart rate makes it."""
    beat_frames = float(loop.n_frames)
    if loop.times_ms is not None and loop.heart_rate_bpm is not None:
        step_ms = float(np.median(np.diff(loop.times_ms)))
        beat_frames = min(beat_frames, 60_000.0 / loop.heart_rate_bpm / step_ms)
    return KeyPhases(0, max(1, round(_SYSTOLE * beat_frames)))


def drawn_loop(
    source: AssembledLoop, segmentation: LoopSegmentation, beats: tuple[KeyPhases, ...]
) -> MeasuredLoop:
    """What a reader has drawn of a loop: discs where both phases of every beat are drawn, and where every
    frame is, all that is measured of a loop.

    Raises:
        HeartRefused: ``mitral_plane_not_found``, in a frame that the message names.
    """
    if segmentation.area_curve_px(Structure.LV_CAVITY).all():
        return with_atria_and_strain(with_beats(source, segmentation, beats))
    strain = LoopStrain(withheld=say("is not drawn in every frame"))
    if not_drawn(segmentation, beats):
        return MeasuredLoop(source, segmentation, beats, (), strain=strain, is_sparse=True)
    loop, labels, spacing_mm = source.loop, segmentation.labels, source.loop.spacing_mm or SQUARE_PX
    atria = [
        atria_of_frames(segmentation, beat.end_systole, beat.end_diastole, spacing_mm)
        for beat in beats
        if not is_atrium_cut(loop, segmentation, beats)
    ]
    return MeasuredLoop(
        source,
        segmentation,
        beats,
        discs=tuple(discs_of_beat(segmentation.view, beat, labels.__getitem__, spacing_mm) for beat in beats),
        atria=tuple(found for found in atria if found is not None),
        strain=strain,
        hidden=hidden_findings(VIEW_NAMES[segmentation.view], loop, segmentation, beats[0]),
        is_sparse=True,
    )


def _others(selection: LoopSelection, loops: Sequence[MeasuredLoop]) -> tuple[Excluded, ...]:
    chosen = {loop.source.images[0].sop_instance_uid for loop in loops}
    return tuple(
        loop_left_out(images, say("another loop was chosen"))
        for images in selection.loops
        if images[0].sop_instance_uid not in chosen
    )


def _to_be_set(loops: Sequence[MeasuredLoop]) -> Finding:
    message = say(
        "Draw the left ventricle outside and inside at end-diastole and end-systole of every view: with "
        "Redraw a closed stroke is a contour. At the mitral valve both end together: there is no wall. Set "
        "these phases before: nothing was measured, and they stand where a heartbeat from the first frame "
        "on would have them."
    )
    places = tuple(
        Place(t, view=loop.view.value)
        for loop in loops
        for t in (loop.beats[0].end_diastole, loop.beats[0].end_systole)
    )
    return Finding("phases_to_be_set", Severity.INFO, message, places)
