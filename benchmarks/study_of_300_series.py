"""A short-axis cine at rest among some 300 series, whole cine stacks of the same heart among them.

usage: python -m benchmarks.study_of_300_series REST STRESS OUT
REST, STRESS: folders of ``cvai phantom``, the same number of slices and phases. Beside the cine at rest are
the kinds of series of tests/dicom/read/examination.py, and copies of the cine as taken under stress, after
contrast, with tags, as inversion recovery and with contours burnt in. Right: the cine at rest is measured;
all other series are passed over with a reason.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset

from tests.dicom.read.dicom_files import write
from tests.dicom.read.examination import REST, WHOLE_STACKS, examination, shuffled

Pixels = NDArray[np.float64]


def cine(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def copied(
    images: list[Dataset], name: str, number: int, paint: Callable[[Pixels], Pixels], **header: object
) -> Iterator[Dataset]:
    """The cine as another series, acquired later."""
    for i, original in enumerate(images):
        ds = copy.deepcopy(original)
        ds.SeriesInstanceUID, ds.SeriesNumber, ds.SeriesDescription = f"2.25.{number}", number, name
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}.{i + 1}"
        ds.AcquisitionTime = f"11{number % 60:02d}00"
        for keyword, value in header.items():
            setattr(ds, keyword, value)
        painted = paint(original.pixel_array.astype(np.float64))
        ds.PixelData = np.clip(painted, 0, 4095).astype("<u2").tobytes()
        yield ds


def under_stress(rest: list[Dataset], stress: list[Dataset], number: int) -> Iterator[Dataset]:
    """The other phantom's heart at the places of this one, 140 beats a minute."""
    for place, ds in zip(rest, copied(stress, "cine sax stress", number, lambda a: a), strict=True):
        for keyword in (
            "StudyInstanceUID",
            "FrameOfReferenceUID",
            "ImagePositionPatient",
            "ImageOrientationPatient",
        ):
            setattr(ds, keyword, place.get(keyword))
        ds.TriggerTime = f"{0.48 * float(place.TriggerTime):.2f}"
        ds.HeartRate, ds.NominalInterval = "140", "430"
        yield ds


def tagged(pixels: Pixels) -> Pixels:
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    return pixels * np.where(((x + y) % 8 < 3) | ((x - y) % 8 < 3), 0.25, 1.0)


def annotated(pixels: Pixels) -> Pixels:
    y, x = (
        axis - size / 2
        for axis, size in zip(np.mgrid[: pixels.shape[0], : pixels.shape[1]], pixels.shape, strict=True)
    )
    return np.where(np.abs(np.hypot(y, x) - 18) < 0.7, 4000.0, pixels)


def alike(rest: list[Dataset], stress: list[Dataset]) -> list[Dataset]:
    """Whole cine stacks of the same heart."""
    return [
        *under_stress(rest, stress, 901),
        *copied(rest, "cine sax post gd", 902, lambda a: 0.7 * a + 300, ContrastBolusAgent="GADOBUTROL"),
        *copied(rest, "grid tagging", 903, tagged, SequenceName="*fl2d13t", EchoTime="4.1", FlipAngle="14"),
        *copied(
            rest,
            "psir multi phase",
            904,
            lambda a: 2000 - a,
            ScanningSequence=["GR", "IR"],
            InversionTime="300",
        ),
        *copied(rest, "contours", 905, annotated, ImageType=["DERIVED", "SECONDARY", "OTHER"]),
    ]


def others(rest: list[Dataset]) -> list[Dataset]:
    """Every other kind of series, moved into this study and patient."""
    members = [m for m in examination() if m.kind != REST and m.kind not in WHOLE_STACKS]
    datasets = shuffled(members)
    for ds in datasets:
        ds.SeriesNumber = int(ds.SeriesNumber) + 10
        for keyword in (
            "StudyInstanceUID",
            "StudyDate",
            "PatientID",
            "PatientName",
            "PatientBirthDate",
            "PatientSex",
        ):
            setattr(ds, keyword, rest[0].get(keyword))
    return datasets


def main(rest: Path, stress: Path, out: Path) -> None:
    images = cine(rest)
    write(out, [*others(images), *images, *alike(images, cine(stress))])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
