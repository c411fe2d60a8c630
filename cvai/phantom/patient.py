"""The patient and the study that phantoms of every modality belong to."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import UID

DATE = "20240102"


def add_patient_and_study(
    ds: Dataset, study_uid: UID, seed: int, *, given_name: str, description: str, time: str
) -> None:
    """Say whose image it is and of which study (PS3.3 C.7.1.1, C.7.2.1), and when it was taken."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = f"Phantom^{given_name}"
    ds.PatientID = f"PHANTOM-{seed}"
    ds.PatientBirthDate = ""
    ds.PatientSex = ""
    ds.StudyInstanceUID = study_uid
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = DATE
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = time
    ds.ReferringPhysicianName = ""
    ds.StudyID = str(seed)
    ds.AccessionNumber = ""
    ds.StudyDescription = description
