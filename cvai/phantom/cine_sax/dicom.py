"""The phantom as DICOM: one MR Image Storage instance a frame, as scanners store a cine (PS3.3 A.4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from cvai.phantom.cine_sax.long_axes import LongAxis
from cvai.phantom.cine_sax.phantom import Phantom
from cvai.phantom.patient import DATE, add_patient_and_study
from cvai.phantom.uids import phantom_uid

_TIME = "101500"
_REPETITION_TIME_MS, _ECHO_TIME_MS, _FLIP_ANGLE_DEGREES = 3.2, 1.6, 60.0
_BITS_STORED = 12


def write_instances(folder: Path, phantom: Phantom) -> tuple[Path, ...]:
    """Write every frame into ``folder``, slice by slice from the base, and return the files in that order."""
    n_phases, n_slices = phantom.pixels.shape[:2]
    common = common_attributes(phantom)
    files = []
    for z in range(n_slices):
        for t in range(n_phases):
            path = folder / f"slice{z + 1:02d}_phase{t + 1:02d}.dcm"
            frame_instance(common, phantom, t, z).save_as(path, enforce_file_format=True)
            files.append(path)
    return tuple(files)


def common_attributes(phantom: Phantom) -> Dataset:
    """What all instances share."""
    ds = Dataset()
    truth = phantom.truth
    add_patient_and_study(
        ds,
        truth.study_uid,
        truth.acquisition.seed,
        given_name="Cine",
        description="Synthetic cardiac MR",
        time=_TIME,
    )
    ds.AcquisitionDate, ds.AcquisitionTime = DATE, _TIME
    _add_series_and_equipment(ds, phantom)
    _add_acquisition(ds, phantom)
    _add_pixel_description(ds, phantom)
    return ds


def _add_series_and_equipment(ds: Dataset, phantom: Phantom) -> None:
    heart, acquisition = phantom.truth.heart, phantom.truth.acquisition
    ds.Modality = "MR"
    ds.SeriesInstanceUID = phantom_uid(heart, acquisition, "series")
    ds.SeriesNumber = 1
    ds.SeriesDescription = "Synthetic cine SAX"
    ds.BodyPartExamined = "HEART"
    ds.PatientPosition = "HFS"
    ds.FrameOfReferenceUID = phantom_uid(heart, acquisition, "frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.Manufacturer = "cvai"
    ds.ManufacturerModelName = "cvai phantom"
    ds.QualityControlImage = "YES"


def _add_acquisition(ds: Dataset, phantom: Phantom) -> None:
    acquisition = phantom.truth.acquisition
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.ScanningSequence = "GR"
    ds.SequenceVariant = "SS"
    ds.ScanOptions = "CG"
    ds.MRAcquisitionType = "2D"
    ds.SequenceName = "phantom"
    ds.SliceThickness = acquisition.slice_thickness_mm
    ds.SpacingBetweenSlices = acquisition.slice_spacing_mm
    ds.RepetitionTime = _REPETITION_TIME_MS
    ds.EchoTime = _ECHO_TIME_MS
    ds.EchoTrainLength = 1
    ds.FlipAngle = _FLIP_ANGLE_DEGREES
    ds.MagneticFieldStrength = 1.5
    ds.CardiacNumberOfImages = phantom.pixels.shape[0]


def _add_pixel_description(ds: Dataset, phantom: Phantom) -> None:
    geometry = phantom.labels.geometry
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = phantom.pixels.shape[2:]
    ds.PixelSpacing = [geometry.spacing_y_mm, geometry.spacing_x_mm]
    ds.ImageOrientationPatient = _decimals([*geometry.row_cosine, *geometry.column_cosine])
    ds.BitsAllocated = 16
    ds.BitsStored = _BITS_STORED
    ds.HighBit = _BITS_STORED - 1
    ds.PixelRepresentation = 0
    white = float(np.percentile(phantom.pixels[0], 99.5))
    ds.WindowCenter, ds.WindowWidth = round(white / 2), max(round(white), 1)


def frame_instance(common: Dataset, phantom: Phantom, t: int, z: int) -> Dataset:
    """The instance of phase ``t`` of slice ``z``."""
    n_phases = phantom.pixels.shape[0]
    rr_interval_ms = float(phantom.rr_intervals_ms[z])
    ds = Dataset()
    ds.update(common)
    ds.SOPClassUID = MRImageStorage
    ds.SOPInstanceUID = phantom_uid(phantom.truth.heart, phantom.truth.acquisition, f"slice {z} phase {t}")
    ds.InstanceNumber = z * n_phases + t + 1
    ds.AcquisitionNumber = z + 1
    ds.ImagePositionPatient = _decimals(phantom.labels.geometry.positions_mm[z])
    ds.TriggerTime = _decimals([phantom.trigger_times_ms[t, z]])
    ds.NominalInterval = round(rr_interval_ms)
    ds.HeartRate = round(60_000.0 / rr_interval_ms)
    ds.PixelData = _little_endian(phantom.pixels[t, z])
    ds.file_meta = _file_meta(ds)
    return ds


def write_long_axes(folder: Path, phantom: Phantom, views: Sequence[LongAxis]) -> tuple[Path, ...]:
    """Write long-axis cines of the same heart, each as a series of its own, and return the files."""
    common, files = common_attributes(phantom), []
    for index, view in enumerate(views):
        for t in range(len(view.pixels)):
            path = folder / f"long_axis{index + 1}_phase{t + 1:02d}.dcm"
            _long_axis_instance(common, phantom, view, index, t).save_as(path, enforce_file_format=True)
            files.append(path)
    return tuple(files)


def _long_axis_instance(common: Dataset, phantom: Phantom, view: LongAxis, index: int, t: int) -> Dataset:
    """A frame of the stack with what differs in a long-axis view."""
    ds = frame_instance(common, phantom, t, 0)
    truth, name = phantom.truth, f"long axis {index}"
    ds.SeriesInstanceUID = phantom_uid(truth.heart, truth.acquisition, name)
    ds.SOPInstanceUID = phantom_uid(truth.heart, truth.acquisition, f"{name} phase {t}")
    ds.file_meta = _file_meta(ds)
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 11 + index, t + 1, 1
    ds.SeriesDescription = f"Synthetic cine {view.title}"
    ds.ImageOrientationPatient = _decimals([*view.geometry.row_cosine, *view.geometry.column_cosine])
    ds.ImagePositionPatient = _decimals(view.geometry.position_mm)
    ds.PixelData = _little_endian(view.pixels[t])
    return ds


def _file_meta(ds: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def _decimals(values: NDArray[np.float64] | list[float]) -> list[str]:
    """DS values as exact as its 16 characters allow (PS3.5 6.2)."""
    return [format_number_as_ds(float(value)) for value in values]


def _little_endian(pixels: NDArray[np.uint16]) -> bytes:
    return pixels.astype("<u2").tobytes()
