"""Small DICOM series written to disk, in which every pixel tells its slice, phase, row and column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

Vector = tuple[float, float, float]

SHORT_AXIS = ((0.712221, 0.701112, -0.0343949), (-0.307715, 0.267798, -0.913015))
"""Row and column direction of a real short-axis stack."""

FOUR_CHAMBER = ((0.62, 0.60, -0.505568), (-0.695971, 0.1, -0.711078))
"""Across the short axis; made orthonormal by ``orthonormal``."""

TRANSVERSE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True)
class SeriesSpec:
    """One series of single-frame MR images; the defaults are a short-axis cine."""

    study_uid: str = "1.2.826.0.1.3680043.10.999.1"
    series_uid: str = "1.2.826.0.1.3680043.10.999.1.1"
    series_number: int = 5
    n_slices: int = 7
    n_phases: int = 9
    rows: int = 6
    columns: int = 8
    spacing_mm: tuple[float, float] = (1.25, 1.75)
    gap_mm: float = 10.0
    axes: tuple[Vector, Vector] = SHORT_AXIS
    origin_mm: Vector = (-28.75, -199.5, 111.25)
    shear_mm: tuple[float, float] = (0.0, 0.0)
    """Shift of every slice against the one before, along x and y."""
    step_ms: float = 40.0
    first_instance: int = 1
    phase_major: bool = False
    attributes: dict[str, object] = field(default_factory=dict)

    def but(self, **changes: object) -> SeriesSpec:
        return replace(self, **changes)  # type: ignore[arg-type]


def orthonormal(axes: tuple[Vector, Vector]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    row = np.array(axes[0]) / np.linalg.norm(axes[0])
    column = np.array(axes[1]) - (np.array(axes[1]) @ row) * row
    return row, column / np.linalg.norm(column)


def pixels_of(spec: SeriesSpec, z: int, t: int) -> NDArray[np.int16]:
    """(y, x) values that occur in no other frame of the series, as long as 15 bits hold them all.

    Beyond that they begin anew after a prime number of pixels, so that no frame is a copy of another one.
    """
    frame = z * spec.n_phases + t
    size = spec.rows * spec.columns
    values = np.arange(frame * size, (frame + 1) * size) % 32749
    return values.astype(np.int16).reshape(spec.rows, spec.columns)


def position_mm(spec: SeriesSpec, z: int) -> NDArray[np.float64]:
    row, column = orthonormal(spec.axes)
    normal = np.cross(row, column)
    shift = z * (spec.shear_mm[0] * row + spec.shear_mm[1] * column)
    return np.array(spec.origin_mm) + z * spec.gap_mm * normal + shift


def image(spec: SeriesSpec, z: int, t: int) -> Dataset:
    """One single-frame MR image."""
    order = t * spec.n_slices + z if spec.phase_major else z * spec.n_phases + t
    ds = _alike()
    ds.SOPInstanceUID = f"{spec.series_uid}.{z + 1}.{t + 1}"
    ds.StudyInstanceUID = spec.study_uid
    ds.SeriesInstanceUID = spec.series_uid
    ds.FrameOfReferenceUID = generate_uid(entropy_srcs=[ds.SOPInstanceUID])  # as GE exports were seen to do
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.SeriesNumber = spec.series_number
    ds.InstanceNumber = spec.first_instance + order
    ds.ImagePositionPatient = [_ds(v) for v in position_mm(spec, z)]
    ds.ImageOrientationPatient = _orientation(spec.axes)
    ds.PixelSpacing = [_ds(v) for v in spec.spacing_mm]
    ds.TriggerTime = _ds(10.0 + t * spec.step_ms)
    ds.NominalInterval = round(spec.step_ms * spec.n_phases)
    ds.HeartRate = round(60_000 / (spec.step_ms * spec.n_phases))
    ds.AcquisitionTime = f"0826{z:02d}"
    _set_pixels(ds, pixels_of(spec, z, t))
    for keyword, value in spec.attributes.items():
        setattr(ds, keyword, value)
    return ds


def _alike() -> Dataset:
    """What all images of all series state, as elements of their own; pydicom takes long to check each."""
    ds = Dataset()
    for element in _template():
        ds._dict[element.tag] = copy(element)
    return ds


@cache
def _template() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = MRImageStorage
    ds.Modality = "MR"
    ds.ScanningSequence = "GR"
    ds.EchoTime = 1.6
    ds.SliceLocation = "40.42"  # wrong on purpose, as in real studies
    ds.SpacingBetweenSlices = "6.7"
    ds.SliceThickness = "8"
    _describe_pixels(ds)
    return ds


@cache
def _orientation(axes: tuple[Vector, Vector]) -> list[str]:
    row, column = orthonormal(axes)
    return [_ds(v) for v in (*row, *column)]


def add_pixels(ds: Dataset, values: NDArray[np.int16]) -> None:
    _describe_pixels(ds)
    _set_pixels(ds, values)


def _describe_pixels(ds: Dataset) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1


def _set_pixels(ds: Dataset, values: NDArray[np.int16]) -> None:
    ds.Rows, ds.Columns = values.shape[-2:]
    ds.PixelData = values.astype("<i2").tobytes()


def images(spec: SeriesSpec) -> list[Dataset]:
    """Every image of a series, slice by slice."""
    return [image(spec, z, t) for z in range(spec.n_slices) for t in range(spec.n_phases)]


def edited(
    datasets: Sequence[Dataset],
    edit: Callable[[Dataset], None],
    where: Callable[[Dataset], bool] | None = None,
) -> list[Dataset]:
    for ds in datasets:
        if where is None or where(ds):
            edit(ds)
    return list(datasets)


def write(folder: Path, datasets: Sequence[Dataset], prefix: str = "") -> list[Path]:
    """Store data sets in the order given, under names that tell nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, ds in enumerate(datasets):
        paths.append(folder / f"{prefix}{number:05d}.dcm")
        write_one(paths[-1], ds)
    return paths


