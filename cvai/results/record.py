"""result.json: what was found, or why nothing was, for programs to read.

Every key of the schema is always there; what does not apply is null or empty. The schema itself lies beside
this file as ``result.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from typing import Any

from cvai.errors import FileRefused
from cvai.heart.findings import Finding
from cvai.heart.measurement import Measurement
from cvai.heart.segmentation import ModelIdentity
from cvai.results.analysis import Analysed, Analysis, RefusedAnalysis
from cvai.results.codes import MeasurementCoding, measurement_coding
from cvai.study.values import PassedOver

SCHEMA_NAME = "cvai.result/1"
STAGES = ("read", "select", "assemble", "infer", "measure", "write")

Record = dict[str, Any]


def result_schema() -> Record:
    """The JSON Schema that every result.json keeps."""
    text = resources.files("cvai.results").joinpath("result.schema.json").read_text("utf-8")
    schema: Record = json.loads(text)
    return schema


def analysed_record(
    analysis: Analysis,
    objects: Iterable[Record],
    timings_ms: Mapping[str, float],
    unreadable: Iterable[FileRefused] = (),
) -> Record:
    """Record of a measured cine study; see ``measured_record``."""
    return measured_record(
        analysis,
        measurement_coding,
        frames={"ed": analysis.phases.end_diastole, "es": analysis.phases.end_systole},
        curves=_curves(analysis),
        objects=objects,
        timings_ms=timings_ms,
        unreadable=unreadable,
    )


def measured_record(
    analysis: Analysed,
    coded: Callable[[str], MeasurementCoding],
    *,
    frames: Record,
    curves: Record,
    objects: Iterable[Record],
    timings_ms: Mapping[str, float],
    unreadable: Iterable[FileRefused] = (),
) -> Record:
    """Record of a measured study, whatever it was measured from.

    Args:
        analysis: what was found.
        coded: code of a measurement by its name.
        frames: 0-based index of end-diastole and end-systole.
        curves: time and volumes, null where there are none.
        objects: kind, SOP Instance UID and path of every object written.
        timings_ms: duration of each stage, writing included.
        unreadable: files of the study, or beside it, that could not be read.
    """
    return {
        "schema": SCHEMA_NAME,
        "study_uid": analysis.study_uid,
        "status": "analysed",
        "refused": None,
        "series_uid": analysis.cine.series_uid,
        "view": analysis.view,
        "model": _model(analysis.model),
        "frames": frames,
        "measurements": [_measurement(m, coded(m.name)) for m in analysis.measurements],
        "curves": curves,
        "findings": [_finding(f) for f in analysis.findings],
        "objects": list(objects),
        "passed_over": _passed_over(analysis.cine.passed_over),
        "unreadable": _unreadable(unreadable),
        "timings_ms": _timings(timings_ms),
    }


def refused_record(
    refused: RefusedAnalysis, timings_ms: Mapping[str, float], unreadable: Iterable[FileRefused] = ()
) -> Record:
    """Record of a study that was not measured; the hint follows the message, as people read it."""
    return {
        "schema": SCHEMA_NAME,
        "study_uid": refused.study_uid,
        "status": "refused",
        "refused": {"code": refused.refusal.code, "message": str(refused.refusal)},
        "series_uid": None,
        "view": None,
        "model": None,
        "frames": None,
        "measurements": [],
        "curves": None,
        "findings": [],
        "objects": [],
        "passed_over": _passed_over(refused.passed_over),
        "unreadable": _unreadable(unreadable),
        "timings_ms": _timings(timings_ms),
    }


def _model(model: ModelIdentity) -> Record:
    """Which model ran."""
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "provider": model.provider,
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
        "normal": _bounds(measurement.normal),
    }


def _bounds(bounds: tuple[float, float] | None) -> list[float] | None:
    return None if bounds is None else list(bounds)


def _curves(analysis: Analysis) -> Record:
    times_ms = analysis.cine.stack.phase_times_ms
    return {
        "time_ms": None if times_ms is None else times_ms.tolist(),
        "lv_ml": analysis.lv_curve_ml.tolist(),
        "rv_ml": analysis.rv_curve_ml.tolist(),
    }


def _finding(finding: Finding) -> Record:
    """One finding."""
    return {"code": finding.code, "severity": str(finding.severity), "message": finding.message}


def _passed_over(passed_over: Iterable[PassedOver]) -> list[Record]:
    """What was not analysed, with reasons."""
    return [{"series_uid": p.series_uid, "reason": p.reason} for p in passed_over]


def _unreadable(refusals: Iterable[FileRefused]) -> list[Record]:
    """How many files could not be read for each reason; with the message of the first."""
    by_code: dict[str, list[FileRefused]] = {}
    for refusal in refusals:
        by_code.setdefault(refusal.code, []).append(refusal)
    return [{"code": c, "count": len(some), "message": some[0].message} for c, some in by_code.items()]


def _timings(timings_ms: Mapping[str, float]) -> Record:
    """Every stage by name, null where it was not reached, and the sum of those that were."""
    stages: Record = {stage: _milliseconds(timings_ms.get(stage)) for stage in STAGES}
    return {**stages, "total": _milliseconds(sum(timings_ms.get(stage, 0.0) for stage in STAGES))}


def _milliseconds(duration_ms: float | None) -> float | None:
    return None if duration_ms is None else round(duration_ms, 1)
