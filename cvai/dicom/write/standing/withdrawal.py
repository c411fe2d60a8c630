"""Results that name another patient than the images of their study: a note that withdraws them.

A study is corrected in the archive, or images are delivered again with the right patient, and results that
were copied from them still name the former one. They are left as they are, and a Key Object Selection
``Rejected for Patient Safety Reasons`` (PS3.16 CID 7011, DCM 113037) has archives and viewers that follow
IHE's Imaging Object Change Management show them no more. What a reader has signed is no exception: it was
signed for another patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import KeyObjectSelectionDocumentStorage

from cvai import __version__
from cvai.dicom.read.patient import MANUFACTURER, Patient, is_own_result
from cvai.dicom.read.values import Document, OwnResult, Study
from cvai.dicom.write.instance import add_dates, file_meta, free_series_number
from cvai.dicom.write.objects.withdrawing_note import complete_note, write_note
from cvai.dicom.write.source import SourceImage, add_patient, copy_study
from cvai.dicom.write.uids import derived_uid
from cvai.dicom.write.write import WrittenObject

REJECTED_FOR_PATIENT_SAFETY = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
WITHDRAWAL_KIND, WITHDRAWAL_NAME = "withdrawal", "withdrawal.dcm"
REASON = "These results name another patient than the images of their study, which has been corrected since."


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
) -> tuple[WrittenObject, ...]:
    """Write the note into ``folder``, where the study holds results of cvai that name another patient.

    Args:
        study: whose results are looked at.
        folder: created where it does not exist; a note that an earlier run left there is removed.
        created: content date and time, now where not given.

    Raises:
        StudyRefused: ``patients_differ``: the patient that results have to name is unknown.
    """
    path = folder / WITHDRAWAL_NAME
    path.unlink(missing_ok=True)
    patient = study.patient()
    images = [plane.header for series in study.series for plane in series.planes[:1]]
    withdrawn = results_of_others(study, patient)
    if not (withdrawn and images):
        return ()
    note = _note(patient, images[0], withdrawn, created or datetime.now())
    numbers = {s.series_number for s in study.series if s.series_number is not None}
    note.SeriesNumber = free_series_number(numbers)
    return (write_note(note, path, WITHDRAWAL_KIND),)


def _note(patient: Patient, header: Dataset, withdrawn: Sequence[OwnResult], created: datetime) -> Dataset:
    """``header`` is of an image of the study, ``patient`` whose study it is now."""
    references = [
        SourceImage(r.sop_class_uid, r.sop_instance_uid, r.series_uid, frame_number=None) for r in withdrawn
    ]
    note = Dataset()
    note.file_meta = file_meta()
    note.SpecificCharacterSet = "ISO_IR 192"
    add_patient(patient, note)
    copy_study(header, note)
    add_dates(note, created)
    note.SeriesDescription = "cvai results withdrawn: they name another patient"
    note.Manufacturer, note.ManufacturerModelName = MANUFACTURER, MANUFACTURER
    note.SoftwareVersions = [f"cvai {__version__}"]
    complete_note(
        note,
        ("withdrawal", patient.patient_id, *sorted(result.sop_instance_uid for result in withdrawn)),
        references,
        REJECTED_FOR_PATIENT_SAFETY,
        REASON,
        device=_observer(),
    )
    return note


def _observer() -> ObserverContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", MANUFACTURER), name=f"cvai {__version__}", manufacturer_name=MANUFACTURER
    )
    return ObserverContext(
        observer_type=Code("121007", "DCM", "Device"), observer_identifying_attributes=device
    )
