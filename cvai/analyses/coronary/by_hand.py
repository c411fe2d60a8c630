"""Runs that the software refused, opened for a reader to draw on: nothing of them is measured before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cvai import __version__
from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun
from cvai.analyses.coronary.views import view_key
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.angiography.runs import assemble_run, select_runs
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import subject_of_headers
from cvai.dicom.read.values import CineNotFound, Excluded, Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import joined, say
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.vessels.filling import best_frame, filling_of
from cvai.errors import Refused

REFUSALS = frozenset({"vessels_not_found", "no_contrast", "not_coronary", "no_coronary_run"})
"""Codes of what is refused for what the software makes of sound images. Inverted grey values are not: edges
cannot be measured in them."""


def opened_runs(study: Study, most: int, watch: Stopwatch) -> CoronaryAnalysis:
    """The runs that would have been measured, each at the frame chosen for it, without lesions.

    Args:
        study: with every image.
        most: number of runs that are opened.
        watch: for the timings.

    Raises:
        Refused: no run can be assembled.
    """
    with watch.stage("select"):
        patient = study.patient()
        selection = select_runs(study)
    with watch.stage("assemble"):
        runs, excluded = drawable_runs(study, most)
    findings = [
        finding.in_view(view_key(n)) for n, run in enumerate(runs, 1) for finding in run.source.findings
    ]
    return CoronaryAnalysis(
        study_uid=study.study_uid,
        patient=patient,
        runs=runs,
        measurements=(),
        findings=(
            *study.findings_of_choice,
            *unreadable_findings(study),
            *findings,
            to_be_drawn(runs),
        ),
        excluded=(*selection.excluded, *excluded),
        model=ModelIdentity.of_hand(__version__),
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
        subject=subject_of_headers([run.image.header for run in runs], reports_of(study)),
    )


def drawable_runs(study: Study, most: int) -> tuple[tuple[MeasuredRun, ...], tuple[Excluded, ...]]:
    """Sound runs, nothing drawn in them, at the frame that a reader chose or else at the best filled one.

    Raises:
        Refused: there is none, as the first of them.
    """
    runs: list[MeasuredRun] = []
    excluded: list[Excluded] = []
    refusals: list[Refused] = []
    for images in select_runs(study).runs:
        if len(runs) >= most:
            excluded.append(
                Excluded(images[0].series_uid, say("{n_runs} runs before it were opened", n_runs=most))
            )
            continue
        try:
            source = assemble_run(images)
        except Refused as refusal:
            refusals.append(refusal)
            excluded.append(Excluded(images[0].series_uid, joined(": ", (refusal.code, refusal.message))))
            continue
        chosen = study.chosen_frames.get(images[0].sop_instance_uid)
        frame = best_frame(source.run, filling_of(source.run)) if chosen is None else chosen
        if frame >= source.run.n_frames:
            raise CineNotFound(
                "chosen_frame_missing",
                say("No run that can be measured has the frame {number} that was chosen.", number=frame + 1),
                say("Choose a frame of a run that was measured."),
                (),
            )
        nothing = np.zeros(source.run.field.shape, dtype=np.uint8)
        runs.append(MeasuredRun(source, frame, nothing, (), 0.0, 0, None))
    if not runs:
        raise refusals[0]
    return tuple(runs), tuple(excluded)


def to_be_drawn(runs: Sequence[MeasuredRun]) -> Finding:
    """What a reader has to do, with the frames in which they do it."""
    message = say(
        "Show the frame to be measured and choose it. Then name the segment and click along the vessel, from "
        "healthy to healthy through each narrowing: nothing was measured."
    )
    places = tuple(Place(run.frame, view=view_key(n)) for n, run in enumerate(runs, start=1))
    return Finding("lesions_to_be_drawn", Severity.INFO, message, places)
