"""Writes a signed reading into the study: verified objects, or a note that rejects the model's.

Every step is idempotent: UIDs are derived from the reading, and the model's objects are never changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.former import FORMER_KINDS
from cvai.analyses.registry import ANALYSES, AnyEditing, AnySpec
from cvai.analyses.spec import STACK, Correction, Reopened
from cvai.archive.bring import bring
from cvai.archive.part10 import read_identity
from cvai.archive.port import Archive
from cvai.dicom.read.header.text import one_line
from cvai.dicom.read.whole import all_unreadable
from cvai.dicom.write.analysis import Analysed, Verification
from cvai.dicom.write.instance import local_time
from cvai.dicom.write.objects.rejection import write_rejection
from cvai.dicom.write.objects.sr import Supersedes
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.reported import with_reports
from cvai.dicom.write.result_json import Status, StudyStatement, analysed_record, study_record
from cvai.dicom.write.source import SourceImage
from cvai.dicom.write.standing.predecessors import title_of
from cvai.dicom.write.write import WrittenObject, clear_results, write_objects, write_record
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.runs import decoded_runs
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.subject import Entered
from cvai.errors import StudyRefused
from cvai.jobs.job import UNLISTED, JobObject, JobState, Outcome
from cvai.jobs.opened import reopened
from cvai.jobs.reading import FrameEdit, Reading, Verdict
from cvai.jobs.steps import CheckOwnership, Stored, audited_objects
from cvai.languages import ENGLISH
from cvai.pipeline import object_entry


@dataclass(frozen=True, slots=True)
class SigningSteps:
    """What is done for a reading.

    Args:
        archive: where the study is and the signed objects go.
        work_folder: fetched studies, removed when the reading has been stored.
        results_folder: signed objects, one folder a reading, kept.
        check_ownership: asked before anything is stored, see ``StudySteps``.
        stored: called with the objects that were new to a study.
        extras: objects that are written besides.
        language: of the reports.
    """

    archive: Archive
    work_folder: Path
    results_folder: Path
    check_ownership: CheckOwnership = lambda: None
    stored: Stored = lambda *_: None
    extras: Collection[Extra] = ()
    language: str = ENGLISH

    def fetch(self, reading: Reading) -> Outcome:
        """Fetch the study; superseded when it has changed since it was read."""
        content = self.archive.content(reading.job.study_uid)
        if reading.job.digest != UNLISTED and not content.is_as(reading.job.digest):
            return Outcome(
                JobState.SUPERSEDED,
                "study_changed",
                say("the study has changed since it was read."),
                say("It is analysed anew; read it again."),
            )
        bring(self.archive, content, self.work_folder / reading.reading_id)
        return Outcome(JobState.RUNNING)

    def write(self, reading: Reading) -> Outcome:
        """Write the signed objects, replacing those of an earlier, unfinished run.

        Fetches the study again where another worker had fetched it.
        """
        folder = self.results_folder / reading.reading_id / reading.job.study_uid
        source = self.work_folder / reading.reading_id
        if not source.exists() and (fetched := self.fetch(reading)).state is not JobState.RUNNING:
            return fetched
        spec, editing = editable(reading)
        opened = reopened(source, reading.job, spec, _segmentation_uids(editing, reading), reading.images)
        replaced = _replaced(source, reading)
        objects = _write(opened, replaced, reading, folder, self.extras, language=self.language)
        stored = tuple(
            JobObject(o.kind, o.sop_instance_uid, str(o.path.relative_to(self.results_folder)))
            for o in objects
        )
        result = folder / "result.json"
        named = str(result.relative_to(self.results_folder)) if result.exists() else ""
        return Outcome(JobState.ANALYSED, result=named, objects=stored)

    def store(self, reading: Reading, written: Outcome) -> Outcome:
        """Store the signed objects into the study; written again if they are on another worker's disk."""
        again = self.ensure_files(reading, written)
        if again.state is not JobState.ANALYSED:
            return again
        paths = [self.results_folder / stored.path for stored in written.objects]
        if new := set(self.archive.store(reading.job.study_uid, paths, self.check_ownership).stored):
            objects = audited_objects(paths)
            self.stored(reading.job.study_uid, tuple(o for o in objects if o.sop_instance_uid in new))
        return written

    def ensure_files(self, reading: Reading, written: Outcome) -> Outcome:
        """``written`` where its files are here, else the outcome of writing again."""
        paths = [self.results_folder / stored.path for stored in written.objects]
        return written if all(path.exists() for path in paths) else self.write(reading)

    def clean(self, reading: Reading) -> None:
        """Remove the fetched study."""
        shutil.rmtree(self.work_folder / reading.reading_id, ignore_errors=True)


def _segmentation_uids(editing: AnyEditing, reading: Reading) -> Mapping[str, str]:
    """By kind; none where the study was read by hand."""
    if reading.job.is_read_by_hand:
        return {}
    return reading.segmentations or {editing.segmentations[STACK]: reading.segmentation_uid}


def editable(reading: Reading) -> tuple[AnySpec, AnyEditing]:
    """The analysis that was read, and its editing."""
    kinds = (reading.job.kind,) if reading.job.kind else FORMER_KINDS
    for spec in ANALYSES:
        if spec.kind in kinds and spec.editing is not None:
            return spec, spec.editing
    raise StudyRefused(
        "no_contours", say("This analysis cannot be corrected."), say("Its numbers can be read.")
    )


