"""The results of one study, as files in one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from time import perf_counter
from types import MappingProxyType

from pydicom import Dataset

from cvai.errors import FileRefused
from cvai.files import private_file, private_folder
from cvai.results.analysis import Analysis, RefusedAnalysis
from cvai.results.codes import CardiacPhase
from cvai.results.echo_analysis import EchoAnalysis
from cvai.results.echo_codes import echo_coding
from cvai.results.echo_pdf import ECHO_TITLE, echo_report_pdf
from cvai.results.echo_record import echo_record
from cvai.results.echo_seg import LOOP_KINDS, loop_segmentation
from cvai.results.echo_sr import echo_document
from cvai.results.encoded import say_encoded
from cvai.results.fhir import fhir_bundle
from cvai.results.instance import AnyContext, ResultContext
from cvai.results.pdf import encapsulated_report, report_pdf
from cvai.results.record import Record, analysed_record, refused_record
from cvai.results.seg import cine_segmentation, phase_segmentation
from cvai.results.sr import Supersedes, measurement_document
from cvai.results.uids import ResultKind

RESULT_NAME = "result.json"
REPORT_NAME = "report.pdf"
FHIR_NAME = "fhir.json"
OBJECT_NAMES: Mapping[ResultKind, str] = MappingProxyType(
    {
        ResultKind.SEG_CINE: "seg_cine.dcm",
        ResultKind.SEG_ED: "seg_ed.dcm",
        ResultKind.SEG_ES: "seg_es.dcm",
        ResultKind.SR: "sr.dcm",
        ResultKind.PDF: "report.dcm",
    }
)
"""Of a short-axis analysis."""

ECHO_OBJECT_NAMES: Mapping[ResultKind, str] = MappingProxyType(
    {
        ResultKind.SEG_A4C: "seg_a4c.dcm",
        ResultKind.SEG_A2C: "seg_a2c.dcm",
        ResultKind.SR: OBJECT_NAMES[ResultKind.SR],
        ResultKind.PDF: OBJECT_NAMES[ResultKind.PDF],
    }
)
"""Of an ultrasound analysis."""


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """A DICOM object that lies ready to be stored.

    Args:
        kind: which of the results it is.
        sop_instance_uid: of the object.
        path: file that holds it.
    """

    kind: ResultKind
    sop_instance_uid: str
    path: Path


def write_results(
    outcome: Analysis | EchoAnalysis | RefusedAnalysis,
    folder: Path,
    *,
    created: datetime | None = None,
    taken_series_numbers: Iterable[int] = (),
    supersedes: tuple[Supersedes, ...] = (),
    unreadable: Sequence[FileRefused] = (),
) -> tuple[WrittenObject, ...]:
    """Write SEG, SR and PDF objects, report.pdf, fhir.json and, last, result.json; if refused, that alone.

    What an earlier run left in the folder is removed first, so nothing that no longer holds lies beside the
    new result, and a folder with a result.json is complete. Files appear whole or not at all. The same
    analysis with the same ``created`` gives the same bytes.

    Args:
        outcome: what became of the study.
        folder: created where it does not exist.
        created: content date and time of the objects, now where not given.
        taken_series_numbers: SeriesNumbers in use in the study, results of cvai left out.
        supersedes: earlier measurement documents that the new one takes the place of.
        unreadable: files of the study, or beside it, that could not be read.

    Returns:
        The DICOM objects; empty for a refused study.

    Raises:
        HeartRefused: a key phase of the segmentation is empty.
    """
    start = perf_counter()
    private_folder(folder)
    _clear(folder)
    if isinstance(outcome, RefusedAnalysis):
        _write_record(folder, refused_record(outcome, _timed(outcome.timings_ms, start), unreadable))
        return ()
    created = created or datetime.now()
    if isinstance(outcome, EchoAnalysis):
        loops = AnyContext.of(outcome, created, taken_series_numbers)
        objects = _write_echo_objects(loops, outcome, folder, supersedes)
        _write_atomically(folder / FHIR_NAME, fhir_bundle(loops, echo_coding(outcome.view)).encode())
        entries = [_entry(written, folder) for written in objects]
        _write_record(folder, echo_record(outcome, entries, _timed(outcome.timings_ms, start), unreadable))
        return objects
    context = ResultContext.of(outcome, created, taken_series_numbers)
    objects = _write_objects(context, folder, supersedes)
    _write_atomically(folder / FHIR_NAME, fhir_bundle(context).encode())
    entries = [_entry(written, folder) for written in objects]
    _write_record(folder, analysed_record(outcome, entries, _timed(outcome.timings_ms, start), unreadable))
    return objects


def _timed(timings_ms: Mapping[str, float], start: float) -> dict[str, float]:
    return {**timings_ms, "write": (perf_counter() - start) * 1000.0}


def _clear(folder: Path) -> None:
    for name in (RESULT_NAME, REPORT_NAME, FHIR_NAME, *OBJECT_NAMES.values(), *ECHO_OBJECT_NAMES.values()):
        (folder / name).unlink(missing_ok=True)


def _write_objects(
    context: ResultContext, folder: Path, supersedes: tuple[Supersedes, ...]
) -> tuple[WrittenObject, ...]:
    report = report_pdf(context)
    _write_atomically(folder / REPORT_NAME, report)
    instances = {
        ResultKind.SEG_CINE: cine_segmentation(context),
        ResultKind.SEG_ED: phase_segmentation(context, CardiacPhase.END_DIASTOLE),
        ResultKind.SEG_ES: phase_segmentation(context, CardiacPhase.END_SYSTOLE),
        ResultKind.SR: measurement_document(context, supersedes),
        ResultKind.PDF: encapsulated_report(context, report),
    }
    return tuple(_write_instance(folder, kind, instance) for kind, instance in instances.items())


def _write_echo_objects(
    context: AnyContext, analysis: EchoAnalysis, folder: Path, supersedes: tuple[Supersedes, ...]
) -> tuple[WrittenObject, ...]:
    report = echo_report_pdf(context, analysis)
    _write_atomically(folder / REPORT_NAME, report)
    instances = {
        **{LOOP_KINDS[loop.view]: loop_segmentation(context, loop) for loop in analysis.loops},
        ResultKind.SR: echo_document(context, analysis, supersedes),
        ResultKind.PDF: encapsulated_report(context, report, ECHO_TITLE),
    }
    return tuple(_write_instance(folder, kind, instance) for kind, instance in instances.items())


def _write_instance(folder: Path, kind: ResultKind, instance: Dataset) -> WrittenObject:
    path = folder / {**OBJECT_NAMES, **ECHO_OBJECT_NAMES}[kind]
    say_encoded(instance)
    buffer = BytesIO()
    instance.save_as(buffer, enforce_file_format=True)
    _write_atomically(path, buffer.getvalue())
    return WrittenObject(kind, str(instance.SOPInstanceUID), path)


def _entry(written: WrittenObject, folder: Path) -> Record:
    return {
        "kind": str(written.kind),
        "sop_instance_uid": written.sop_instance_uid,
        "path": written.path.relative_to(folder).as_posix(),
    }


def _write_record(folder: Path, record: Record) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write_atomically(folder / RESULT_NAME, text.encode())


def _write_atomically(path: Path, content: bytes) -> None:
    """Write under another name, make it durable, then rename: whoever sees ``path`` sees all of it."""
    partial = path.with_name(f".{path.name}.partial")
    with private_file(partial).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