def write_one(path: Path, ds: Dataset) -> None:
    if not hasattr(ds, "file_meta"):
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(path, enforce_file_format=True)


def enhanced(spec: SeriesSpec) -> Dataset:
    """The same cine as one Enhanced MR instance, frames phase by phase."""
    row, column = orthonormal(spec.axes)
    ds = image(spec, 0, 0)
    ds.SOPClassUID = EnhancedMRImageStorage
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime",
                    "NominalInterval", "HeartRate"):  # fmt: skip
        delattr(ds, keyword)
    ds.NumberOfFrames = spec.n_slices * spec.n_phases
    ds.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[_item(PixelSpacing=[_ds(v) for v in spec.spacing_mm])],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=[_ds(v) for v in (*row, *column)])],
        )
    ]
    order = [(z, t) for t in range(spec.n_phases) for z in range(spec.n_slices)]
    ds.PerFrameFunctionalGroupsSequence = [_frame_item(spec, z, t) for z, t in order]
    add_pixels(ds, np.stack([pixels_of(spec, z, t) for z, t in order]))
    return ds


def _frame_item(spec: SeriesSpec, z: int, t: int) -> Dataset:
    return _item(
        PlanePositionSequence=[_item(ImagePositionPatient=[_ds(v) for v in position_mm(spec, z)])],
        CardiacSynchronizationSequence=[
            _item(
                NominalCardiacTriggerDelayTime=10.0 + t * spec.step_ms,
                RRIntervalTimeNominal=spec.step_ms * spec.n_phases,
            )
        ],
        FrameContentSequence=[_item(TemporalPositionIndex=t + 1)],
        PixelValueTransformationSequence=[
            _item(RescaleSlope="2", RescaleIntercept=str(-z), RescaleType="US")
        ],
    )


def _item(**attributes: object) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{value:.10f}"[:16]
