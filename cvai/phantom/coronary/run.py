"""A run of a beating coronary tree that fills with contrast medium and empties again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, XRayAngiographicImageStorage
from scipy import ndimage

from cvai.phantom.cine_sax.study import new_study_folder
from cvai.phantom.coronary.trees import CATHETER, Artery, coronary_tree
from cvai.phantom.coronary.vessels import PhantomLesion, PhantomVessel, segment_labels, thickness_mm
from cvai.phantom.parameters import require
from cvai.phantom.patient import add_patient_and_study

MAGNIFICATION = 1.5
_PER_MM = 0.09
"""Attenuation of iodine in blood, one over mm."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cvai.invalid/phantom/coronary/1")
_TIME = "101500"


@dataclass(frozen=True, slots=True)
class RunParameters:
    """How a run is made.

    Args:
        artery: which one is filled.
        lesions: by the label of the segment.
        n_frames: 1 to 400.
        side_px: rows and columns.
        spacing_mm: of a pixel at the heart.
        frame_time_ms: from one frame to the next.
        beat_frames: frames of a heartbeat; the first R wave is at half of it.
        contrast: peak of the filling, 0 for a run without contrast medium.
        ventricle: whether a ventricle is filled, not the artery.
        noise: standard deviation, as a share of the mean brightness.
        angles: primary and secondary angle of the positioner.
        seed: another is another patient.

    Raises:
        ConfigurationInvalid: a value is out of range.
    """

    artery: Artery = Artery.RIGHT
    lesions: dict[int, tuple[PhantomLesion, ...]] = field(
        default_factory=lambda: {2: (PhantomLesion(0.5, 8.0, 65.0),)}
    )
    n_frames: int = 30
    side_px: int = 512
    spacing_mm: float = 0.2
    frame_time_ms: float = 66.7
    beat_frames: int = 12
    contrast: float = 1.0
    ventricle: bool = False
    noise: float = 0.01
    angles: tuple[float, float] = (-30.0, 20.0)
    seed: int = 0

    def __post_init__(self) -> None:
        require("n_frames", self.n_frames, 1, 400, "frames")
        require("side_px", self.side_px, 128, 1024, "pixels")
        require("spacing_mm", self.spacing_mm, 0.1, 0.6, "mm")
        require("noise", self.noise, 0.0, 0.2, "")

    @property
    def r_waves(self) -> tuple[int, ...]:
        """0-based frames of end-diastole."""
        return tuple(range(self.beat_frames // 2, self.n_frames, self.beat_frames))


@dataclass(frozen=True, slots=True, eq=False)
class PhantomRun:
    """Frames and truth.

    Args:
        parameters: what it was asked to be.
        vessels: of the tree, in its place at end-diastole.
        frames: (t, y, x) intensity of 10 bits, vessels dark.
        labels: (y, x) segments at end-diastole.
    """

    parameters: RunParameters
    vessels: tuple[PhantomVessel, ...]
    frames: NDArray[np.uint16]
    labels: NDArray[np.uint8]

    def to_json(self) -> dict[str, Any]:
        """What is known of it, for truth.json."""
        return {
            "artery": self.parameters.artery.value,
            "spacing_mm": self.parameters.spacing_mm,
            "r_waves": list(self.parameters.r_waves),
            "lesions": [
                {
                    "segment": segment,
                    "at": lesion.at,
                    "length_mm": lesion.length_mm,
                    "percent": lesion.percent,
                }
                for segment, lesions in self.parameters.lesions.items()
                for lesion in lesions
            ],
        }


@dataclass(frozen=True, slots=True, eq=False)
class AngiographyTruth:
    """What is true of the runs of a study.

    Args:
        study_uid: StudyInstanceUID.
        runs: in the order of their series.
    """

    study_uid: UID
    runs: tuple[PhantomRun, ...]

    def to_json(self) -> dict[str, Any]:
        """The content of truth.json; ``measurements`` has the names of result.json."""
        lesions = [lesion for run in self.runs for of in run.parameters.lesions.values() for lesion in of]
        percents = sorted((lesion.percent for lesion in lesions), reverse=True)
        return {
            "schema": "cvai.phantom_coronary/1",
            "study_uid": self.study_uid,
            "measurements": {
                "max_stenosis": percents[0] if percents else 0.0,
                **{f"lesion_{n}_stenosis": percent for n, percent in enumerate(percents, start=1)},
            },
            "runs": [run.to_json() for run in self.runs],
        }


def make_run(parameters: RunParameters) -> PhantomRun:
    """Draw every frame; the same parameters give the same run."""
    p, shape = parameters, (parameters.side_px, parameters.side_px)
    vessels = coronary_tree(p.artery, p.lesions)
    tree = thickness_mm(vessels, shape, p.spacing_mm, oversampling=2)
    catheter = thickness_mm((CATHETER,), shape, p.spacing_mm, oversampling=2)
    filled = _ventricle_mm(shape) if p.ventricle else tree
    rng = np.random.default_rng(p.seed)
    background = _background(shape, rng)
    frames = np.empty((p.n_frames, *shape), dtype=np.uint16)
    for t in range(p.n_frames):
        moved = ndimage.shift(filled, _shift_px(p, t), order=1) if p.n_frames > 1 else filled
        absorbed = _PER_MM * (p.contrast * _filling(p, t) * moved + 0.8 * catheter)
        beam = background * np.exp(-absorbed)
        beam *= 1 + p.noise * rng.standard_normal(shape)
        frames[t] = np.clip(800 * beam, 20, 1023)
    return PhantomRun(p, vessels, frames, segment_labels(vessels, shape, p.spacing_mm))


def run_dataset(phantom: PhantomRun, number: int = 1) -> Dataset:
    """The run as an X-Ray Angiographic Image (PS3.3 A.14)."""
    p, ds = phantom.parameters, Dataset()
    add_patient_and_study(
        ds, _study_uid(p), p.seed, given_name="Angio", description="Synthetic angiography", time=_TIME
    )
    ds.SOPClassUID = XRayAngiographicImageStorage
    ds.SOPInstanceUID = _uid(p, f"run {number}")
    ds.SeriesInstanceUID = _uid(p, f"series {number}")
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "XA", number, number
    ds.Manufacturer, ds.ManufacturerModelName, ds.BodyPartExamined = "cvai", "cvai phantom", "HEART"
    ds.SeriesDescription = "Synthetic coronary run"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]
    ds.AcquisitionTime = str(int(_TIME) + number)
    ds.PatientOrientation, ds.LossyImageCompression = "", "00"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LIN", 1
    ds.NumberOfFrames, ds.Rows, ds.Columns = phantom.frames.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 10, 9, 0
    ds.PositionerPrimaryAngle, ds.PositionerSecondaryAngle = p.angles
    ds.PositionerMotion, ds.RadiationSetting, ds.KVP = "STATIC", "GR", "80"
    ds.ImagerPixelSpacing = [f"{p.spacing_mm * MAGNIFICATION:.5g}"] * 2
    ds.EstimatedRadiographicMagnificationFactor = MAGNIFICATION
    if p.n_frames > 1:
        ds.FrameTime, ds.FrameIncrementPointer = p.frame_time_ms, Tag("FrameTime")
        ds.RWavePointer = [frame + 1 for frame in p.r_waves]
    ds.PixelData = phantom.frames.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def write_angiography_phantom_study(folder: Path, runs: tuple[RunParameters, ...]) -> AngiographyTruth:
    """Write ``dicom/*.dcm`` and ``truth.json`` into ``folder``; the same arguments write the same bytes.

    Args:
        folder: made where it does not exist.
        runs: of one patient: their seeds are the same.
    """
    truth = AngiographyTruth(_study_uid(runs[0]), tuple(map(make_run, runs)))
    instances = new_study_folder(folder, truth)
    for number, phantom in enumerate(truth.runs, start=1):
        path = instances / f"run{number:02d}.dcm"
        run_dataset(phantom, number).save_as(path, enforce_file_format=True)
    return truth


def _filling(p: RunParameters, t: int) -> float:
    """Share of the peak: rises over a third of the run, stays, and washes out."""
    share = t / max(1, p.n_frames - 1)
    return (
        float(np.interp(share, (0.0, 0.12, 0.35, 0.75, 1.0), (0.0, 0.0, 1.0, 1.0, 0.3)))
        if t
        else float(p.n_frames == 1)
    )


def _shift_px(p: RunParameters, t: int) -> tuple[float, float]:
    """Where the tree is in frame t against end-diastole; it moves towards the apex in systole."""
    phase = ((t - p.r_waves[0]) % p.beat_frames) / p.beat_frames if p.r_waves else 0.0
    excursion_px = 5.0 / p.spacing_mm * np.sin(np.pi * min(1.0, phase / 0.7)) ** 2
    return 0.9 * excursion_px, -0.4 * excursion_px


def _background(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """(y, x) brightness of chest and spine without contrast medium, about 0.9."""
    y, x = np.indices(shape) / shape[0]
    clouds = ndimage.gaussian_filter(rng.standard_normal(shape), shape[0] / 12)
    spine = 0.18 * np.exp(-(((x - 0.82) / 0.1) ** 2))
    return np.asarray(0.95 - 0.1 * y - spine + 0.04 * clouds / clouds.std())


def _ventricle_mm(shape: tuple[int, int]) -> NDArray[np.float64]:
    """(y, x) thickness of a filled ventricle."""
    y, x = np.indices(shape) / shape[0]
    inside = np.maximum(1 - ((y - 0.55) / 0.28) ** 2 - ((x - 0.5) / 0.17) ** 2, 0.0)
    return np.asarray(30.0 * np.sqrt(inside))


def _study_uid(p: RunParameters) -> UID:
    return _uid(p.seed, "study")


def _uid(*parts: object) -> UID:
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, repr(parts)).int}")
