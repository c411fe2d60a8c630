"""Volumes of the Sunnybrook cases from manual contours and true geometry, independent of cvai's own code.

Contours: Radau et al., The MIDAS Journal 2009 (hdl 10380/3070).
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from skimage.draw import polygon2mask

CONTOUR_ORIGIN = 1.0
"""The contours were drawn in Matlab, where the centre of the first pixel is at (1, 1); the image gradient
along the contours is strongest near this origin as well."""

CONTOUR_NAME = re.compile(r"IM-\d+-(\d+)-icontour-manual\.txt")


class Frame(NamedTuple):
    """What the reference needs to know of one DICOM file."""

    shape: tuple[int, int]
    pixel_area_mm2: float
    along_mm: float
    trigger_time_ms: float


class Reference(NamedTuple):
    """LV volumes from contours; papillary muscles belong to the cavity."""

    edv_ml: float
    esv_ml: float
    ef_percent: float


def read_frame(path: Path) -> Frame:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Invalid value for VR UI")  # leading zeros in the originals
        header = pydicom.dcmread(path, stop_before_pixels=True)
    orientation = np.array(header.ImageOrientationPatient, dtype=float)
    normal = np.cross(orientation[:3], orientation[3:])
    return Frame(
        shape=(int(header.Rows), int(header.Columns)),
        pixel_area_mm2=float(header.PixelSpacing[0]) * float(header.PixelSpacing[1]),
        along_mm=round(float(np.array(header.ImagePositionPatient, dtype=float) @ normal), 2),
        trigger_time_ms=float(header.TriggerTime),
    )


def read_frames(case_dir: Path) -> dict[int, Frame]:
    """Every frame of a case by InstanceNumber, which is also the name of its file."""
    return {int(path.stem): read_frame(path) for path in (case_dir / "dicom").glob("*.dcm")}


def contour_masks(case_dir: Path) -> dict[int, NDArray[np.bool_]]:
    """(y, x) masks of the LV cavity by InstanceNumber: pixels whose centre lies inside the contour."""
    masks = {}
    for path in sorted((case_dir / "contours" / "i-contours").iterdir()):
        match = CONTOUR_NAME.fullmatch(path.name)
        assert match is not None, path.name
        instance = int(match.group(1))
        shape = read_frame(case_dir / "dicom" / f"{instance}.dcm").shape
        points_xy = np.loadtxt(path) - CONTOUR_ORIGIN
        masks[instance] = polygon2mask(shape, points_xy[:, ::-1])
    return masks


def phase_of(instance: int, frames: dict[int, Frame]) -> int:
    """0-based place in time of a frame among those of its slice."""
    frame = frames[instance]
    times_ms = sorted(f.trigger_time_ms for f in frames.values() if f.along_mm == frame.along_mm)
    return times_ms.index(frame.trigger_time_ms)


def slice_step_mm(frames: dict[int, Frame]) -> float:
    """Distance between neighbouring slices along their normal."""
    steps_mm = np.diff(sorted({frame.along_mm for frame in frames.values()}))
    assert np.ptp(steps_mm) < 0.05, f"uneven slices: {steps_mm}"
    return float(np.mean(steps_mm))


def reference_volumes_ml(case_dir: Path) -> dict[int, float]:
    """LV volume at every contoured phase (0-based)."""
    frames = read_frames(case_dir)
    step_mm = slice_step_mm(frames)
    volumes_ml: dict[int, float] = defaultdict(float)
    for instance, mask in contour_masks(case_dir).items():
        area_mm2 = np.count_nonzero(mask) * frames[instance].pixel_area_mm2
        volumes_ml[phase_of(instance, frames)] += float(area_mm2) * step_mm / 1000.0
    return dict(volumes_ml)


def reference_lv_ef(case_dir: Path) -> Reference:
    """Volumes and ejection fraction; the case is contoured at end-diastole and at end-systole only."""
    volumes_ml = reference_volumes_ml(case_dir)
    assert len(volumes_ml) == 2, f"contours at phases {sorted(volumes_ml)}, expected two"
    edv_ml, esv_ml = max(volumes_ml.values()), min(volumes_ml.values())
    return Reference(edv_ml, esv_ml, 100.0 * (edv_ml - esv_ml) / edv_ml)
