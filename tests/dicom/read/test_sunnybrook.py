"""Real short-axis cines, as they are, defects included."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
import pytest

from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import AssembledCine
from tests.sunnybrook import contour_masks, reference_lv_ef

pytestmark = [pytest.mark.slow, pytest.mark.real_data]


class Truth(NamedTuple):
    """What is known of a case from its headers and its manual contours."""

    case: str
    n_slices: int
    slice_step_mm: float
    pixel_spacing_mm: float
    heart_rate_bpm: float
    contoured_phases: set[int]
    ef_percent: float


TRUTHS = [
    Truth("SCD0000101", 12, 10.0, 1.367188, 79.0, {7, 18}, 25.8),
    Truth("SCD0000301", 10, 8.0, 1.2891, 65.0, {6, 19}, 21.5),
]
for_every_case = pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.case)


@for_every_case
def test_a_real_cine_is_assembled_frame_by_frame(real_data: Path, truth: Truth) -> None:
    folder = real_data / "sunnybrook" / truth.case / "dicom"
    cine = _assembled(folder)
    stack, spacing_mm = cine.stack, truth.pixel_spacing_mm
    assert stack.shape == (20, truth.n_slices, 256, 256)
    assert stack.geometry.slice_spacing_mm == pytest.approx(truth.slice_step_mm, abs=0.01)
    assert (stack.geometry.spacing_y_mm, stack.geometry.spacing_x_mm) == (spacing_mm, spacing_mm)
    assert stack.heart_rate_bpm == truth.heart_rate_bpm
    assert cine.findings == cine.excluded == ()
    assert stack.trigger_times_ms is not None
    for (t, z), trigger_time_ms in np.ndenumerate(stack.trigger_times_ms):
        with tolerating_values():
            ds = pydicom.dcmread(folder / f"{cine.planes[t][z].instance_number}.dcm")
            np.testing.assert_array_equal(stack.frame(t, z), ds.pixel_array)
            assert trigger_time_ms == float(ds.TriggerTime)


@for_every_case
def test_the_contoured_frames_share_two_phases_of_the_assembled_cine(real_data: Path, truth: Truth) -> None:
    folder = real_data / "sunnybrook" / truth.case
    cine = _assembled(folder / "dicom")
    phases = {p.instance_number: t for t, phase in enumerate(cine.planes) for p in phase}
    assert {phases[instance] for instance in contour_masks(folder)} == truth.contoured_phases


@for_every_case
def test_the_reference_ejection_fraction_of_the_contours(real_data: Path, truth: Truth) -> None:
    reference = reference_lv_ef(real_data / "sunnybrook" / truth.case)
    assert reference.ef_percent == pytest.approx(truth.ef_percent, abs=0.05)
    assert reference.edv_ml > reference.esv_ml > 100.0


def _assembled(folder: Path) -> AssembledCine:
    outcome = read_studies(folder)
    (study,) = outcome.studies
    assert outcome.unreadable == study.unreadable == ()
    return assemble_cine(select_sax_cine(study))
