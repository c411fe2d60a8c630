"""The results of one analysis, as files in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import DataElement, Dataset

from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.contoured import ContouredImages
from cvai.dicom.write.fhir import fhir_bundle
from cvai.dicom.write.hl7 import oru_message
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.objects.capture import captures
from cvai.dicom.write.objects.contours import contour_document
from cvai.dicom.write.objects.encoded import say_encoded
from cvai.dicom.write.objects.presentation import presentable, presentation_state
from cvai.dicom.write.objects.seg import PIXEL_DATA, segmentation
from cvai.dicom.write.objects.sr import Supersedes, measurement_document
from cvai.dicom.write.plan import CONTOURS, PRESENTATION, Extra, ResultKind, ResultPlan
from cvai.dicom.write.report.document import encapsulated_report
from cvai.dicom.write.result_json import Record
from cvai.files import appearing_whole, private_folder, write_whole
from cvai.languages import ENGLISH

RESULT_NAME = "result.json"
REPORT_NAME = "report.pdf"
FHIR_NAME = "fhir.json"
HL7_NAME = "oru.hl7"


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """A DICOM object that lies ready to be stored.

    ``kind`` is which of the results it is, as in result.json.
    """

    kind: str
    sop_instance_uid: str
    path: Path


def write_objects(
    analysis: AnyAnalysed,
    plan: ResultPlan[AnyAnalysed],
    folder: Path,
    *,
    created: datetime | None = None,
    taken_series_numbers: Iterable[int] = (),
    supersedes: tuple[Supersedes, ...] = (),
    extras: Collection[Extra] = (),
    language: str = ENGLISH,
) -> tuple[WrittenObject, ...]:
    """Write SEG, SR and PDF objects, report.pdf, fhir.json and oru.hl7.

    Files appear whole or not at all. The same analysis with the same ``created`` gives the same bytes.

    Args:
        analysis: what was found.
        plan: how its results are written.
        folder: created where it does not exist.
        created: content date and time of the objects, now where not given.
        taken_series_numbers: SeriesNumbers in use in the study, results of cvai left out.
        supersedes: earlier documents that new ones of their class take the place of.
        extras: what is written besides; it changes nothing of the other objects.
        language: of the report; all else is in English.

    Raises:
        HeartRefused: a key phase of the segmentation is empty.
    """
    private_folder(folder)
    context = ResultContext.of(analysis, plan, created or datetime.now(), taken_series_numbers, language)
    report = plan.report(context)
    write_whole(folder / REPORT_NAME, report, durable=True)
    makers: dict[str, Callable[[], Dataset]] = {
        **{drawn.kind: partial(segmentation, context, drawn) for drawn in plan.drawn(analysis)},
        ResultKind.SR: partial(measurement_document, context, supersedes),
        ResultKind.PDF: partial(encapsulated_report, context, report),
    }
    if images := plan.contoured(analysis) if extras else ():
        makers |= _extra_makers(context, images, supersedes, extras)
    makers |= _echo_report_makers(context, supersedes, extras)
    files = {kind: folder / series.file_name for kind, series in plan.every_series.items()}
    objects = tuple(_write_instance(kind, make(), files[kind]) for kind, make in makers.items())
    write_whole(folder / FHIR_NAME, fhir_bundle(context).encode(), durable=True)
    write_whole(folder / HL7_NAME, oru_message(context).encode(), durable=True)
    return objects


def _extra_makers(
    context: ResultContext[AnyAnalysed],
    images: Sequence[ContouredImages],
    supersedes: Sequence[Supersedes],
    extras: Collection[Extra],
) -> dict[str, Callable[[], Dataset]]:
    """How the wanted objects are made, by their kind."""
    makers: dict[str, Callable[[], Dataset]] = {}
    if Extra.CAPTURES in extras:
        makers |= captures(context, images)
    if Extra.CONTOURS in extras:
        makers[CONTOURS] = partial(contour_document, context, images, supersedes)
    if Extra.PRESENTATIONS in extras and (shown := presentable(images)):
        makers[PRESENTATION] = partial(presentation_state, context, shown)
    return makers


def _echo_report_makers(
    context: ResultContext[AnyAnalysed], supersedes: Sequence[Supersedes], extras: Collection[Extra]
) -> dict[str, Callable[[], Dataset]]:
    """How the wanted echo reports are made; of what is unsigned only where that is wanted, too."""
    if context.analysis.verification is None and Extra.UNSIGNED_ECHO_REPORTS not in extras:
        return {}
    return {
        kind: partial(make, context, supersedes)
        for kind, make in context.plan.echo_reports.items()
        if kind in extras
    }


def write_record(folder: Path, record: Record) -> Path:
    """Write result.json, which comes last: a folder that has one is complete."""
    private_folder(folder)
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path = folder / RESULT_NAME
    write_whole(path, text.encode(), durable=True)
    return path


def clear_results(folder: Path, plans: Iterable[ResultPlan[Any]]) -> None:
    """Remove what an earlier run left in a folder: nothing that no longer holds lies beside new results."""
    objects = {plan.file_name for results in plans for plan in results.every_series.values()}
    for name in (RESULT_NAME, REPORT_NAME, FHIR_NAME, HL7_NAME, *sorted(objects)):
        (folder / name).unlink(missing_ok=True)


def _write_instance(kind: str, instance: Dataset, path: Path) -> WrittenObject:
    say_encoded(instance)
    if PIXEL_DATA in instance and not instance[PIXEL_DATA].is_undefined_length:
        # pydicom encodes bytes in memory before it writes them, and copies a buffer.
        instance[PIXEL_DATA] = DataElement(PIXEL_DATA, "OB", BytesIO(instance[PIXEL_DATA].value))
    with appearing_whole(path, durable=True) as partial_path:
        instance.save_as(partial_path, enforce_file_format=True)
    return WrittenObject(kind, str(instance.SOPInstanceUID), path)
