"""Apical ultrasound loops: of a CAMUS patient, or of a phantom where CVAI_DATA does not hold him."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from nibabel import load
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from cvai.domain.echo.views import EchoView
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import EchoPhantom, make_echo_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.conftest import real_data_folder
from tests.dicom.read.ultrasound_files import region, write_loop

PATIENT = "patient0200"
BEAT_MS = 880.0
VIEWS = {"4CH": EchoView.APICAL_4_CHAMBER, "2CH": EchoView.APICAL_2_CHAMBER}


def patient_folder() -> Path | None:
    """Of the CAMUS patient; None where he is missing."""
    folder = real_data_folder() / "camus" / "val" / PATIENT
    return folder if folder.is_dir() else None


def apical_loop(view: str, n: int = 16) -> NDArray[np.uint8]:
    """(t, y, x) one beat of ``4CH`` or ``2CH``.

    The patient's fades from end-diastole to end-systole and back, with a little living noise.
    """
    folder = patient_folder()
    if folder is None:
        return phantom(n).frames[VIEWS[view]]
    ed, es = (
        np.asarray(Image.open(folder / f"{PATIENT}_{view}_{phase}.png"), dtype=np.float64).T
        for phase in ("ED", "ES")
    )
    share = np.clip(0.5 - 0.8 * np.cos(2 * np.pi * np.arange(n) / n), 0, 1)[:, None, None]
    alive = np.random.default_rng(0).normal(1, 0.05, (n, *ed.shape))
    return np.clip(((1 - share) * ed + share * es) * alive, 0, 255).astype(np.uint8)


def calibrated(frames: NDArray[np.uint8]) -> Dataset:
    """The region that says how large the pixels of an ``apical_loop`` are."""
    rows, columns = frames.shape[1:]
    x_cm, y_cm = (0.04, 0.04) if patient_folder() is None else (0.08, 0.07)
    return region(
        RegionLocationMaxX1=columns - 1,
        RegionLocationMaxY1=rows - 1,
        PhysicalDeltaX=x_cm,
        PhysicalDeltaY=y_cm,
    )


def write_apical_study(folder: Path) -> None:
    """Both views of one heart, calibrated."""
    for number, view in enumerate(VIEWS, start=1):
        frames = apical_loop(view)
        regions = [calibrated(frames)]
        write_loop(
            folder / f"{number}.dcm", frames, number, FrameTime=55.0, SequenceOfUltrasoundRegions=regions
        )


def apical_ef_percent() -> float:
    """The ejection fraction that CAMUS states, or the phantom's."""
    if patient_folder() is None:
        return phantom(16).truth.by_discs.ef_percent
    lines = (real_data_folder() / "camus" / "patients.csv").read_text().splitlines()[1:]
    return next(float(line.split(",")[7]) for line in lines if line.startswith(f"{PATIENT},"))


def mr_slices() -> NDArray[np.float64]:
    """(z, y, x) of an ACDC patient, or of a phantom."""
    path = real_data_folder() / "acdc" / "patient079" / "patient079_frame01.nii.gz"
    if path.is_file():
        return np.asarray(load(path).dataobj, dtype=np.float64).transpose(2, 1, 0)
    return make_phantom(PhantomHeart(), PhantomAcquisition(n_phases=8)).pixels[0].astype(np.float64)


@cache
def phantom(n: int) -> EchoPhantom:
    """One beat in so many frames."""
    heart = PhantomHeart(heart_rate_bpm=60_000 / BEAT_MS)
    return make_echo_phantom(heart, LoopAcquisition(n_frames=n, frame_time_ms=BEAT_MS / n, seed=3))
