"""A reader's no: a Key Object Selection that withdraws what the model wrote, and leaves it as it stands.

The HL7 message beside it withdraws the values where they were sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pydicom.sr.coding import Code

from cvai.dicom.read.header.text import lines
from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.hl7 import oru_message
from cvai.dicom.write.instance import ResultContext, local_time, new_instance
from cvai.dicom.write.objects.sr import person
from cvai.dicom.write.objects.withdrawing_note import complete_note, write_note
from cvai.dicom.write.plan import ResultKind, ResultPlan
from cvai.dicom.write.source import SourceImage
from cvai.dicom.write.write import HL7_NAME, REPORT_NAME, WrittenObject
from cvai.files import write_whole
from cvai.languages import ENGLISH

REJECTED_FOR_QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
REJECTION_KIND, REJECTION_NAME = "rejection", "rejection.dcm"


def write_rejection(
    analysis: AnyAnalysed,
    plan: ResultPlan[AnyAnalysed],
    folder: Path,
    withdrawn: Sequence[SourceImage],
    reason: str,
    *,
    taken_series_numbers: Iterable[int] = (),
    language: str = ENGLISH,
) -> tuple[WrittenObject, ...]:
    """Write the one object that says no, oru.hl7, and a report that says so, into ``folder``.

    The reader who rejects the analysis is its verification; ``withdrawn`` are the objects that are to be
    shown no more; ``language`` is that of the report.

    Raises:
        ValueError: the rejection is unsigned, or it withdraws nothing.
    """
    verification = analysis.verification
    if verification is None or not withdrawn:
        raise ValueError("a rejection is signed by somebody and withdraws something")
    created = local_time(verification.at)
    context = replace(
        ResultContext.of(analysis, plan, created, taken_series_numbers, language), rejected_because=reason
    )
    note = new_instance(context, ResultKind.SR)
    note.SeriesNumber = context.first_series_number
    note.SeriesDescription = "cvai results rejected by a reader"
    names = ("rejection", verification.digest)
    complete_note(note, names, withdrawn, REJECTED_FOR_QUALITY, lines(reason), person=person(verification))
    written = write_note(note, folder / REJECTION_NAME, REJECTION_KIND)
    write_whole(folder / REPORT_NAME, plan.report(context), durable=True)
    write_whole(folder / HL7_NAME, oru_message(context, rejected_because=reason).encode(), durable=True)
    return (written,)
