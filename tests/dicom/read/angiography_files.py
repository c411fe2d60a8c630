"""Small angiography runs as studies, with elements changed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom import Dataset

from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import Study
from cvai.phantom.coronary.run import RunParameters, make_run, run_dataset

SMALL = {"side_px": 256, "spacing_mm": 0.4, "n_frames": 14, "beat_frames": 8}

Change = Callable[[Dataset], None]


def small_run(**changes: object) -> Dataset:
    return run_dataset(make_run(RunParameters(**{**SMALL, **changes})))


def study_of(folder: Path, *runs: Dataset) -> Study:
    for number, run in enumerate(runs):
        run.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    (study,) = read_studies(folder).studies
    return study


def set_pixels(run: Dataset, values: np.ndarray) -> None:
    run.NumberOfFrames, run.Rows, run.Columns = values.shape
    run.PixelData = values.astype(np.uint16 if run.BitsAllocated == 16 else np.uint8).tobytes()
