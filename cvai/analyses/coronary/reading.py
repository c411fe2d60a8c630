"""Analysed runs opened again for a reader, and measured anew with what the reader has made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.analyses.coronary.analyse import (
    MOST_LESIONS,
    MOST_RUNS,
    left_out_findings,
    run_findings,
    study_findings,
    subject_of_runs,
    with_numbers,
)
from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun
from cvai.analyses.coronary.by_hand import drawable_runs, to_be_drawn
from cvai.analyses.coronary.given import with_given
from cvai.analyses.coronary.objects import SEGMENTS, seg_kind
from cvai.analyses.coronary.seen import is_kept, stenosis_map, suspected_in
from cvai.analyses.coronary.tree import measured_tree, vessel_profiles
from cvai.analyses.coronary.views import view_key
from cvai.analyses.spec import Correction
from cvai.dicom.read.angiography.runs import AssembledRun, assemble_run, select_runs
from cvai.dicom.read.values import Excluded, ImagePlane, Study
from cvai.dicom.write.objects.labels import of_other_images, read_labels, source_instance_of
from cvai.domain.message import say
from cvai.domain.vessels.diameters import DiameterProfile, frame_blur_px
from cvai.errors import StudyRefused


@dataclass(frozen=True, eq=False)
class ReopenedRun:
    """A run, and the labels (t, y, x) that an analysis drew in one of its frames.

    ``drawn_at`` is the frame in which a reader draws where no analysis did.
    """

    number: int
    source: AssembledRun
    labels: NDArray[np.uint8]
    drawn_at: int | None = None
    _measured: dict[tuple[tuple[str, float], ...], MeasuredRun] = field(default_factory=dict, init=False)

    @property
    def frame(self) -> int:
        """0-based, the one that was drawn in, or is to be."""
        if self.drawn_at is not None:
            return self.drawn_at
        return int(np.argmax(self.labels.any(axis=(1, 2))))

    @cached_property
    def profiles(self) -> tuple[DiameterProfile, ...]:
        """Diameters along the vessels that were drawn."""
        return vessel_profiles(self.source.run, self.frame, self.labels[self.frame])

    def measured(self, factors: Mapping[str, float]) -> MeasuredRun:
        """As the analysis measured it; kept for the same factors, since a reader asks while they drag.

        Args:
            factors: see ``Analysed.factors``.
        """
        key = tuple(factors.items())
        if key not in self._measured:
            labels = self.labels[self.frame]
            tree = measured_tree(self.profiles, labels, stenosis_map(factors, self.number, labels.shape))
            lesions, suspected = tree.lesions[:MOST_LESIONS], suspected_in(factors, self.number)
            self._measured[key] = MeasuredRun(
                self.source,
                self.frame,
                labels,
                lesions,
                tree.lesser_percent,
                suspected,
                frame_blur_px(self.profiles),
            )
        return self._measured[key]


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
        files: the segmentation of each run, by its kind; none where the study is read by hand.

    Raises:
        Refused: ``segmentation_of_other_images``, or as ``assemble_run``.
    """
    selection = select_runs(study)
    if study.is_read_by_hand:
        runs, excluded = drawable_runs(study, MOST_RUNS)
        empty = (
            ReopenedRun(n, run.source, np.zeros(run.source.run.frames.shape, np.uint8), run.frame)
            for n, run in enumerate(runs, start=1)
        )
        return ReopenedRuns(study, tuple(empty), (*selection.excluded, *excluded))
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
    """The analysis with the stenoses that a reader gives; vessels are those that the model drew, or the
    reader. Of a study that is read by hand, runs in which nothing is drawn are left out, unless all are so.

    Raises:
        Refused: as of ``runs_with``.
    """
    study, everything = reopened.study, runs_with(reopened, correction.factors, correction.chosen)
    runs = tuple(run for run in everything if run.lesions or not study.is_read_by_hand) or everything
    undrawn = [run for run in everything if run not in runs]
    analysis = CoronaryAnalysis(
        study_uid=study.study_uid,
        patient=study.patient(),
        runs=runs,
        measurements=(),
        findings=(),
        excluded=(
            *reopened.excluded,
            *(Excluded(run.source.series_uid, say("nothing is drawn in it")) for run in undrawn),
        ),
        model=correction.model,
        cvai_version=__version__,
        timings_ms={},
        subject=subject_of_runs(study, runs),
        verification=correction.verification,
    )
    findings = [
        finding.in_view(view_key(number))
        for number, run in enumerate(everything, start=1)
        if run in runs
        for finding in run_findings(run, study.chosen_frames)
    ]
    if study.is_read_by_hand and not any(run.lesions for run in runs):
        findings.append(to_be_drawn(runs))
    findings += (*left_out_findings(reopened.left_out), *study_findings(study))
    return with_numbers(analysis, findings)


def runs_with(
    reopened: ReopenedRuns, factors: Mapping[str, float], chosen: Mapping[str, float]
) -> tuple[MeasuredRun, ...]:
    """The runs as they were measured, with what a reader gives of their lesions.

    Args:
        reopened: the study.
        factors: see ``Analysed.factors``.
        chosen: what a reader gives, by name.

    Raises:
        StudyRefused: ``result_too_old``: the result does not tell what the network has seen.
        Refused: as of ``with_given``.
    """
    if not is_kept(factors) and not reopened.study.is_read_by_hand:
        raise StudyRefused(
            "result_too_old",
            say("An earlier version measured this study, and did not keep what the network has seen."),
            say("Analyse it again: cvai jobs retry."),
        )
    runs = [run.measured(factors) for run in reopened.runs]
    return with_given(runs, [run.profiles for run in reopened.runs], chosen)
