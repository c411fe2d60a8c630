"""A second model in shadow: it measures what has been delivered, and is compared, never believed.

Its work is a job of its own behind all others, so that no result waits for it and none can fail by it. What
it measures goes into ``shadow.json`` beside result.json, and nowhere else: not into DICOM, not onto the page
of a study.
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
from cvai.errors import Refused, StudyRefused
from cvai.files import write_whole
from cvai.jobs.analysis_slots import AnalysisSlots
from cvai.jobs.installed import Shadow
from cvai.jobs.job import DIED, UNLISTED, JobState, Outcome, StudyJob
from cvai.jobs.result_file import read_result
from cvai.jobs.steps import CheckOwnership

SHADOW_NAME, SCHEMA = "shadow.json", "cvai.shadow/1"

KEPT_IN_VIEW = 2000
"""Studies compared: a model's difference shows in far fewer, and a page is not to read for minutes."""


@dataclass(frozen=True, slots=True)
class ShadowJob:
    """An analysed job, to be measured by a second model.

    Args:
        job: what was analysed.
        result: path of its result.json relative to the results folder.
        model_sha256: digest of the second model.
    """

    job: StudyJob
    result: str
    model_sha256: str

    @property
    def shadow_id(self) -> str:
        """Names it in the database, in logs and on disk."""
        return f"{self.job.job_id}-shadow-{self.model_sha256[:12]}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "job": self.job.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ShadowJob:
        """As it was written by ``to_json``."""
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
    """What both models say of one analysis.

    Args:
        job_id: of the analysis.
        study_uid: StudyInstanceUID.
        model: name and version of the second model.
        against: name and version of the model whose results were delivered.
        values: what they measured.
        refused: code of the second model's refusal, empty where it measured.
    """

    job_id: str
    study_uid: str
    model: str
    against: str
    values: tuple[Value, ...]
    refused: str = ""

    def shadow_value(self, name: str) -> float | None:
        """What the second model measured, None where it did not."""
        return next((value.shadow for value in self.values if value.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """The record as shadow.json."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ShadowRecord:
        """The record as it was written by ``to_json``."""
        told = {name: value for name, value in found.items() if name != "schema"}
        return cls(**{**told, "values": tuple(Value(**value) for value in found["values"])})


def shadow_records(results_folder: Path) -> tuple[ShadowRecord, ...]:
    """The newest records below a results folder, KEPT_IN_VIEW at most, the oldest first."""
    found = sorted(results_folder.glob(f"*/*/{SHADOW_NAME}"), key=lambda path: path.stat().st_mtime_ns)
    texts = (path.read_text(encoding="utf-8") for path in found[-KEPT_IN_VIEW:])
    return tuple(ShadowRecord.from_json(json.loads(text)) for text in texts)


@dataclass(frozen=True, slots=True)
class ShadowSteps:
    """What is done for a shadow job; it may be done any number of times.

    Args:
        archive: where studies come from.
        shadows: the second models by the kind of analysis that they are for.
        work_folder: of this worker alone.
        results_folder: where results lie, and the record goes.
        turns: at analysing, those of studies among them.
        check_ownership: asked before the record is written, see ``StudySteps``.
        told: is given every record.
    """

    archive: Archive
    shadows: Mapping[str, Shadow]
    work_folder: Path
    results_folder: Path
    turns: AnalysisSlots
    check_ownership: CheckOwnership = lambda: None
    told: Callable[[ShadowRecord], None] = lambda _: None

    def run(self, asked: ShadowJob) -> Outcome:
        """Fetch, measure, write the record.

        Raises:
            StudyRefused: ``shadow_not_compared``: the result does not lie here.
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
        """
        shadow = self.shadows.get(asked.job.kind)
        if shadow is None or asked.model_sha256 != shadow.identity.sha256:
            return _superseded("model_changed", "another model is in shadow by now.")
        if self.turns.given_up(asked.shadow_id):
            return DIED
        result = self._result(asked)
        content = self.archive.content(asked.job.study_uid)
        if asked.job.digest != UNLISTED and not content.is_as(asked.job.digest):
            return _superseded("study_changed", "the study has changed since it was analysed.")
        record = self._measured(shadow, asked, content, result)
        self.check_ownership()
        self._write(asked, record)
        self.told(record)
        return Outcome(JobState.ANALYSED)

    def clean(self, asked: ShadowJob) -> None:
        """Remove the fetched study."""
        shutil.rmtree(self.work_folder / asked.shadow_id, ignore_errors=True)

    def _result(self, asked: ShadowJob) -> Mapping[str, Any]:
        result = read_result(self.results_folder / asked.result)
        if not result.get("measurements"):
            raise StudyRefused(
                "shadow_not_compared",
                "there is no result here to compare a second model with.",
                "Workers share data_folder where all studies are to be compared.",
            )
        return result

    def _measured(
        self, shadow: Shadow, asked: ShadowJob, content: StudyContent, result: Mapping[str, Any]
    ) -> ShadowRecord:
        folder, refused = self.work_folder / asked.shadow_id, ""
        bring(self.archive, content, folder)
        try:
            with self.turns.taken(asked.shadow_id):
                measurements = shadow.measure(folder, asked.job.study_uid)
        except Refused as refusal:
            measurements, refused = (), refusal.code
        return ShadowRecord(
            job_id=asked.job.job_id,
            study_uid=asked.job.study_uid,
            model=f"{shadow.identity.name} {shadow.identity.version}",
            against=f"{result['model']['name']} {result['model']['version']}",
            values=_values(result["measurements"], measurements),
            refused=refused,
        )

    def _write(self, asked: ShadowJob, record: ShadowRecord) -> None:
        path = (self.results_folder / asked.result).with_name(SHADOW_NAME)
        write_whole(path, (json.dumps(record.to_json(), indent=1) + "\n").encode())


def _values(results: Sequence[Mapping[str, Any]], shadows: Sequence[Measurement]) -> tuple[Value, ...]:
    """Everything that one of them has measured, in the order of the results."""
    units = {m["name"]: m["unit"] for m in results} | {m.name: m.unit for m in shadows}
    result = {m["name"]: float(m["value"]) for m in results}
    shadow = {m.name: m.value for m in shadows}
    return tuple(Value(name, unit, result.get(name), shadow.get(name)) for name, unit in units.items())


def _superseded(code: str, message: str) -> Outcome:
    return Outcome(JobState.SUPERSEDED, code, message, "Nothing is compared.")
