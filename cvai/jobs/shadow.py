"""A second model in shadow: it measures delivered studies for comparison; its results are never delivered.

It runs as a separate job behind all others, so that no result waits for it or fails with it. Its measurements
go into ``shadow.json`` beside result.json, and nowhere else: neither into DICOM nor onto a study's page.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cvai.archive.bring import bring
from cvai.archive.content import StudyContent
from cvai.archive.port import Archive
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.errors import Refused, StudyRefused
from cvai.files import write_whole
from cvai.jobs.analysis_slots import AnalysisSlots
from cvai.jobs.installed import Shadow
from cvai.jobs.job import DIED, UNLISTED, JobState, Outcome, StudyJob
from cvai.jobs.result_file import read_result
from cvai.jobs.steps import CheckOwnership

SHADOW_NAME, SCHEMA = "shadow.json", "cvai.shadow/1"

KEPT_IN_VIEW = 2000
"""Studies compared: far fewer show a difference, and reading more would make the page slow."""


@dataclass(frozen=True, slots=True)
class ShadowJob:
    """An analysed job, to be measured by a second model.

    Args:
        job: the analysed job.
        result: path of its result.json relative to the results folder.
        model_sha256: hex digest of the shadow model.
    """

    job: StudyJob
    result: str
    model_sha256: str

    @property
    def shadow_id(self) -> str:
        """Identifies it in the database, in logs and on disk."""
        return f"{self.job.job_id}-shadow-{self.model_sha256[:12]}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "job": self.job.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ShadowJob:
        """Inverse of ``to_json``."""
        return cls(**{**values, "job": StudyJob(**values["job"])})


@dataclass(frozen=True, slots=True)
class Value:
    """One measurement by both models, None where a model has not measured it."""

    name: str
    unit: str
    result: float | None
    shadow: float | None


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """The measurements of both models for one analysis.

    Args:
        job_id: of the analysis.
        study_uid: StudyInstanceUID.
        model: name and version of the shadow model.
        against: name and version of the model whose results were delivered.
        values: of all measurements.
        refused: code of the shadow model's refusal, empty where it measured.
    """

    job_id: str
    study_uid: str
    model: str
    against: str
    values: tuple[Value, ...]
    refused: str = ""

    def shadow_value(self, name: str) -> float | None:
        """The shadow model's value, None where it has none."""
        return next((value.shadow for value in self.values if value.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """The record as shadow.json."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ShadowRecord:
        """Inverse of ``to_json``."""
        fields = {name: value for name, value in found.items() if name != "schema"}
        return cls(**{**fields, "values": tuple(Value(**value) for value in found["values"])})


def shadow_records(results_folder: Path) -> tuple[ShadowRecord, ...]:
    """The newest records below a results folder, at most KEPT_IN_VIEW, oldest first."""
    found = sorted(results_folder.glob(f"*/*/{SHADOW_NAME}"), key=lambda path: path.stat().st_mtime_ns)
    texts = (path.read_text(encoding="utf-8") for path in found[-KEPT_IN_VIEW:])
    return tuple(ShadowRecord.from_json(json.loads(text)) for text in texts)


@dataclass(frozen=True, slots=True)
class ShadowSteps:
    """The steps of a shadow job; may be repeated.

    Args:
        archive: source of studies.
        shadows: shadow models by kind of analysis.
        work_folder: of this worker alone.
        results_folder: where results lie, and the record goes.
        slots: shared with the analyses of studies.
        check_ownership: called before the record is written, see ``StudySteps``.
        recorded: called with every record.
    """

    archive: Archive
    shadows: Mapping[str, Shadow]
    work_folder: Path
    results_folder: Path
    slots: AnalysisSlots
    check_ownership: CheckOwnership = lambda: None
    recorded: Callable[[ShadowRecord], None] = lambda _: None

    def run(self, request: ShadowJob) -> Outcome:
        """Fetch, measure, write the record.

        Raises:
            StudyRefused: ``shadow_not_compared``: the result is not on this disk.
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
        """
        shadow = self.shadows.get(request.job.kind)
        if shadow is None or request.model_sha256 != shadow.identity.sha256:
            return _superseded("model_changed", say("another model is in shadow by now."))
        if self.slots.given_up(request.shadow_id):
            return DIED
        result = self._result(request)
        content = self.archive.content(request.job.study_uid)
        if request.job.digest != UNLISTED and not content.is_as(request.job.digest):
            return _superseded("study_changed", say("the study has changed since it was analysed."))
        record = self._measured(shadow, request, content, result)
        self.check_ownership()
        self._write(request, record)
        self.recorded(record)
        return Outcome(JobState.ANALYSED)

    def clean(self, request: ShadowJob) -> None:
        """Remove the fetched study."""
        shutil.rmtree(self.work_folder / request.shadow_id, ignore_errors=True)

    def _result(self, request: ShadowJob) -> Mapping[str, Any]:
        result = read_result(self.results_folder / request.result)
        if not result.get("measurements"):
            raise StudyRefused(
                "shadow_not_compared",
                say("there is no result here to compare a second model with."),
                say("Workers share data_folder where all studies are to be compared."),
            )
        return result

    def _measured(
        self, shadow: Shadow, request: ShadowJob, content: StudyContent, result: Mapping[str, Any]
    ) -> ShadowRecord:
        folder, refused = self.work_folder / request.shadow_id, ""
        bring(self.archive, content, folder)
        try:
            with self.slots.acquired(request.shadow_id):
                measurements = shadow.measure(folder, request.job.study_uid)
        except Refused as refusal:
            measurements, refused = (), refusal.code
        return ShadowRecord(
            job_id=request.job.job_id,
            study_uid=request.job.study_uid,
            model=f"{shadow.identity.name} {shadow.identity.version}",
            against=f"{result['model']['name']} {result['model']['version']}",
            values=_values(result["measurements"], measurements),
            refused=refused,
        )

    def _write(self, request: ShadowJob, record: ShadowRecord) -> None:
        path = (self.results_folder / request.result).with_name(SHADOW_NAME)
        write_whole(path, (json.dumps(record.to_json(), indent=1) + "\n").encode())


def _values(results: Sequence[Mapping[str, Any]], shadows: Sequence[Measurement]) -> tuple[Value, ...]:
    """Every measurement of either, in the order of the results."""
    units = {m["name"]: m["unit"] for m in results} | {m.name: m.unit for m in shadows}
    result = {m["name"]: float(m["value"]) for m in results}
    shadow = {m.name: m.value for m in shadows}
    return tuple(Value(name, unit, result.get(name), shadow.get(name)) for name, unit in units.items())


def _superseded(code: str, message: str) -> Outcome:
    return Outcome(JobState.SUPERSEDED, code, message, say("Nothing is compared."))
