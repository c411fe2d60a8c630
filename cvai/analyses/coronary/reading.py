"""Analysed runs opened again for a reader, and measured anew with what the reader has made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.analyses.coronary.analyse import (
    MOST_LESIONS,
    MOST_RUNS,
    left_out_findings,
    run_findings,
    stenosis_name,
    subject_of_runs,
    with_numbers,
)
from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun, numbered
from cvai.analyses.coronary.objects import SEGMENTS, seg_kind
from cvai.analyses.coronary.seen import is_kept, stenosis_map, suspected_in
from cvai.analyses.coronary.tree import measured_tree
from cvai.analyses.coronary.views import view_key
from cvai.analyses.spec import Correction
from cvai.dicom.read.angiography.runs import AssembledRun, assemble_run, select_runs
from cvai.dicom.read.values import Excluded, ImagePlane, Study
from cvai.dicom.read.whole import unreadable_findings
from cvai.dicom.write.objects.labels import of_other_images, read_labels, source_instance_of
from cvai.domain.message import say
from cvai.errors import StudyRefused


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedRun:
    """A run, and the labels (t, y, x) that an analysis drew in one of its frames."""

    number: int
    source: AssembledRun
    labels: NDArray[np.uint8]

    @property
    def frame(self) -> int:
        """0-based, the one that was drawn in."""
        return int(np.argmax(self.labels.any(axis=(1, 2))))


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedRuns:
    """A study and the runs that were measured.

    Args:
        study: with every image.
        runs: in the order they were made.
        excluded: what was not measured, with reasons.
        left_out: number of runs that came after the last one that was measured, and were not looked at.
    """

    study: Study
    runs: tuple[ReopenedRun, ...]
    excluded: tuple[Excluded, ...] = ()
    left_out: int = 0

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(1) the images of the runs, run after run."""
        return tuple((image,) for run in self.runs for image in run.source.images)


def reopen_runs(study: Study, files: Mapping[str, Path]) -> ReopenedRuns:
    """The runs as they were read for their analysis.

    Args:
        study: with every image.
        files: the segmentation of each run, by its kind.

    Raises:
        Refused: ``segmentation_of_other_images``, or as ``assemble_run``.
    """
    selection = select_runs(study)
    places = {images[0].sop_instance_uid: place for place, images in enumerate(selection.runs)}
    reopened: dict[int, ReopenedRun] = {}
    for number in range(1, MOST_RUNS + 1):
        path = files.get(seg_kind(number))
        if path is None:
            continue
        place = places.get(source_instance_of(path))
        if place is None:
            raise of_other_images()
        images = selection.runs[place]
        labels = read_labels(path, tuple((image,) for image in images), SEGMENTS)
        reopened[place] = ReopenedRun(number, assemble_run(images), labels[:, 0])
    looked_at = selection.runs if len(reopened) < MOST_RUNS else selection.runs[: max(reopened) + 1]
    not_measured = (
        Excluded(images[0].series_uid, say("no coronary tree was measured"))
        for place, images in enumerate(looked_at)
        if place not in reopened
    )
    return ReopenedRuns(
        study,
        tuple(reopened.values()),
        (*selection.excluded, *not_measured),
        left_out=len(selection.runs) - len(looked_at),
    )


def labels_of(reopened: ReopenedRuns) -> dict[str, NDArray[np.uint8]]:
    """(t, 1, y, x) as the model drew them, by view."""
    return {view_key(run.number): run.labels[:, np.newaxis] for run in reopened.runs}


def remeasured_runs(reopened: ReopenedRuns, correction: Correction) -> CoronaryAnalysis:
    """The analysis with the stenoses that a reader gives; vessels are measured as the model drew them.

    Raises:
        StudyRefused: ``result_too_old``: it does not tell what the network has seen.
    """
    if not is_kept(correction.factors):
        raise StudyRefused(
            "result_too_old",
            say("An earlier version measured this study, and did not keep what the network has seen."),
            say("Analyse it again: cvai jobs retry."),
        )
    runs = [_measured_again(run, correction.factors) for run in reopened.runs]
    given = {id(f.lesion): correction.chosen.get(stenosis_name(f.number)) for f in numbered(runs)}
    runs = [
        replace(
            run, lesions=tuple(replace(lesion, given_percent=given[id(lesion)]) for lesion in run.lesions)
        )
        for run in runs
    ]
    study = reopened.study
    analysis = CoronaryAnalysis(
        study_uid=study.study_uid,
        patient=study.patient(),
        runs=tuple(runs),
        measurements=(),
        findings=(),
        excluded=reopened.excluded,
        model=correction.model,
        cvai_version=__version__,
        timings_ms={},
        subject=subject_of_runs(study, runs),
        verification=correction.verification,
    )
    findings = [
        finding.in_view(view_key(number))
        for number, run in enumerate(runs, start=1)
        for finding in run_findings(run)
    ]
    findings += (*left_out_findings(reopened.left_out), *unreadable_findings(study))
    return with_numbers(analysis, findings)


def _measured_again(run: ReopenedRun, factors: Mapping[str, float]) -> MeasuredRun:
    labels = run.labels[run.frame]
    seen = stenosis_map(factors, run.number, labels.shape)
    tree = measured_tree(run.source.run, run.frame, labels, seen)
    suspected = suspected_in(factors, run.number)
    return MeasuredRun(
        run.source, run.frame, labels, tree.lesions[:MOST_LESIONS], tree.lesser_percent, suspected
    )
