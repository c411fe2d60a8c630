"""The loops as DICOM: one Ultrasound Multi-frame Image Storage instance a view (PS3.3 A.7)."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

from cvai.domain.echo.views import EchoView
from cvai.phantom.echo_apical.phantom import VIEWS, EchoPhantom
from cvai.phantom.patient import add_patient_and_study
from cvai.phantom.uids import phantom_uid

_TIME = "111500"
_CENTIMETRES = 3
"""PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15."""


def write_loops(folder: Path, phantom: EchoPhantom) -> tuple[Path, ...]:
    """Write one file a view into ``folder``, the four-chamber view first."""
    files = []
    for view in VIEWS:
        path = folder / f"{view}.dcm"
        _instance(phantom, view).save_as(path, enforce_file_format=True)
        files.append(path)
    return tuple(files)


def _instance(phantom: EchoPhantom, view: EchoView) -> Dataset:
    ds = Dataset()
    truth = phantom.truth
    add_patient_and_study(
        ds,
        truth.study_uid,
        truth.acquisition.seed,
        given_name="Echo",
        description="Synthetic echocardiography",
        time=_TIME,
    )
    _add_series_and_equipment(ds, phantom)
    _add_image(ds, phantom, view)
    _add_cine(ds, phantom)
    ds.SequenceOfUltrasoundRegions = [_region(phantom)]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def _add_series_and_equipment(ds: Dataset, phantom: EchoPhantom) -> None:
    ds.Modality = "US"
    ds.SeriesInstanceUID = phantom_uid(phantom.truth.heart, phantom.truth.acquisition, "series")
    ds.SeriesNumber = 1
    ds.SeriesDescription = "Synthetic apical loops"
    ds.BodyPartExamined = "HEART"
    ds.Manufacturer = "cvai"
    ds.ManufacturerModelName = "cvai phantom"


def _add_image(ds: Dataset, phantom: EchoPhantom, view: EchoView) -> None:
    frames = phantom.frames[view]
    ds.SOPClassUID = UltrasoundMultiFrameImageStorage
    ds.SOPInstanceUID = phantom_uid(phantom.truth.heart, phantom.truth.acquisition, view)
    ds.InstanceNumber = VIEWS.index(view) + 1
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ""
    ds.LossyImageCompression = "00"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.NumberOfFrames, ds.Rows, ds.Columns = frames.shape
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = frames.tobytes()


def _add_cine(ds: Dataset, phantom: EchoPhantom) -> None:
    ds.FrameTime = phantom.truth.acquisition.frame_time_ms
    ds.FrameIncrementPointer = Tag("FrameTime")
    ds.HeartRate = round(phantom.truth.heart.heart_rate_bpm)


def _region(phantom: EchoPhantom) -> Dataset:
    """Tissue in two dimensions over the whole of the image, calibrated (PS3.3 C.8.5.5)."""
    acquisition = phantom.truth.acquisition
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 0, 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = acquisition.columns - 1, acquisition.rows - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = _CENTIMETRES
    item.PhysicalDeltaX = acquisition.spacing_x_mm / 10.0
    item.PhysicalDeltaY = acquisition.spacing_y_mm / 10.0
    return item
