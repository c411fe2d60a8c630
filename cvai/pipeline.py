"""From files to results: every analysis that applies to a study is made. Start reading here.

::

    files -> Study -> for each analysis of the registry: select, assemble, predict, measure, judge
          -> SEG, SR, PDF, result.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cvai.analyses.registry import ANALYSES, AnySpec, ReadyAnalysis
from cvai.analyses.stopwatch import Lock, Stopwatch
from cvai.archive.bring import images_digest
from cvai.dicom.read.acquired import Acquired
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.patient import Patient
from cvai.dicom.read.read import open_studies
from cvai.dicom.read.values import CineNotFound, Study
from cvai.dicom.read.whole import all_unreadable
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.plan import Extra, ResultPlan
from cvai.dicom.write.result_json import (
    Record,
    Status,
    StudyStatement,
    analysed_record,
    ended_record,
    study_record,
)
from cvai.dicom.write.standing.predecessors import superseded_documents
from cvai.dicom.write.standing.revision import told_apart
from cvai.dicom.write.standing.withdrawal import write_withdrawal
from cvai.dicom.write.write import WrittenObject, clear_results, write_objects, write_record
from cvai.domain.message import joined, say, term
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import CvaiError, FileRefused, Refused, StudyRefused, TemporarilyUnavailable
from cvai.languages import ENGLISH

UNREADABLE_FOLDER = "unreadable"
"""Folder of result.json when no file states its study."""


@dataclass(frozen=True, slots=True)
class AnalysisOutcome:
    """The outcome of one analysis of a study.

    Args:
        kind: of the analysis.
        status: as in result.json.
        record: its entry in result.json.
        objects: DICOM objects to be stored.
        error: the reason if nothing was measured.
        images: digest of the images that were analysed, see ``images_digest``.
    """

    kind: str
    status: Status
    record: Record
    objects: tuple[WrittenObject, ...] = ()
    error: CvaiError | None = None
    images: str = ""


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """The outcome of one study.

    Args:
        study_uid: StudyInstanceUID, None where no file states it.
        status: as in result.json.
        folder: where result.json and the objects were written.
        objects: DICOM objects to be stored; of a study that was not analysed at most a note that withdraws
            earlier results.
        error: the reason if nothing was measured.
        images: digest of the images that were analysed, empty where none were; see ``images_digest``.
        analyses: one for each analysis that applies.
    """

    study_uid: str | None
    status: Status
    folder: Path
    objects: tuple[WrittenObject, ...]
    error: CvaiError | None = None
    images: str = ""
    analyses: tuple[AnalysisOutcome, ...] = ()


def analyse_folder(
    source: Path,
    out: Path,
    analyses: Sequence[ReadyAnalysis],
    inference_lock: Lock = nullcontext,
    extras: Collection[Extra] = (),
    *,
    chosen: SeriesChoice | None = None,
    language: str = ENGLISH,
) -> tuple[StudyOutcome, ...]:
    """Run the analyses on every study in ``source``; results go to ``out/<StudyInstanceUID>``.

    Args:
        source: a DICOM file, a folder of them, a DICOMDIR, a zip or a tar.
        out: created where it does not exist.
        analyses: to run where they apply.
        inference_lock: held while a network runs.
        extras: objects that are written besides.
        chosen: the series that a person wants measured; None where the analyses choose.
        language: of the reports.

    Raises:
        TemporarilyUnavailable: the disk failed.
    """
    reading, outcomes = Stopwatch(), []
    with ExitStack() as opened:
        with reading.stage("read"):
            read = opened.enter_context(open_studies(source))
        for study in (replace(found, chosen=chosen) for found in read.studies):
            watches = [Stopwatch(reading.timings_ms, inference_lock) for _ in analyses]
            run = _StudyRun(study, out / study.study_uid, read.no_images, extras, language)
            outcomes.append(run.outcome(tuple(zip(analyses, watches, strict=True))))
    if not read.studies:
        error = read.unreadable[0] if read.unreadable else _nothing_there()
        statement = StudyStatement(None, None, read.unreadable, error)
        outcomes.append(_without_analyses(statement, Status.REFUSED, out / UNREADABLE_FOLDER))
    return tuple(outcomes)


def _nothing_there() -> StudyRefused:
    return StudyRefused(
        "no_files", say("The source holds no files."), say("Name a folder of DICOM files, a zip or a tar.")
    )


def _without_analyses(statement: StudyStatement, status: Status, folder: Path) -> StudyOutcome:
    clear_results(folder, _PLANS)
    write_record(folder, study_record(statement, status))
    return StudyOutcome(statement.study_uid, status, folder, (), statement.error)


_PLANS = tuple(spec.results for spec in ANALYSES)


@dataclass(frozen=True, slots=True)
class _StudyRun:
    """The processing of one study.

    Args:
        study: as read.
        folder: for its results.
        beside: refused files in the source that belong to no study.
        extras: objects that are written besides.
        language: of the reports.
    """

    study: Study
    folder: Path
    beside: Sequence[FileRefused]
    extras: Collection[Extra]
    language: str

    def outcome(self, analyses: Sequence[tuple[ReadyAnalysis, Stopwatch]]) -> StudyOutcome:
        """Run the applicable analyses and write their results."""
        try:
            patient = self.study.patient()
        except StudyRefused as refusal:
            return _without_analyses(self._statement(error=refusal), Status.REFUSED, self.folder)
        applying = [(ready, watch) for ready, watch in analyses if ready.spec.applies_to(self.study)]
        if not applying:
            is_known = any(ready.spec.has_modality_in(self.study) for ready, _ in analyses)
            return self._with_withdrawal(self._nothing_to_do(patient, is_known=is_known))
        clear_results(self.folder, _PLANS)
        made: list[AnalysisOutcome] = []
        for ready, watch in applying:
            # The first results lie in the study's folder itself.
            apart = any(outcome.objects for outcome in made)
            folder = self.folder / ready.spec.kind if apart else self.folder
            clear_results(self.folder / ready.spec.kind, _PLANS)
            made.append(self._made(ready, watch, folder))
        status, error = _of_all(made)
        statement = self._statement(patient, error)
        write_record(self.folder, study_record(statement, status, [outcome.record for outcome in made]))
        return self._with_withdrawal(
            StudyOutcome(
                self.study.study_uid,
                status,
                self.folder,
                tuple(written for outcome in made for written in outcome.objects),
                error,
                images=next((outcome.images for outcome in made if outcome.images), ""),
                analyses=tuple(made),
            )
        )

    def _made(self, ready: ReadyAnalysis, watch: Stopwatch, folder: Path) -> AnalysisOutcome:
        """One analysis; its failure is reported and does not affect the others."""
        kind = ready.spec.kind
        try:
            return self._written(ready, ready.analyse(self.study, watch), watch, folder)
        except TemporarilyUnavailable:
            raise
        except CvaiError as error:
            clear_results(folder, [ready.spec.results])
            record = error_record(ready.spec, error, watch, self.study)
            return AnalysisOutcome(kind, status_of(error), record, error=error)

    def _written(
        self, ready: ReadyAnalysis, found: Analysed, watch: Stopwatch, folder: Path
    ) -> AnalysisOutcome:
        plan = ready.spec.results
        with watch.stage("write"):
            analysis, objects = self._objects(found, plan, folder)
        written = [object_entry(o, self.folder) for o in objects]
        record = analysed_record(analysis, written, watch.timings_ms, self.study)
        images = images_digest(plane for phase in analysis.images.planes for plane in phase)
        return AnalysisOutcome(ready.spec.kind, Status.ANALYSED, record, objects, images=images)

    def _objects(
        self, found: Analysed, plan: ResultPlan[Any], folder: Path
    ) -> tuple[Analysed, tuple[WrittenObject, ...]]:
        """The objects of an analysis, and the analysis as they say it."""
        if found.is_to_be_drawn:
            return found, ()
        analysis: Analysed = told_apart(found, plan, self.study)
        objects = write_objects(
            analysis,
            plan,
            folder,
            taken_series_numbers=series_numbers(self.study),
            supersedes=superseded_documents(analysis, self.study.documents),
            extras=self.extras,
            language=self.language,
        )
        return analysis, objects

    def _nothing_to_do(self, patient: Patient, *, is_known: bool) -> StudyOutcome:
        """No analysis applies; this is unknown where files are unreadable and no image could be looked at."""
        lost = () if is_known else all_unreadable(self.study)
        error = lost[0] if lost else _nothing_to_measure(self.study)
        status = Status.REFUSED if lost else Status.NOTHING_TO_DO
        return _without_analyses(self._statement(patient, error), status, self.folder)

    def _statement(self, patient: Patient | None = None, error: CvaiError | None = None) -> StudyStatement:
        unreadable = (*all_unreadable(self.study), *self.beside)
        return StudyStatement(self.study.study_uid, patient, unreadable, error)

    def _with_withdrawal(self, outcome: StudyOutcome) -> StudyOutcome:
        """The outcome with a note about earlier results that name another patient, where there are any."""
        note = write_withdrawal(self.study, outcome.folder)
        return replace(outcome, objects=(*outcome.objects, *note))


def status_of(error: CvaiError) -> Status:
    """What became of an analysis that ended with an error."""
    return Status.REFUSED if isinstance(error, Refused) else Status.FAILED


def error_record(spec: AnySpec, error: CvaiError, watch: Stopwatch, study: Study) -> Record:
    """Entry in result.json of an analysis that did not measure."""
    excluded = error.excluded if isinstance(error, CineNotFound) else ()
    acquired = Acquired.of_study(study, spec.modality)
    return ended_record(
        spec.kind,
        status_of(error),
        error,
        excluded,
        watch.timings_ms,
        acquired=acquired,
        study=study,
    )


def _of_all(made: Sequence[AnalysisOutcome]) -> tuple[Status, CvaiError | None]:
    """What became of the study: analysed where one analysis was, else as the first was not."""
    if any(outcome.status is Status.ANALYSED for outcome in made):
        return Status.ANALYSED, None
    worst = next((o for o in made if o.status is Status.FAILED), made[0])
    return worst.status, worst.error


def _nothing_to_measure(study: Study) -> StudyRefused:
    modalities = Counter(
        modality_of(plane.header) or say("unknown modality")
        for series in study.series
        for plane in series.planes
    )
    counts = [say("{n} of {modality}", n=n, modality=modality) for modality, n in sorted(modalities.items())]
    held = joined(", ", counts) if counts else say("none")
    titles = joined("; ", (term(spec.title) for spec in ANALYSES))
    return StudyRefused(
        "nothing_to_measure",
        say("No analysis applies to this study. Its images: {held}.", held=held),
        say("Nothing has to be done. What cvai measures: {titles}.", titles=titles),
    )


def object_entry(written: WrittenObject, folder: Path) -> Record:
    """Entry of an object in the result.json of ``folder``."""
    return {
        "kind": written.kind,
        "sop_instance_uid": written.sop_instance_uid,
        "path": written.path.relative_to(folder).as_posix(),
    }


def series_numbers(study: Study) -> list[int]:
    """SeriesNumbers that results must not take; cvai's own results hold no image planes and do not count."""
    return [s.series_number for s in study.series if s.planes and s.series_number is not None]
