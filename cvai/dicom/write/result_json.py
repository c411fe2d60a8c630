"""result.json: what was found in a study, or why nothing was, for programs to read.

A study has an entry for every analysis that may apply to it. Every key of the schema is always there; what
does not apply is null or empty. The schema itself lies beside this file as ``result.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cvai.dicom.read.acquired import Acquired
from cvai.dicom.read.header.text import one_line
from cvai.dicom.read.patient import Patient
from cvai.dicom.read.values import Excluded, Series, Study
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import MeasurementCoding
from cvai.dicom.write.reported import Beside, beside
from cvai.domain.findings import Finding
from cvai.domain.impression import Impression
from cvai.domain.measurement import IntervalOrigin, Measurement
from cvai.domain.message import Message, joined, message_of, message_record
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.series_choice import SeriesChoice
from cvai.domain.subject import Entered, Subject
from cvai.errors import CvaiError, FileRefused

SCHEMA_NAME, FORMER_SCHEMA_NAME = "cvai.result/2", "cvai.result/1"
STAGES = ("read", "select", "assemble", "infer", "measure", "write")

Record = dict[str, Any]


class Status(StrEnum):
    """What became of a study, or of one analysis of it."""

    ANALYSED = "analysed"
    REFUSED = "refused"
    """It cannot be measured honestly."""
    FAILED = "failed"
    """Something is broken that has to be mended first."""
    NOTHING_TO_DO = "nothing_to_do"
    """No analysis applies to the study."""


@dataclass(frozen=True, slots=True)
class StudyStatement:
    """What result.json says of a study besides its analyses.

    ``study_uid`` and ``patient`` are None where they are not known, ``unreadable`` are files of the study or
    beside it.
    """

    study_uid: str | None
    patient: Patient | None
    unreadable: Sequence[FileRefused] = ()
    error: CvaiError | None = None


def result_schema() -> Record:
    """The JSON Schema that every result.json keeps."""
    text = resources.files("cvai.dicom.write").joinpath("result.schema.json").read_text("utf-8")
    schema: Record = json.loads(text)
    return schema


def study_record(study: StudyStatement, status: Status, analyses: Sequence[Record] = ()) -> Record:
    """Record of a study with the records of its analyses."""
    return {
        "schema": SCHEMA_NAME,
        "study_uid": study.study_uid,
        "patient": None if study.patient is None else _patient(study.patient),
        "status": str(status),
        "refused": _error(study.error),
        "analyses": list(analyses),
        "unreadable": _unreadable(study.unreadable),
    }


def analysed_record(
    analysis: Analysed,
    objects: Iterable[Record],
    timings_ms: Mapping[str, float],
    study: Study | None = None,
) -> Record:
    """Record of an analysis that measured.

    Args:
        analysis: what was found.
        objects: kind, SOP Instance UID and path of every object written.
        timings_ms: duration of each stage, writing included.
        study: it was made of, which says what a person chose and what series that were left out are called;
            None where nobody reads this.
    """
    return {
        "kind": analysis.kind,
        "status": str(Status.ANALYSED),
        "refused": None,
        "series_uid": analysis.images.series_uid,
        "series_chosen": None if study is None else _chosen(study.chosen),
        "view": analysis.view,
        "acquired": asdict(Acquired.of(analysis.images.planes[0][0].header)),
        "model": _model(analysis.model),
        "measurements": [_measurement(m, analysis.coding(m.name)) for m in analysis.measurements],
        "factors": dict(analysis.factors),
        "key_frames": dict(analysis.key_frames),
        "curves": dict(analysis.curves),
        "findings": [finding_entry(f) for f in analysis.findings],
        "remarks": list(analysis.remarks),
        "remark_texts": [message_record(remark) for remark in analysis.remarks],
        "others": [_other(found) for found in beside(analysis)],
        "impression": _impression(analysis.impression),
        "body": _body(analysis.subject),
        "objects": list(objects),
        "withheld": None,
        "excluded": _excluded(analysis.images.excluded, () if study is None else study.series),
        "timings_ms": _timings(timings_ms),
    }


def ended_record(
    kind: str,
    status: Status,
    error: CvaiError,
    excluded: Iterable[Excluded],
    timings_ms: Mapping[str, float],
    *,
    acquired: Acquired | None = None,
    study: Study | None = None,
) -> Record:
    """Record of an analysis that did not measure; the hint follows the message, as people read it.

    ``study`` is as of ``analysed_record``.
    """
    return {
        **_EMPTY_ENTRY,
        "kind": kind,
        "status": str(status),
        "refused": _error(error),
        "series_chosen": None if study is None else _chosen(study.chosen),
        "acquired": None if acquired is None else asdict(acquired),
        "excluded": _excluded(excluded, () if study is None else study.series),
        "timings_ms": _timings(timings_ms),
    }


_EMPTY_ENTRY: Mapping[str, Any] = MappingProxyType(
    {
        "kind": "",
        "status": "",
        "refused": None,
        "series_uid": None,
        "series_chosen": None,
        "view": None,
        "acquired": None,
        "model": None,
        "measurements": [],
        "factors": {},
        "key_frames": None,
        "curves": None,
        "findings": [],
        "remarks": [],
        "remark_texts": [],
        "others": [],
        "impression": None,
        "body": None,
        "objects": [],
        "withheld": None,
        "excluded": [],
        "timings_ms": {},
    }
)


def _error(error: CvaiError | None) -> Record | None:
    """The hint follows the message, as people read it."""
    if error is None:
        return None
    parts = [part for part in (error.message, error.hint) if part]
    can_be_said = any(isinstance(part, Message) for part in parts)
    text = message_record(joined(" ", parts)) if can_be_said else None
    return {"code": error.code, "message": str(error), "text": text}


def _patient(patient: Patient) -> Record:
    return {
        "name": patient.name,
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "birth_date": patient.birth_date,
        "sex": patient.sex,
    }


def _model(model: ModelIdentity) -> Record:
    """Which model ran."""
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "provider": model.provider,
        "convention": model.convention,
    }


def _measurement(measurement: Measurement, coding: MeasurementCoding) -> Record:
    """One measurement with its code."""
    return {
        "name": measurement.name,
        "code": coding.name.value,
        "scheme": coding.name.scheme_designator,
        "meaning": coding.meaning,
        "value": measurement.value,
        "unit": measurement.unit,
        "interval": _bounds(measurement.interval),
        "interval_from": _interval_from(measurement.interval_from),
        "normal": _bounds(measurement.normal),
    }


def _interval_from(origin: IntervalOrigin | None) -> Record | None:
    if origin is None:
        return None
    return {
        "of": "site" if origin.is_of_site else "model",
        "studies": origin.studies,
        "on": None if origin.on is None else origin.on.isoformat(),
        "factor": origin.factor,
    }


def _bounds(bounds: tuple[float, float] | None) -> list[float] | None:
    return None if bounds is None else list(bounds)


def finding_entry(finding: Finding) -> Record:
    """One finding as result.json states it."""
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        "text": message_record(finding.message),
        "where": [asdict(place) for place in finding.where],
    }


def stated_message(entry: Mapping[str, Any], key: str = "message") -> str:
    """A message or reason that result.json states, which can be translated where it states its text."""
    text, plain = entry.get("text"), str(entry[key])
    return plain if text is None else message_of(text)


def stated_remarks(entry: Mapping[str, Any]) -> list[str]:
    """The remarks of an analysis; those of older versions of cvai have no texts."""
    remarks: Sequence[str] = entry.get("remarks") or ()
    texts: Sequence[Record | None] = entry.get("remark_texts") or [None] * len(remarks)
    return [remark if text is None else message_of(text) for remark, text in zip(remarks, texts, strict=True)]


def _other(found: Beside) -> Record:
    """One value of another report."""
    value = found.value
    return {
        "name": value.name,
        "title": value.title,
        "value": value.value,
        "unit": value.unit,
        "stated": {"value": value.stated[0], "unit": value.stated[1]},
        "scheme": value.code[0],
        "code": value.code[1],
        "meaning": value.code[2],
        "method": str(value.method),
        "view": value.view,
        "mode": value.mode,
        "phase": value.phase,
        "derivation": value.derivation,
        "selected": value.selected,
        "one_of": value.one_of,
        "compared": found.ours is not None,
        "within_interval": found.is_inside,
        "source": asdict(value.source),
    }


def _impression(impression: Impression | None) -> Record | None:
    return None if impression is None else {**asdict(impression), "at": impression.at.isoformat()}


def _chosen(choice: SeriesChoice | None) -> Record | None:
    if choice is None:
        return None
    return {
        **asdict(choice),
        "at": choice.at.isoformat(),
        "loops": list(choice.loops),
        "views": list(map(list, choice.views)),
        "frames": list(map(list, choice.frames)),
    }


def _body(subject: Subject) -> Record:
    """Body size and blood pressure, and what of it another report states."""
    return {
        "height_m": subject.height_m,
        "weight_kg": subject.weight_kg,
        "systolic_mmhg": subject.systolic_mmhg,
        "diastolic_mmhg": subject.diastolic_mmhg,
        "from_report": list(subject.from_report),
        "haematocrit_percent": subject.haematocrit_percent,
        "entered": _entered(subject.entered),
    }


def _entered(entered: Entered | None) -> Record | None:
    """Who entered which of it by hand, and when."""
    if entered is None:
        return None
    return {"by": entered.by, "at": entered.at.isoformat(), "values": entered.values}


def _excluded(excluded: Iterable[Excluded], series: Iterable[Series]) -> list[Record]:
    """What was not analysed, with reasons, and how the series is called where it is known."""
    known = {one.series_uid: one for one in series if one.planes}
    return [
        {
            "series_uid": p.series_uid,
            "series": _named(known[p.series_uid]) if p.series_uid in known else None,
            "reason": p.reason,
            "text": message_record(p.reason),
            "loop": None if p.loop is None else asdict(p.loop),
        }
        for p in excluded
    ]


def _named(series: Series) -> Record:
    """By what people know a series."""
    return {
        "number": series.series_number,
        "description": one_line(series.description),
        "n_images": len(series.planes),
    }


def _unreadable(refusals: Iterable[FileRefused]) -> list[Record]:
    """How many files could not be read for each reason; with the message of the first."""
    by_code: dict[str, list[FileRefused]] = {}
    for refusal in refusals:
        by_code.setdefault(refusal.code, []).append(refusal)
    return [
        {
            "code": code,
            "count": len(some),
            "message": some[0].message,
            "text": message_record(some[0].message),
        }
        for code, some in by_code.items()
    ]


def _timings(timings_ms: Mapping[str, float]) -> Record:
    """Every stage by name, null where it was not reached, and the sum of those that were."""
    stages: Record = {stage: _milliseconds(timings_ms.get(stage)) for stage in STAGES}
    return {**stages, "total": _milliseconds(sum(timings_ms.get(stage, 0.0) for stage in STAGES))}


def _milliseconds(duration_ms: float | None) -> float | None:
    return None if duration_ms is None else round(duration_ms, 1)


def read_entry(path: Path) -> Record:
    """What became of the one analysis of a result.json, with ``patient`` and ``unreadable`` of its study.

    Results that older versions wrote, of which a study had one, are read as if they were written now, but for
    their kind, which only ``view`` tells.

    Args:
        path: of a result.json with one analysis, or with none where the study was refused before.
    """
    result: Record = json.loads(path.read_text(encoding="utf-8"))
    if result["schema"] == FORMER_SCHEMA_NAME:
        return {**result, "kind": "", "key_frames": result["frames"], "excluded": result["passed_over"]}
    shared = {name: result[name] for name in ("study_uid", "patient", "unreadable")}
    if not result["analyses"]:
        return {**_EMPTY_ENTRY, "status": result["status"], "refused": result["refused"], **shared}
    (entry,) = result["analyses"]
    return {**entry, **shared}
