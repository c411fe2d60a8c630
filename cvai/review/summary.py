"""What the worklist and the study page say about one job, read from what the engine left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from cvai.analyses.page import Headline, Section
from cvai.analyses.registry import AnyEditing, AnySpec, analysis_of_view
from cvai.analyses.shown import Scores
from cvai.analyses.spec import PageSpec
from cvai.dicom.read.header.attributes import PARSE_ERRORS, parse_some
from cvai.dicom.read.header.text import one_line
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.patient import Patient, patient_of
from cvai.dicom.write.report.bounds import interval_note
from cvai.domain.measurement import IntervalOrigin, Measurement
from cvai.domain.normals import range_of_all_adults
from cvai.domain.subject import Entered
from cvai.errors import FileRefused
from cvai.jobs.job import JobState, StudyJob
from cvai.jobs.ledger import JobRecord
from cvai.jobs.result_file import read_result
from cvai.review.viewers.bullseye import DrawnWall, drawn_wall
from cvai.review.viewers.scores import ToldScore, told_scores

IDENTITY_TAGS = (
    "PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate", "PatientSex", "StudyDate", "StudyDescription", "AccessionNumber",
    "SpecificCharacterSet",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose study it is, to be shown on the page and nowhere else; empty where not known."""

    patient: Patient = field(default_factory=Patient)
    study_date: str = ""
    description: str = ""
    accession: str = ""

    def completed_by(self, other: Identity) -> Identity:
        """With what the other one tells and this one does not; its patient where this one names none."""
        named = self.patient.patient_id or self.patient.name
        return Identity(
            self.patient if named else other.patient,
            self.study_date or other.study_date,
            self.description or other.description,
            self.accession or other.accession,
        )

    @property
    def may_be_any_adult(self) -> bool:
        """Whether neither a sex that ranges are published for nor an age below 18 years is stated."""
        born, studied = self.patient.birth_date, self.study_date
        is_minor = bool(born and studied) and int(studied) - int(born) < 18_00_00
        return self.patient.sex not in ("F", "M") and not is_minor


def range_without_sex(
    main: Measurement | None, identity: Identity, spec: AnySpec | None
) -> tuple[float, float] | None:
    """Limits beyond which the main measurement is abnormal for either sex; None where it has its own."""
    if main is None or spec is None or main.normal is not None or not identity.may_be_any_adult:
        return None
    return range_of_all_adults(main, spec.modality)