def _write(
    opened: Reopened,
    replaced: Sequence[SourceImage],
    reading: Reading,
    folder: Path,
    extras: Collection[Extra],
    *,
    language: str,
) -> tuple[WrittenObject, ...]:
    spec, editing = editable(reading)
    analysis, study = signed_analysis(editing, opened, reading), opened.study
    numbers = [s.series_number for s in study.series if s.series_number is not None]
    if reading.verdict is Verdict.REJECTED:
        return write_rejection(
            analysis,
            spec.results,
            folder,
            replaced,
            reading.reason,
            taken_series_numbers=numbers,
            language=language,
        )
    clear_results(folder, [spec.results])
    objects = write_objects(
        analysis,
        spec.results,
        folder,
        created=local_time(reading.signed_at),
        taken_series_numbers=numbers,
        supersedes=tuple(
            Supersedes(study.study_uid, d.series_uid, d.sop_instance_uid, d.sop_class_uid, title_of(d))
            for d in study.documents
            if d.sop_instance_uid in reading.replaces
        ),
        extras=extras,
        language=language,
    )
    statement = StudyStatement(study.study_uid, analysis.patient, all_unreadable(study))
    written = [object_entry(o, folder) for o in objects]
    record = analysed_record(analysis, written, analysis.timings_ms, study)
    write_record(folder, study_record(statement, Status.ANALYSED, [record]))
    return objects


def _replaced(source: Path, reading: Reading) -> list[SourceImage]:
    """The objects in the study that the reading replaces."""
    identities = map(read_identity, sorted(source.glob("*.dcm")))
    return [
        SourceImage(i.sop_class_uid, i.sop_instance_uid, i.series_uid, None)
        for i in identities
        if i is not None and i.sop_instance_uid in reading.replaces
    ]


def signed_analysis(editing: AnyEditing, opened: Reopened, reading: Reading) -> Analysed:
    """The analysis with the reader's contours and phases, measured again.

    Values have no interval: that states how far a reader may be from the model.

    Raises:
        StudyRefused: ``reading_does_not_fit``: the edits are not of frames of these images.
    """
    verification = Verification(
        name=one_line(reading.signer.name),
        organization=one_line(reading.signer.organization),
        at=reading.signed_at,
        changed=reading.verdict is Verdict.CHANGED,
        digest=reading.digest,
        impression=reading.impression,
    )
    return measured_again(
        editing,
        opened,
        reading.edits,
        beats=reading.beats_by_view,
        model=reading.model,
        factors=reading.factors,
        chosen=reading.chosen,
        verification=verification,
        entered=reading.entered,
    )


def measured_again(
    editing: AnyEditing,
    opened: Reopened,
    edits: Sequence[FrameEdit],
    *,
    beats: Mapping[str, tuple[KeyPhases, ...]],
    model: ModelIdentity,
    factors: Mapping[str, float],
    chosen: Mapping[str, float],
    verification: Verification | None = None,
    entered: Entered | None = None,
) -> Analysed:
    """The analysis with a reader's contours, beats, scores and entries, before it is signed and when it is.

    Raises:
        StudyRefused: ``reading_does_not_fit``: the edits are not of frames of these images.
        Refused: what was drawn cannot be measured.
    """
    opened = _with_entered(opened, entered)
    known = frozenset({0, *(segment.number for segment in editing.segments)})
    labels = _edited(editing.labels(opened), edits, beats, known)
    correction = Correction(labels, beats, model, verification, factors, chosen)
    measured: Analysed = editing.remeasure(opened, correction)
    return with_reports(measured, opened.study)


def _with_entered(opened: Reopened, entered: Entered | None) -> Reopened:
    """The study with what was entered by hand, where analyses look for what images do not state."""
    study = replace(opened.study, entered=entered)
    completed: Reopened = replace(cast("Any", opened), study=study)
    return completed


def _edited(
    drawn: Mapping[str, NDArray[np.uint8]],
    edits: Sequence[FrameEdit],
    beats: Mapping[str, tuple[KeyPhases, ...]],
    known: frozenset[int],
) -> dict[str, NDArray[np.uint8]]:
    labels = {view: of_view.copy() for view, of_view in drawn.items()}
    try:
        for edit in edits:
            labels[edit.view][edit.t, edit.z] = decoded_runs(edit.runs, labels[edit.view].shape[2:])
        for view, of_view in labels.items():
            _require_fit(of_view, beats[view], known)
    except (LookupError, ValueError) as error:
        raise StudyRefused(
            "reading_does_not_fit",
            say("The reading does not fit the study's images ({reason}).", reason=str(error)),
            say("The study has changed since; read it again."),
        ) from error
    return labels


def _require_fit(labels: NDArray[np.uint8], beats: Sequence[KeyPhases], known: frozenset[int]) -> None:
    if max(frame for beat in beats for frame in (beat.end_diastole, beat.end_systole)) >= len(labels):
        raise IndexError(f"{len(labels)} phases")
    if unknown := set(np.unique(labels).tolist()) - known:
        raise ValueError(f"labels {sorted(unknown)} have no name")
