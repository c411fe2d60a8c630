"""Small studies, and an analysis without a model: it makes one object, its UID derived from its sources."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    SegmentationStorage,
)
from sqlalchemy import Engine

from cvai.archive.part10 import read_identity
from cvai.dicom.read.classes import CAN_HOLD_A_CINE
from cvai.dicom.write import er7
from cvai.dicom.write.hl7 import MESSAGE_TYPE, PRODUCTION, control_id
from cvai.dicom.write.result_json import Status, StudyStatement, study_record
from cvai.dicom.write.write import WrittenObject, write_record
from cvai.errors import FileRefused, StudyRefused
from cvai.jobs.analysis_slots import AnalysisSlots, UnendedAnalyses
from cvai.jobs.database import open_database
from cvai.jobs.installed import Analyse, Installed
from cvai.pipeline import StudyOutcome

MODEL_SHA256 = hashlib.sha256(b"stand-in").hexdigest()
KIND = "standin"


def derived_uid(*parts: str) -> str:
    """The same parts give the same UID (PS3.5 B.2)."""
    return f"2.25.{int.from_bytes(hashlib.sha256('/'.join(parts).encode()).digest()[:16], 'big')}"


def dataset(study_uid: str, sop_class_uid: str, name: str) -> Dataset:
    made = Dataset()
    made.SOPClassUID = sop_class_uid
    made.SOPInstanceUID = derived_uid(study_uid, name)
    made.StudyInstanceUID = study_uid
    made.SeriesInstanceUID = derived_uid(study_uid, sop_class_uid)
    made.PatientID = "STAND-IN"
    made.PatientName = "Stand^In"
    made.PatientBirthDate = ""
    made.PatientSex = ""
    made.StudyDate = "20260101"
    made.StudyTime = "120000"
    made.StudyID = "1"
    made.AccessionNumber = ""
    made.ReferringPhysicianName = ""
    made.SeriesNumber = 1
    made.InstanceNumber = 1
    made.Modality = "MR" if sop_class_uid == MRImageStorage else "DOC"
    return made


def write(made: Dataset, path: Path, transfer_syntax: str = ExplicitVRLittleEndian) -> Path:
    made.ensure_file_meta()
    made.file_meta.TransferSyntaxUID = transfer_syntax
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def write_image(folder: Path, study_uid: str, number: int) -> Path:
    """One MR image of 2 x 3 pixels."""
    made = dataset(study_uid, MRImageStorage, f"image {number}")
    made.InstanceNumber = number
    made.Rows, made.Columns = 2, 3
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.PixelData = bytes(range(number % 240, number % 240 + 12))
    return write(made, folder / f"image-{number}.dcm")


def write_compressed_image(folder: Path, study_uid: str, number: int) -> Path:
    """An MR image whose compressed pixels nobody can decode: it can only be passed on as it is."""
    made = dcmread(write_image(folder, study_uid, number))
    made.PixelData = encapsulate([b"\xffO\xffQ no codestream"])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return write(made, folder / f"image-{number}.dcm", JPEG2000Lossless)


def write_study(folder: Path, study_uid: str, n_images: int = 3) -> list[Path]:
    return [write_image(folder, study_uid, number) for number in range(1, n_images + 1)]


def write_segmentation(folder: Path, study_uid: str) -> Path:
    """Something that was said about the images; only its SOP class matters here."""
    return write(dataset(study_uid, SegmentationStorage, "segmentation"), folder / "segmentation.dcm")


def analyse(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    """Store one object whose UID is derived from the images; refuse a study of fewer than two."""
    if any(read_identity(path) is None or _cut_off(path) for path in source.glob("*.dcm")):
        out.mkdir(parents=True)
        write_record(out, study_record(StudyStatement(None, None), Status.REFUSED))
        refusal = FileRefused("not_dicom", "a file is no DICOM, or not all of one.", "Send DICOM.")
        return (StudyOutcome(None, Status.REFUSED, out, (), refusal),)
    headers = [dcmread(path, stop_before_pixels=True) for path in sorted(source.glob("*.dcm"))]
    images = sorted(str(h.SOPInstanceUID) for h in headers if h.SOPClassUID == MRImageStorage)
    study_uid = str(headers[0].StudyInstanceUID)
    folder = out / study_uid
    folder.mkdir(parents=True)
    write_record(folder, study_record(StudyStatement(study_uid, None), Status.ANALYSED))
    if len(images) < 2:
        refusal = StudyRefused("too_few_slices", f"the study holds {len(images)} images.", "Send the others.")
        return (StudyOutcome(study_uid, Status.REFUSED, folder, (), refusal),)
    made = dataset(study_uid, EncapsulatedPDFStorage, "/".join(images))
    path = write(made, folder / "report.dcm")
    written = WrittenObject("pdf", made.SOPInstanceUID, path)
    return (StudyOutcome(study_uid, Status.ANALYSED, folder, (written,)),)


def write_message(outcomes: tuple[StudyOutcome, ...]) -> None:
    """An HL7 message and a report beside the results of ``analyse``."""
    for outcome in outcomes:
        (outcome.folder / "report.pdf").write_bytes(b"%PDF")
        study = {1: "1", 2: "ST", 3: "113014^DICOM Study^DCM", 5: outcome.study_uid or "", 11: "O"}
        said = [
            er7.segment("PID", {1: "1", 3: "STAND-IN", 5: "Stand^In"}),
            er7.segment("OBR", {1: "1", 4: "STAND-IN", 25: "P"}),
            er7.segment("OBX", study),
        ]
        # MSH-1 is the separator: MSH-2 is the first field behind a bar.
        head = {1: er7.ENCODING_CHARACTERS, 6: "20240101", 8: MESSAGE_TYPE, 9: control_id(said)}
        text = er7.message([er7.segment("MSH", {**head, 10: PRODUCTION, 11: er7.VERSION}), *said])
        (outcome.folder / "oru.hl7").write_bytes(text.encode())


def installed(
    analyse: Analyse = analyse, model_sha256: str = MODEL_SHA256, kind: str = KIND, **others: Any
) -> Installed:
    """An analysis of MR and ultrasound images."""
    values = {"title": "Stand-in", "sop_classes": CAN_HOLD_A_CINE, **others}
    return Installed(kind=kind, sha256=model_sha256, analyse=analyse, **values)


def _cut_off(path: Path) -> bool:
    """Whether a file ends early; of compressed pixels nobody here knows how many there should be."""
    try:
        made = dcmread(path)
    except (EOFError, struct.error):
        return True
    if "Rows" not in made or made.file_meta.TransferSyntaxUID.is_compressed:
        return False
    return len(made.get("PixelData") or b"") < made.Rows * made.Columns * made.BitsAllocated // 8


def analyse_noting(log: Path) -> Callable[[Path, Path], tuple[StudyOutcome, ...]]:
    """``analyse``, leaving a line in ``log`` each time it begins."""

    def noting(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        with log.open("a") as lines:
            lines.write(f"{out.name}\n")
        return analyse(source, out)

    return noting


def slots_below(folder: Path, at_once: int = 1) -> AnalysisSlots:
    """Turns at being analysed, written down in a database of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    return AnalysisSlots(at_once, UnendedAnalyses(open_database(f"sqlite:///{folder / 'turns.sqlite'}")))


def memory_below(folder: Path) -> Engine:
    """A database in which feeds remember how far they have come."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_database(f"sqlite:///{folder / 'seen.sqlite'}")
