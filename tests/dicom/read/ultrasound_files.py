"""Ultrasound loops as DICOM files: a speckled sector that beats, and all that can be wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

STUDY = "1.2.826.0.1.3680043.10.999.77"


def sector_mask(rows: int = 120, columns: int = 160) -> np.ndarray:
    """(y, x) a sector of 80 degrees from the middle of the upper edge."""
    y, x = np.mgrid[:rows, :columns]
    r, angle = np.hypot(y, x - columns / 2), np.arctan2(x - columns / 2, y + 1e-6)
    return (np.abs(angle) < np.radians(40)) & (r < rows * 0.95) & (r > 4)


def beating_frames(n: int = 24, rows: int = 120, columns: int = 160, seed: int = 0) -> np.ndarray:
    """(t, y, x) speckle in a sector around a dark ellipse that narrows by half in mid-loop."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    sector = sector_mask(rows, columns)
    frames = []
    for t in range(n):
        half = 14 - 7 * np.sin(np.pi * t / (n - 1))
        blood = np.hypot((x - columns / 2) / half, (y - rows * 0.5) / (rows * 0.3)) < 1
        tissue = np.where(blood, 25, 120) * rng.gamma(6, 1 / 6, sector.shape)
        frames.append(np.clip(tissue * sector, 0, 255))
    return np.stack(frames).astype(np.uint8)


def written(frames: np.ndarray) -> np.ndarray:
    """The frames with a bright line of text beside the sector and one that reaches into its edge."""
    out = frames.copy()
    out[:, 4:12, 4:40:3] = 250
    out[:, 60:66, 118:150:3] = 250
    return out


def region(**changes: Any) -> Dataset:
    """A calibrated region of tissue over the whole of a 160 x 120 frame."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 2
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 0, 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 159, 119
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX, item.PhysicalDeltaY = 0.08, 0.09
    for keyword, value in changes.items():
        if value is None:
            delattr(item, keyword)
        else:
            setattr(item, keyword, value)
    return item


def write_loop(
    path: Path,
    frames: np.ndarray,
    number: int = 1,
    *,
    syntax: str = ExplicitVRLittleEndian,
    **changes: Any,
) -> Path:
    """Write (t, y, x) grey or (t, y, x, 3) RGB frames; ``changes`` set attributes, None removes them."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = UltrasoundMultiFrameImageStorage
    header.SOPInstanceUID = f"{STUDY}.1.{number}"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.StudyInstanceUID, header.SeriesInstanceUID = STUDY, f"{STUDY}.1"
    header.Modality, header.SeriesNumber, header.InstanceNumber = "US", 1, number
    header.PatientName, header.PatientID = "Doe^Jane", "77"
    header.StudyDate, header.StudyTime, header.StudyID, header.AccessionNumber = "20240229", "1015", "7", ""
    header.PatientBirthDate = header.PatientSex = header.ReferringPhysicianName = ""
    header.NumberOfFrames, header.Rows, header.Columns = frames.shape[:3]
    header.FrameTime, header.HeartRate = 40.0, 62
    header.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    header.PhotometricInterpretation = "RGB" if frames.ndim == 4 else "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    if frames.ndim == 4:
        header.PlanarConfiguration = 0
    header.SequenceOfUltrasoundRegions = [region()]
    header.PixelData = frames.tobytes()
    header["PixelData"].VR = "OB" if frames.itemsize == 1 else "OW"
    for keyword, value in changes.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path