@dataclass(frozen=True)
class Summary:
    """One job with its result.

    Args:
        record: the job as it stands.
        result: its entry in result.json, see ``read_entry``; empty where the job wrote none, or is withheld.
        identity: whose study it is.
    """

    record: JobRecord
    result: Mapping[str, Any]
    identity: Identity

    @property
    def job_id(self) -> str:
        """Names the job."""
        return self.record.job.job_id

    @property
    def kind(self) -> str:
        """Which analysis; empty in a job of an older version."""
        return self.record.job.kind

    @property
    def state(self) -> JobState:
        """Where the job stands."""
        return self.record.outcome.state

    @property
    def view(self) -> str:
        """What was measured, such as ``sax_cine``; empty where nothing was."""
        return str(self.result.get("view") or "")

    @property
    def spec(self) -> AnySpec | None:
        """The analysis that measured; None where nothing was, or it is not known here."""
        return analysis_of_view(self.view)

    @property
    def page(self) -> PageSpec[Any] | None:
        """How its images are shown; None where they are not."""
        has_images = self.state in (JobState.ANALYSED, JobState.SUPERSEDED)
        return self.spec.page if self.spec is not None and has_images else None

    @property
    def has_stack(self) -> bool:
        """Whether there is a stack of slices to be looked at."""
        return self.page is not None and self.page.viewer == "stack"

    @property
    def has_loops(self) -> bool:
        """Whether there are loops to be looked at."""
        return self.page is not None and self.page.viewer == "loops"

    @property
    def editing(self) -> AnyEditing | None:
        """How it is corrected and signed on the page; None where it is not."""
        if self.spec is None or self.page is None or self.spec.editing is None:
            return None
        lacks_factors = self.spec.editing.needs_factors and "factors" not in self.result
        return None if lacks_factors else self.spec.editing

    @property
    def is_by_hand(self) -> bool:
        """Whether a reader draws what is measured, since the software refused the study."""
        return self.editing is not None and self.record.job.is_read_by_hand

    @property
    def draws(self) -> bool:
        """Whether contours are drawn; else a reader gives scores alone."""
        layers = () if self.page is None or self.editing is None else self.page.layers
        return any(layer.editable for layer in layers)

    @property
    def ended_ms(self) -> int | None:
        """When the job ended, in ms since the epoch; None before."""
        ended_at = self.record.ended_at
        return None if ended_at is None else round(ended_at.timestamp() * 1000)

    @property
    def is_looked_at(self) -> bool:
        """Whether a reader may say that it was looked at, since there is nothing of a model that could be
        signed; see ``LookVerdict``."""
        nothing = self.state is JobState.NOTHING_TO_DO
        no_contours = self.editing is None or self.is_by_hand
        return self.record.ended_at is not None and no_contours and not nothing

    @property
    def model(self) -> str:
        """Name and version of the model; empty where none ran."""
        model = self.result.get("model") or {}
        return f"{model['name']} {model['version']}" if model else ""

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        """What makes a number doubtful."""
        return list(self.result.get("findings") or [])

    @property
    def warnings(self) -> list[Mapping[str, Any]]:
        """Findings that are more than information."""
        return [finding for finding in self.findings if finding["severity"] != "info"]

    @cached_property
    def measurements(self) -> dict[str, Measurement]:
        """Every number by its name."""
        return {m["name"]: _measurement(m) for m in self.result.get("measurements") or []}

    @property
    def entered(self) -> Entered | None:
        """What a reader has entered by hand and the numbers are measured with."""
        stated = (self.result.get("body") or {}).get("entered")
        if not stated:
            return None
        return Entered(stated["by"], datetime.fromisoformat(stated["at"]), **stated["values"])

    @property
    def wall(self) -> DrawnWall | None:
        """The wall by segment; None where the analysis shows none."""
        if self.page is None or self.page.wall is None:
            return None
        return drawn_wall(self.page.wall(tuple(self.measurements.values())))

    @property
    def scores(self) -> Scores | None:
        """What a reader may score, as the model measured it; None where that is nothing."""
        if self.page is None or self.page.scores is None or self.editing is None:
            return None
        return self.page.scores(tuple(self.measurements.values()))

    @property
    def told_scores(self) -> tuple[ToldScore, ...]:
        """The scores as the model measured them, in words."""
        return () if self.scores is None else told_scores(self.scores, self.scores, {})

    @property
    def sections(self) -> list[Section]:
        """Sections of the page of which anything was measured; a curve that was not recorded is left out."""
        sections = () if self.page is None else self.page.sections
        made = (s for s in sections if any(self.made(row.names) for row in s.table.rows))
        return [section if self._has_curve(section) else replace(section, curve=None) for section in made]

    def _has_curve(self, section: Section) -> bool:
        curves = self.result.get("curves") or {}
        return section.curve is not None and all(curves.get(line.name) for line in section.curve.lines)

    @property
    def headline(self) -> Headline | None:
        """By which measurement lists and trends go; None where they have none of it."""
        return self.spec.headline if self.spec is not None else None

    @property
    def main(self) -> Measurement | None:
        """The measurement that ``headline`` names."""
        return None if self.headline is None else self.measurements.get(self.headline.name)

    @property
    def range_without_sex(self) -> tuple[float, float] | None:
        """See the function of this name."""
        return range_without_sex(self.main, self.identity, self.spec)

    def made(self, names: Iterable[str]) -> list[Measurement]:
        """The measurements of these names that were made."""
        return [self.measurements[name] for name in names if name in self.measurements]

    def indices(self, names: Iterable[str]) -> list[Measurement | None]:
        """The same by body surface; None where one was not made."""
        return [self.measurements.get(f"{name}_index") for name in names]

    @property
    def has_normal(self) -> bool:
        """Whether a normal range is known for any measurement."""
        return any(measurement.normal is not None for measurement in self.measurements.values())

    @property
    def interval_note(self) -> str:
        """Whose errors the intervals were learnt from."""
        return interval_note(self.measurements.values())

    def meaning(self, name: str) -> str:
        """What a measurement is, in words; its name where result.json says nothing of it."""
        found = (m for m in self.result.get("measurements") or [] if m["name"] == name)
        return next((str(m.get("meaning", name)) for m in found), name)


