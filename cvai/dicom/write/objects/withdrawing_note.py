"""Key Object Selections that have archives and viewers show results no more (PS3.3 section A.35.4).

With a title of rejection (PS3.16 CID 7011) they are what IHE's Imaging Object Change Management acts on.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from highdicom.ko import KeyObjectSelection
from highdicom.sr import ObserverContext
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import KeyObjectSelectionDocumentStorage

from cvai.dicom.write.source import SourceImage, series_references
from cvai.dicom.write.uids import derived_uid
from cvai.dicom.write.write import WrittenObject
from cvai.files import private_folder, write_whole


def complete_note(
    note: Dataset,
    names: Sequence[str],
    withdrawn: Sequence[SourceImage],
    title: Code,
    description: str,
    *,
    person: ObserverContext | None = None,
    device: ObserverContext | None = None,
) -> None:
    """Make an object with patient and study the note that withdraws others (PS3.16 TID 2010).

    ``note`` has file meta information, patient, study, equipment and dates; its UIDs are derived from
    ``names``.
    """
    note.SOPClassUID = note.file_meta.MediaStorageSOPClassUID = KeyObjectSelectionDocumentStorage
    note.SOPInstanceUID = note.file_meta.MediaStorageSOPInstanceUID = derived_uid(*names, "instance")
    note.SeriesInstanceUID = derived_uid(*names, "series")
    note.Modality, note.InstanceNumber = "KO", 1
    note.ReferencedPerformedProcedureStepSequence = []
    evidence = Dataset()
    evidence.add(note["StudyInstanceUID"])
    evidence.ReferencedSeriesSequence = series_references(withdrawn, "ReferencedSOPSequence")
    note.CurrentRequestedProcedureEvidenceSequence = [evidence]
    selection = KeyObjectSelection(
        document_title=title,
        referenced_objects=[_object(reference) for reference in withdrawn],
        observer_person_context=person,
        observer_device_context=device,
        description=description,
    )
    for element in selection[0]:
        note.add(element)


def write_note(note: Dataset, path: Path, kind: str) -> WrittenObject:
    """Write a note; its folder is created where it does not exist."""
    private_folder(path.parent)
    buffer = BytesIO()
    note.save_as(buffer, enforce_file_format=True)
    write_whole(path, buffer.getvalue())
    return WrittenObject(kind, str(note.SOPInstanceUID), path)


def _object(reference: SourceImage) -> Dataset:
    item = Dataset()
    item.SOPClassUID, item.SOPInstanceUID = reference.sop_class_uid, reference.sop_instance_uid
    return item
