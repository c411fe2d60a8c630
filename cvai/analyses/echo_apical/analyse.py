"""One ultrasound study, in one straight line.

::

    Study -> grey loops -> sector, size of a pixel, times -> labels and view -> beats -> discs -> EF, volumes
          -> left atrium, strain -> findings -> EchoAnalysis
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from cvai import __version__
from cvai.analyses.echo_apical.analysis import EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.by_hand import REFUSALS, opened_loops
from cvai.analyses.echo_apical.choice import choose_loops, with_chosen_loops
from cvai.analyses.echo_apical.measure import measured, view_of, with_atria_and_strain, with_beats_found
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.ultrasound.loops import assemble_loop, chosen_not_measured, select_loops
from cvai.dicom.read.ultrasound.stages import loop_left_out
from cvai.dicom.read.values import CineNotFound, Excluded, Images, Study
from cvai.domain.echo.views import EchoView
from cvai.domain.message import joined, say
from cvai.errors import Refused
from cvai.models.echo import EchoSegmenter

NO_VIEW = "no_apical_view"


def analyse_echo(study: Study, segmenter: EchoSegmenter, watch: Stopwatch) -> EchoAnalysis:
    """Find the best loop of each apical view, measure it and judge it; or open loops for a reader to draw on.

    Raises:
        Refused: the study cannot be measured honestly.
    """
    if study.is_read_by_hand:
        return opened_loops(study, watch)
    with watch.stage("select"):
        patient = study.patient()
        selection = select_loops(study)
    chosen = () if study.chosen is None else study.chosen.loops
    views = {} if study.chosen is None else {uid: EchoView(view) for uid, view in study.chosen.views}
    measured_loops, excluded = _measured_loops(selection.loops, segmenter, watch, chosen, views)
    with watch.stage("measure"):
        choice = with_chosen_loops(measured_loops, chosen) if chosen else choose_loops(measured_loops)
        loops = tuple(map(with_atria_and_strain, choice.loops))
        found = measured(
            study,
            loops,
            esv_factor=segmenter.esv_factors.get(view_of(loops), 1.0),
            known=None if views else segmenter.uncertainty,
            first_findings=(*selection.findings, *choice.findings),
        )
    return EchoAnalysis(
        **found,
        study_uid=study.study_uid,
        patient=patient,
        loops=loops,
        excluded=(*selection.excluded, *excluded, *choice.excluded),
        model=segmenter.identity,
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
    )


def _measured_loops(
    loops: Sequence[Images],
    segmenter: EchoSegmenter,
    watch: Stopwatch,
    chosen: Collection[str],
    views: Mapping[str, EchoView],
) -> tuple[list[MeasuredLoop], list[Excluded]]:
    """Every loop that shows an apical view and can be measured; the frames of others are not kept.

    ``views`` are those that a person states, by SOPInstanceUID.

    Raises:
        Refused: none can; where there is one loop only, with that loop's own refusal.
        CineNotFound: ``chosen_loop_not_measured``.
    """
    measured: list[MeasuredLoop] = []
    excluded: list[Excluded] = []
    refusals: list[Refused] = []
    for images in loops:
        try:
            stated = views.get(images[0].sop_instance_uid)
            measured.append(_measured(images, segmenter, watch, stated))
        except Refused as refusal:
            refusals.append(refusal)
            excluded.append(_excluded(images, refusal))
            if images[0].sop_instance_uid in chosen:
                raise chosen_not_measured(refusal.message, excluded) from refusal
    if measured:
        return measured, excluded
    if len(loops) == 1:
        (only,) = refusals
        if only.code not in REFUSALS:
            raise only
        raise CineNotFound(only.code, only.message, only.hint, tuple(excluded)) from only
    reasons = joined("; ", dict.fromkeys(p.reason for p in excluded))
    is_one_reason = len({refusal.code for refusal in refusals}) == 1
    raise CineNotFound(
        refusals[0].code if is_one_reason else NO_VIEW,
        say("None of {n_loops} loops can be measured: {reasons}", n_loops=len(loops), reasons=reasons),
        refusals[0].hint if is_one_reason else say("Send apical four- and two-chamber loops in grey scale."),
        tuple(excluded),
    )


def _excluded(images: Images, refusal: Refused) -> Excluded:
    """The loop with its refusal; where no apical view was seen in it, a person may state one and have it
    measured. What is refused for its contours may be drawn on alone."""
    left = loop_left_out(images, joined(": ", (refusal.code, refusal.message)))
    if refusal.code not in REFUSALS or left.loop is None:
        return replace(left, loop=None)
    if refusal.code == NO_VIEW:
        return replace(left, loop=replace(left.loop, view=EchoView.OTHER.value))
    return replace(left, loop=replace(left.loop, refused=refusal.code))


def _measured(
    images: Images, segmenter: EchoSegmenter, watch: Stopwatch, said: EchoView | None
) -> MeasuredLoop:
    with watch.stage("assemble"):
        source = assemble_loop(images)
    with watch.inference():
        segmentation = segmenter.segment(source.loop)
    if said is not None:
        segmentation = replace(segmentation, view=said)
    if segmentation.view is EchoView.OTHER:
        view = source.stated_view
        stated = "" if view is None else say(", though stated as {view}", view=view.name)
        raise CineNotFound(
            NO_VIEW,
            say(
                "The loop shows neither an apical four- nor a two-chamber view "
                "(probability {percent:.0f} %){stated}.",
                percent=100 * segmentation.view_probability,
                stated=stated,
            ),
            say("Send apical four- and two-chamber loops."),
            (),
        )
    with watch.stage("measure"):
        return with_beats_found(source, segmentation)