def _measurement(values: Mapping[str, Any]) -> Measurement:
    interval, normal = values["interval"], values["normal"]
    return Measurement(
        values["name"],
        values["value"],
        values["unit"],
        None if interval is None else (interval[0], interval[1]),
        None if normal is None else (normal[0], normal[1]),
        interval_from=_origin(values.get("interval_from")),
    )


def _origin(stated: Mapping[str, Any] | None) -> IntervalOrigin | None:
    """As result.json states it; older versions stated none."""
    if stated is None:
        return None
    on = None if stated["on"] is None else date.fromisoformat(stated["on"])
    return IntervalOrigin(stated["studies"], on, stated["factor"])


@dataclass(frozen=True, slots=True)
class StudyFolders:
    """Where what the page says of a study is read.

    Args:
        results: results of jobs, one folder a job.
        work: of the service's workers, one folder a worker; the studies that they fetched lie below.
        archive: studies of the embedded archive, one folder a study; None with another archive.
    """

    results: Path
    work: Path | None = None
    archive: Path | None = None

    def images(self, job: StudyJob) -> Iterator[Path]:
        """Files of the study of a job, as far as they lie here."""
        if self.work is not None:
            yield from self.work.glob(f"*/studies/{job.job_id}/*.dcm")
        if self.archive is not None:
            yield from (self.archive / job.study_uid).glob("*.dcm")


def read_summary(record: JobRecord, folders: StudyFolders) -> Summary:
    """The summary of a job: from its result.json and the headers of the objects beside it.

    Of withheld results nothing but the patient is read.

    Where there are no objects, result.json names the patient (none where the study is of several), and date,
    description and AccessionNumber are those of one image. As long as there is no result, so is the patient.
    """
    result = read_result(folders.results / record.outcome.result) if record.outcome.result else {}
    if record.outcome.state is JobState.WITHHELD:
        result = {"patient": result.get("patient")}
    identity = _of_objects(record, folders.results)
    if identity is None:
        identity = _of_an_image(folders.images(record.job))
        if result:
            identity = replace(identity, patient=Patient(**(result.get("patient") or {})))
    return Summary(record, result, identity)


def _of_objects(record: JobRecord, results_folder: Path) -> Identity | None:
    """From the smallest object that was written; None without one."""
    paths = (results_folder / stored.path for stored in record.outcome.objects)
    path = min((path for path in paths if path.is_file()), key=lambda path: path.stat().st_size, default=None)
    if path is None:
        return None
    with tolerating_values():
        return _stated(dcmread(path, stop_before_pixels=True, specific_tags=list(IDENTITY_TAGS)))


def _of_an_image(paths: Iterator[Path]) -> Identity:
    """From the first file that can be read; workers and archive may be taking them away."""
    with suppress(FileNotFoundError):
        for path in paths:
            with suppress(InvalidDicomError, FileRefused, OSError, *PARSE_ERRORS), tolerating_values():
                return _stated(_header(path))
    return Identity()


def _header(path: Path) -> Dataset:
    with path.open("rb") as file:
        return parse_some(file, IDENTITY_TAGS)


def _stated(header: Dataset) -> Identity:
    def text(keyword: str) -> str:
        return one_line(str(header.get(keyword) or "")).strip()

    return Identity(patient_of(header), text("StudyDate"), text("StudyDescription"), text("AccessionNumber"))
