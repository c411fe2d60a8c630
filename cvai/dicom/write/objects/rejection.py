"""A reader's no: a Key Object Selection that withdraws what the model wrote, and leaves it as it stands.

``Rejected for Quality Reasons`` (PS3.16 CID 7011, DCM 113001) with the reason in words is what IHE's Imaging
Object Change Management has archives and viewers act on: they stop showing the objects it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from highdicom.ko import KeyObjectSelection
from highdicom.sr import ObserverContext, PersonObserverIdentifyingAttributes
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import KeyObjectSelectionDocumentStorage

from cvai.dicom.read.header.text import lines
from cvai.dicom.write.analysis import Analysed, AnyAnalysed, Verification
from cvai.dicom.write.instance import ResultContext, new_instance
from cvai.dicom.write.plan import ResultKind, ResultPlan
from cvai.dicom.write.source import SourceImage, series_references, verbatim_element
from cvai.dicom.write.uids import derived_uid
from cvai.files import private_folder, write_whole

REJECTED_FOR_QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
REJECTION_KIND, REJECTION_NAME = "rejection", "rejection.dcm"


@dataclass(frozen=True, slots=True)
class RejectionObject:
    """A rejection that lies ready to be stored; see ``WrittenObject``."""

    kind: str
    sop_instance_uid: str
    path: Path


def write_rejection(
    analysis: AnyAnalysed,
    plan: ResultPlan[AnyAnalysed],
    folder: Path,
    withdrawn: Sequence[SourceImage],
    reason: str,
    *,
    taken_series_numbers: Iterable[int] = (),
) -> tuple[RejectionObject, ...]:
    """Write the one object that says no, into ``folder``.

    Args:
        analysis: what is rejected, with the reader who does so as its verification.
        plan: how results of its kind are written.
        folder: created where it does not exist.
        withdrawn: the objects that are to be shown no more.
        reason: in words.
        taken_series_numbers: SeriesNumbers in use in the study.

    Raises:
        ValueError: nobody has signed the rejection, or it withdraws nothing.
    """
    instance = rejection_note(analysis, plan, withdrawn, reason, taken_series_numbers)
    private_folder(folder)
    buffer, path = BytesIO(), folder / REJECTION_NAME
    instance.save_as(buffer, enforce_file_format=True)
    write_whole(path, buffer.getvalue())
    return (RejectionObject(REJECTION_KIND, str(instance.SOPInstanceUID), path),)


def rejection_note(
    analysis: AnyAnalysed,
    plan: ResultPlan[AnyAnalysed],
    withdrawn: Sequence[SourceImage],
    reason: str,
    taken_series_numbers: Iterable[int] = (),
) -> Dataset:
    """The Key Object Selection document (PS3.3 section A.35.4, PS3.16 TID 2010); see ``write_rejection``."""
    verification = analysis.verification
    if verification is None or not withdrawn:
        raise ValueError("a rejection is signed by somebody and withdraws something")
    created = verification.at.replace(tzinfo=None)
    context = ResultContext.of(analysis, plan, created, taken_series_numbers)
    note = new_instance(context, ResultKind.SR)
    note.SOPClassUID = note.file_meta.MediaStorageSOPClassUID = KeyObjectSelectionDocumentStorage
    note.SOPInstanceUID = derived_uid("rejection", verification.digest, "instance")
    note.file_meta.MediaStorageSOPInstanceUID = note.SOPInstanceUID
    note.SeriesInstanceUID = derived_uid("rejection", verification.digest, "series")
    note.SeriesNumber = context.first_series_number
    note.Modality = "KO"
    note.SeriesDescription = "cvai results rejected by a reader"
    note.ReferencedPerformedProcedureStepSequence = []
    note.CurrentRequestedProcedureEvidenceSequence = [_evidence(analysis, withdrawn)]
    for element in _content(verification, withdrawn, reason):
        note.add(element)
    return note


def _evidence(analysis: Analysed, withdrawn: Sequence[SourceImage]) -> Dataset:
    item = Dataset()
    item.add(verbatim_element("StudyInstanceUID", analysis.study_uid))
    item.ReferencedSeriesSequence = series_references(withdrawn, "ReferencedSOPSequence")
    return item


def _content(verification: Verification, withdrawn: Sequence[SourceImage], reason: str) -> Dataset:
    person = PersonObserverIdentifyingAttributes(
        name=verification.name, organization_name=verification.organization
    )
    observer = ObserverContext(
        observer_type=Code("121006", "DCM", "Person"), observer_identifying_attributes=person
    )
    selection = KeyObjectSelection(
        document_title=REJECTED_FOR_QUALITY,
        referenced_objects=[_object(reference) for reference in withdrawn],
        observer_person_context=observer,
        description=lines(reason),
    )
    content: Dataset = selection[0]
    return content


def _object(reference: SourceImage) -> Dataset:
    item = Dataset()
    item.SOPClassUID, item.SOPInstanceUID = reference.sop_class_uid, reference.sop_instance_uid
    return item
