"""Results that name another patient than the images of their study: a note that withdraws them.

A study is corrected in the archive, or images are delivered again with the right patient, and results that
were copied from them still name the former one. They are left as they are, and a Key Object Selection
``Rejected for Patient Safety Reasons`` (PS3.16 CID 7011, DCM 113037) has archives and viewers that follow
IHE's Imaging Object Change Management show them no more. What a reader has signed is no exception: it was
signed for another patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

from highdicom.ko import KeyObjectSelection
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage

from cvai import __version__
from cvai.dicom.read.patient import MANUFACTURER, Patient, is_own_result
from cvai.dicom.read.values import Document, OwnResult, Study
from cvai.dicom.write.instance import IMPLEMENTATION_CLASS_UID, free_series_number
from cvai.dicom.write.source import (
    SourceImage,
    add_patient,
    copy_study,
    header_uid,
    series_references,
    verbatim_element,
)
from cvai.dicom.write.uids import derived_uid
from cvai.files import private_folder, write_whole

REJECTED_FOR_PATIENT_SAFETY = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
WITHDRAWAL_KIND, WITHDRAWAL_NAME = "withdrawal", "withdrawal.dcm"
REASON = "These results name another patient than the images of their study, which has been corrected since."


@dataclass(frozen=True, slots=True)
class WithdrawalObject:
    """A withdrawal that lies ready to be stored; see ``WrittenObject``."""

    kind: str
    sop_instance_uid: str
    path: Path


def results_of_others(study: Study, patient: Patient) -> tuple[OwnResult, ...]:
    """What cvai has written into a study that names somebody else than its patient."""
    notes = str(KeyObjectSelectionDocumentStorage)
    return tuple(
        result
        for result in study.own_results
        if result.sop_class_uid != notes and result.patient.contradicts(patient)
    )


def withdrawn_uids(documents: Iterable[Document]) -> frozenset[str]:
    """SOP Instance UIDs of what notes of this kind in a study have withdrawn."""
    return frozenset(
        str(instance.ReferencedSOPInstanceUID)
        for document in documents
        if is_own_result(document.header) and _is_withdrawal(document.header)
        for study in document.header.get("CurrentRequestedProcedureEvidenceSequence") or ()
        for series in study.get("ReferencedSeriesSequence") or ()
        for instance in series.get("ReferencedSOPSequence") or ()
    )


def _is_withdrawal(header: Dataset) -> bool:
    titles = header.get("ConceptNameCodeSequence") or ()
    return any(title.get("CodeValue") == REJECTED_FOR_PATIENT_SAFETY.value for title in titles)


def write_withdrawal(
    study: Study, folder: Path, *, created: datetime | None = None
) -> tuple[WithdrawalObject, ...]:
    """Write the note into ``folder``, where the study holds results of cvai that name another patient.

    Args:
        study: whose results are looked at.
        folder: created where it does not exist; a note that an earlier run left there is removed.
        created: content date and time, now where not given.

    Raises:
        StudyRefused: ``patients_differ``: nobody knows whom results would have to name.
    """
    path = folder / WITHDRAWAL_NAME
    path.unlink(missing_ok=True)
    patient = study.patient()
    images = [plane.header for series in study.series for plane in series.planes[:1]]
    withdrawn = results_of_others(study, patient)
    if not (withdrawn and images):
        return ()
    numbers = {s.series_number for s in study.series if s.series_number is not None}
    note = withdrawal_note(patient, images[0], withdrawn, created or datetime.now())
    note.SeriesNumber = free_series_number(numbers)
    private_folder(folder)
    buffer = BytesIO()
    note.save_as(buffer, enforce_file_format=True)
    write_whole(path, buffer.getvalue())
    return (WithdrawalObject(WITHDRAWAL_KIND, str(note.SOPInstanceUID), path),)


def withdrawal_note(
    patient: Patient, header: Dataset, withdrawn: Sequence[OwnResult], created: datetime
) -> Dataset:
    """The Key Object Selection document (PS3.3 section A.35.4, PS3.16 TID 2010).

    Args:
        patient: whose study it is now.
        header: of one of its images.
        withdrawn: what names another patient.
        created: content date and time.
    """
    names = [patient.patient_id, *sorted(result.sop_instance_uid for result in withdrawn)]
    note = Dataset()
    note.file_meta = FileMetaDataset()
    note.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    note.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    note.file_meta.ImplementationVersionName = "CVAI"
    note.SpecificCharacterSet = "ISO_IR 192"
    add_patient(patient, note)
    copy_study(header, note)
    note.SOPClassUID = note.file_meta.MediaStorageSOPClassUID = KeyObjectSelectionDocumentStorage
    note.SOPInstanceUID = derived_uid("withdrawal", *names, "instance")
    note.file_meta.MediaStorageSOPInstanceUID = note.SOPInstanceUID
    note.SeriesInstanceUID = derived_uid("withdrawal", *names, "series")
    note.Modality, note.InstanceNumber = "KO", 1
    note.SeriesDescription = "cvai results withdrawn: they name another patient"
    note.Manufacturer, note.ManufacturerModelName = MANUFACTURER, MANUFACTURER
    note.SoftwareVersions = [f"cvai {__version__}"]
    for keyword in ("InstanceCreation", "Content", "Series"):
        setattr(note, f"{keyword}Date", created.strftime("%Y%m%d"))
        setattr(note, f"{keyword}Time", created.strftime("%H%M%S"))
    note.ReferencedPerformedProcedureStepSequence = []
    note.CurrentRequestedProcedureEvidenceSequence = [_evidence(header, withdrawn)]
    for element in _content(withdrawn):
        note.add(element)
    return note


def _evidence(header: Dataset, withdrawn: Sequence[OwnResult]) -> Dataset:
    references = (
        SourceImage(r.sop_class_uid, r.sop_instance_uid, r.series_uid, frame_number=None) for r in withdrawn
    )
    item = Dataset()
    item.add(verbatim_element("StudyInstanceUID", header_uid(header, "StudyInstanceUID")))
    item.ReferencedSeriesSequence = series_references(references, "ReferencedSOPSequence")
    return item


def _content(withdrawn: Sequence[OwnResult]) -> Dataset:
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", MANUFACTURER), name=f"cvai {__version__}", manufacturer_name=MANUFACTURER
    )
    observer = ObserverContext(
        observer_type=Code("121007", "DCM", "Device"), observer_identifying_attributes=device
    )
    objects = []
    for result in withdrawn:
        item = Dataset()
        item.SOPClassUID, item.SOPInstanceUID = result.sop_class_uid, result.sop_instance_uid
        objects.append(item)
    selection = KeyObjectSelection(
        document_title=REJECTED_FOR_PATIENT_SAFETY,
        referenced_objects=objects,
        observer_device_context=observer,
        description=REASON,
    )
    content: Dataset = selection[0]
    return content
