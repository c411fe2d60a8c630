"""Headers spoiled at random, the same for the same seed: missing, of another VR, multiplicity or value."""

from __future__ import annotations

import random
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.charset import convert_encodings, default_encoding
from pydicom.config import IGNORE
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag, Tag

from cvai.dicom.read.header.tolerance import tolerating_values

READ_BY_CVAI = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID",
    "SeriesInstanceUID", "FrameOfReferenceUID", "PositionReferenceIndicator", "StudyDate", "StudyTime",
    "AccessionNumber", "Modality", "ReferringPhysicianName", "StudyDescription", "SeriesDescription",
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "StudyID", "SeriesNumber", "AcquisitionNumber", "AcquisitionDate",
    "AcquisitionTime", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "TriggerTime", "NominalInterval", "HeartRate", "CardiacNumberOfImages",
    "TemporalPositionIdentifier", "ScanningSequence", "EchoTime", "SamplesPerPixel",
    "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept",
    "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence",
)  # fmt: skip

ABSURD = (
    b"", b"0", b"-1", b"1e400", b"nan", b"inf", b"-1E30", b"99999999999999999999", b"0.0000001", b"12,5",
    b"x", b"\\", b"\\\\\\", b"1\\2\\3\\4\\5\\6\\7", b"20120000", b"99999999", b"\x00\x00\x00\x00",
    b"\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"A" * 300, b"\x1b$B\x1b(J", b"caf\xe9^\xff", b"M\\F",
    b"1.2.3.04.5", b"not a uid", b"1.2." + b"9" * 70, b"\r\n\t", b"^^^^^^^^", b"=====", b"999Y", b"-063Y",
)  # fmt: skip
"""Values that no rule allows, or that a rule allows and sense does not."""

OTHER_VRS = ("OB", "UN", "LO", "DS", "US", "FD", "SQ", "UI", "PN", "UT", "AT", "SS")


def mutated_copy(source: list[Path], folder: Path, seed: int) -> str:
    """Write the files with one to four mutations; returns in words what was done."""
    rng = random.Random(seed)  # noqa: S311 -- to be repeatable, not secret
    with tolerating_values():
        datasets = [dcmread(path) for path in source]
        done = [_mutate(rng, datasets) for _ in range(rng.randint(1, 4))]
        folder.mkdir(parents=True)
        for number, ds in enumerate(datasets):
            _say_encoded(ds)
            ds.save_as(folder / f"{number:04d}.dcm", enforce_file_format=False)
    return "; ".join(done)


def _say_encoded(ds: Dataset) -> None:
    """Have pydicom write the spoiled bytes as they are; another character set would make it decode them."""
    stated = ds.get("SpecificCharacterSet")
    character_set = convert_encodings(stated) if stated else default_encoding
    ds.set_original_encoding(*ds.original_encoding, character_encoding=character_set)


def _mutate(rng: random.Random, datasets: list[Dataset]) -> str:
    if rng.random() < 0.8:
        tag = Tag(tag_for_keyword(rng.choice(READ_BY_CVAI)))
    else:
        tag = rng.choice(sorted(set(datasets[0].keys()) - {Tag("PixelData")}))
    kinds = (_remove, _empty, _absurd, _absurd, _repeat, _other_vr)
    # pydicom reads SpecificCharacterSet to write a file, and must be able to.
    kind = rng.choice(kinds[:-1] if tag == Tag("SpecificCharacterSet") else kinds)
    affected = rng.choice(
        (datasets, datasets, [rng.choice(datasets)], rng.sample(datasets, len(datasets) // 3))
    )
    seed = rng.random()
    for ds in affected:
        kind(random.Random(seed), ds, tag)  # noqa: S311
    return f"{kind.__name__[1:]} {tag} in {len(affected)} files"


def _remove(_: random.Random, ds: Dataset, tag: BaseTag) -> None:
    if tag in ds:
        del ds[tag]


def _empty(_: random.Random, ds: Dataset, tag: BaseTag) -> None:
    _put(ds, tag, _vr(ds, tag), b"")


def _absurd(rng: random.Random, ds: Dataset, tag: BaseTag) -> None:
    _put(ds, tag, _vr(ds, tag), rng.choice(ABSURD))


def _other_vr(rng: random.Random, ds: Dataset, tag: BaseTag) -> None:
    # pydicom reads the pixels' description to write a file; a sequence without items would stop it.
    vrs = [vr for vr in OTHER_VRS if not (vr == "SQ" and tag.group == 0x0028)]
    _put(ds, tag, rng.choice(vrs), rng.choice((b"", b"1", b"1\\2", b"\x01\x00", b"\x00" * 8)))


def _repeat(rng: random.Random, ds: Dataset, tag: BaseTag) -> None:
    """The value again and again: a multiplicity the standard does not allow."""
    element = ds.get(tag)
    text = str(element.value if element is not None else 1).strip("[]").replace(", ", "\\").encode()
    _put(ds, tag, _vr(ds, tag), b"\\".join([text] * rng.randint(2, 4)))


def _vr(ds: Dataset, tag: BaseTag) -> str:
    return ds[tag].VR if tag in ds else DataElement(tag, "UN", b"", validation_mode=IGNORE).VR


def _put(ds: Dataset, tag: BaseTag, vr: str, value: bytes) -> None:
    """Bytes that stand in the file as they are, whatever their VR would allow."""
    value += b" " * (len(value) % 2)
    ds[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
