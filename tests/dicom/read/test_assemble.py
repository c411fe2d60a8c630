"""A cine is put in order whatever order it comes in."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import LegacyConvertedEnhancedMRImageStorage
from scipy.spatial.transform import Rotation

from tests.dicom.read.assembling import (
    ROOT,
    SPEC,
    assemble,
    codes,
    expected_pixels,
    refusal_of,
    where,
)
from tests.dicom.read.dicom_files import (
    SeriesSpec,
    add_pixels,
    edited,
    enhanced,
    image,
    images,
    orthonormal,
    pixels_of,
    position_mm,
)


def test_pixels_geometry_and_times_are_those_of_the_files(tmp_path: Path) -> None:
    cine = assemble(tmp_path, images(SPEC))
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(SPEC))
    geometry = cine.stack.geometry
    expected_mm = [position_mm(SPEC, z) for z in range(SPEC.n_slices)]
    np.testing.assert_allclose(geometry.positions_mm, expected_mm, atol=1e-6)
    assert (geometry.spacing_y_mm, geometry.spacing_x_mm) == (1.25, 1.75)
    assert geometry.slice_spacing_mm == pytest.approx(10.0, abs=1e-6)
    assert cine.stack.trigger_times_ms is not None
    np.testing.assert_allclose(cine.stack.trigger_times_ms[:, 3], 10.0 + 40.0 * np.arange(9))
    assert cine.stack.heart_rate_bpm == 167.0
    assert cine.findings == ()
    assert [[p.sop_instance_uid for p in phase] for phase in cine.planes] == [
        [f"{SPEC.series_uid}.{z + 1}.{t + 1}" for z in range(7)] for t in range(9)
    ]


@st.composite
def any_series(draw: st.DrawFn) -> SeriesSpec:
    """Anisotropic pixels, any orientation, slices shifted in their plane, either way of numbering."""
    angles = draw(st.tuples(*[st.floats(-180, 180)] * 3))
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    spacing_mm = draw(st.tuples(st.floats(0.5, 3.0), st.floats(0.5, 3.0)))
    field_mm = min(SPEC.rows * spacing_mm[0], SPEC.columns * spacing_mm[1])
    shear = draw(st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)))
    return SPEC.but(
        n_slices=4,
        n_phases=8,
        axes=(tuple(matrix[0]), tuple(matrix[1])),
        spacing_mm=spacing_mm,
        gap_mm=draw(st.floats(3.0, 15.0)),
        shear_mm=(shear[0] * field_mm, shear[1] * field_mm),
        phase_major=draw(st.booleans()),
    )


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(spec=any_series(), seed=st.integers(0, 2**32 - 1))
def test_order_of_arrival_orientation_spacing_and_shear_change_nothing(spec: SeriesSpec, seed: int) -> None:
    datasets = images(spec)
    np.random.default_rng(seed).shuffle(datasets)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        cine = assemble(Path(folder), datasets)
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(spec))
    row, column = orthonormal(spec.axes)
    # the last pixel of the last slice lies where PS3.3 C.7.6.2.1.1 puts it
    expected_mm = position_mm(spec, 3) + 7 * spec.spacing_mm[1] * row + 5 * spec.spacing_mm[0] * column
    np.testing.assert_allclose(cine.stack.geometry.point_mm(3, 5, 7), expected_mm, atol=1e-5)
    assert cine.stack.geometry.slice_spacing_mm == pytest.approx(spec.gap_mm, abs=1e-5)


@pytest.mark.parametrize("phase_major", [False, True])
@pytest.mark.parametrize("ordered_by", ["TemporalPositionIdentifier", "InstanceNumber"])
def test_without_trigger_times_phases_follow_what_else_orders_them(
    tmp_path: Path, ordered_by: str, phase_major: bool
) -> None:
    spec = SPEC.but(phase_major=phase_major)
    datasets = images(spec)
    for ds in datasets:
        del ds.TriggerTime
        if ordered_by == "TemporalPositionIdentifier":
            ds.TemporalPositionIdentifier = int(ds.SOPInstanceUID.split(".")[-1])
            ds.InstanceNumber = 1000 - ds.InstanceNumber
    cine = assemble(tmp_path, datasets[::-1])
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(spec))
    assert cine.stack.trigger_times_ms is not None
    np.testing.assert_allclose(cine.stack.trigger_times_ms[:, 0], np.arange(9) * 40.0)
    assert codes(cine) == ["times_from_nominal_interval"]


def test_a_series_for_every_phase_without_times_follows_the_series_numbers(tmp_path: Path) -> None:
    datasets = []
    for t in range(9):
        spec = SPEC.but(series_uid=f"{ROOT}.{40 + t}", series_number=40 + t)
        datasets += [image(spec, z, t) for z in range(7)]
    for ds in datasets:
        del ds.TriggerTime
        ds.InstanceNumber = int(ds.SOPInstanceUID.split(".")[-2])
    cine = assemble(tmp_path, datasets[::-1])
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(SPEC))


@pytest.mark.slow
def test_a_study_that_tells_no_times_has_none(tmp_path: Path) -> None:
    datasets = images(SPEC)
    for ds in datasets:
        del ds.TriggerTime, ds.NominalInterval
        ds.HeartRate = 0
    cine = assemble(tmp_path, datasets)
    assert cine.stack.trigger_times_ms is None
    assert cine.stack.heart_rate_bpm is None
    assert codes(cine) == ["times_unknown"]


def test_trigger_times_may_differ_from_slice_to_slice(tmp_path: Path) -> None:
    datasets = images(SPEC)
    expected_ms = np.empty((9, 7))
    for ds in datasets:
        z, t = (int(n) - 1 for n in ds.SOPInstanceUID.split(".")[-2:])
        expected_ms[t, z] = 15.0 + z + t * (38.0 + 0.25 * z)
        ds.TriggerTime = f"{expected_ms[t, z]:g}"
    cine = assemble(tmp_path, datasets)
    assert cine.stack.trigger_times_ms is not None
    np.testing.assert_allclose(cine.stack.trigger_times_ms, expected_ms)
    assert codes(cine) == []


def test_heart_rate_zero_counts_as_absent_and_the_nominal_interval_speaks(tmp_path: Path) -> None:
    datasets = edited(images(SPEC.but(step_ms=80.0)), lambda ds: setattr(ds, "HeartRate", 0))
    edited(datasets, lambda ds: setattr(ds, "NominalInterval", 800))
    cine = assemble(tmp_path, datasets)
    assert cine.stack.heart_rate_bpm == 75.0
    assert codes(cine) == []


def test_a_heart_rate_estimated_from_the_phases_is_marked(tmp_path: Path) -> None:
    datasets = images(SPEC.but(step_ms=100.0))
    for ds in datasets:
        del ds.HeartRate, ds.NominalInterval
    cine = assemble(tmp_path, datasets)
    assert cine.stack.heart_rate_bpm == pytest.approx(60_000 / 900)
    assert codes(cine) == ["heart_rate_estimated"]


def test_a_missing_phase_in_all_slices_shows_in_the_times(tmp_path: Path) -> None:
    datasets = [ds for ds in images(SPEC.but(n_phases=12)) if not ds.SOPInstanceUID.endswith(".6")]
    cine = assemble(tmp_path, datasets)
    assert cine.stack.n_phases == 11
    assert codes(cine) == ["uneven_phase_times"]
    assert where(cine, "uneven_phase_times") == [(4, z) for z in range(7)]
    assert "80 ms" in cine.findings[0].message


def test_fewer_phases_than_the_scanner_states_are_told_of(tmp_path: Path) -> None:
    datasets = images(SPEC.but(attributes={"CardiacNumberOfImages": 12}))
    cine = assemble(tmp_path, datasets)
    assert codes(cine) == ["fewer_phases_than_stated"]


def test_rescale_is_applied_to_each_frame(tmp_path: Path) -> None:
    datasets = images(SPEC)
    for ds in datasets:
        ds.RescaleSlope, ds.RescaleIntercept = "2.5", str(-ds.InstanceNumber)
    cine = assemble(tmp_path, datasets)
    numbers = np.array([[z * 9 + t + 1 for z in range(7)] for t in range(9)], dtype=np.float32)
    expected = expected_pixels(SPEC) * np.float32(2.5) - numbers[:, :, np.newaxis, np.newaxis]
    np.testing.assert_allclose(cine.stack.pixels, expected)


@pytest.mark.parametrize(("representation", "white"), [(0, 4095), (1, -1)])
def test_monochrome1_is_turned_over(tmp_path: Path, representation: int, white: int) -> None:
    turned = {
        "PhotometricInterpretation": "MONOCHROME1",
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": representation,
    }
    spec = SPEC.but(n_slices=3, n_phases=8, attributes=turned)  # 1152 values, fewer than 12 bits hold
    cine = assemble(tmp_path, images(spec))
    np.testing.assert_array_equal(cine.stack.pixels, white - expected_pixels(spec))


def test_an_enhanced_mr_cine_is_assembled_from_its_frames(tmp_path: Path) -> None:
    cine = assemble(tmp_path, [enhanced(SPEC)])
    offsets = np.arange(7, dtype=np.float32)[:, np.newaxis, np.newaxis]
    np.testing.assert_array_equal(cine.stack.pixels, 2 * expected_pixels(SPEC) - offsets)
    assert [[p.frame_number for p in phase] for phase in cine.planes] == [
        [t * 7 + z + 1 for z in range(7)] for t in range(9)
    ]
    assert cine.stack.heart_rate_bpm == pytest.approx(60_000 / 360)


def test_a_converted_cine_keeps_its_times_where_they_have_no_group(tmp_path: Path) -> None:
    ds = enhanced(SPEC)
    ds.SOPClassUID = LegacyConvertedEnhancedMRImageStorage
    for frame in ds.PerFrameFunctionalGroupsSequence:
        synchronization, unassigned = frame.CardiacSynchronizationSequence[0], Dataset()
        unassigned.TriggerTime = str(synchronization.NominalCardiacTriggerDelayTime)
        unassigned.NominalInterval = round(synchronization.RRIntervalTimeNominal)
        del frame.CardiacSynchronizationSequence
        frame.UnassignedPerFrameConvertedAttributesSequence = [unassigned]
    cine = assemble(tmp_path, [ds])
    assert cine.stack.phase_times_ms is not None
    np.testing.assert_allclose(cine.stack.phase_times_ms, 10.0 + 40.0 * np.arange(9))
    assert cine.stack.heart_rate_bpm == pytest.approx(60_000 / 360)


def test_an_enhanced_mr_instance_for_every_slice_is_one_cine(tmp_path: Path) -> None:
    """As scanners write it that store each breath-hold as a multi-frame instance, series by series."""
    slices = []
    for z in range(SPEC.n_slices):
        spec = SPEC.but(
            n_slices=1, origin_mm=tuple(position_mm(SPEC, z)), series_uid=f"{SPEC.series_uid}.{z}"
        )
        instance = enhanced(spec)
        add_pixels(instance, np.stack([pixels_of(SPEC, z, t) for t in range(SPEC.n_phases)]))
        slices.append(instance)
    cine = assemble(tmp_path, slices[::-1])
    np.testing.assert_array_equal(cine.stack.pixels, 2 * expected_pixels(SPEC))
    assert [plane.frame_number for plane in cine.planes[3]] == [4] * SPEC.n_slices


@pytest.mark.parametrize(
    ("in_enhanced", "expected"), [(slice(4, None), []), (slice(0, None, 2), ["slice_distance_contradicted"])]
)
def test_a_stack_in_part_of_single_frames_and_in_part_enhanced_is_one_cine(
    tmp_path: Path, in_enhanced: slice, expected: list[str]
) -> None:
    """Both kinds state pulse sequence and echo time in attributes of their own.

    Of every second slice a series states a distance that is not its own.
    """
    places = range(SPEC.n_slices)[in_enhanced]
    whole = enhanced(SPEC.but(series_uid=f"{SPEC.series_uid}.9"))
    del whole.ScanningSequence, whole.EchoTime
    chosen = [(z, t) for t in range(SPEC.n_phases) for z in places]
    frames = [whole.PerFrameFunctionalGroupsSequence[t * SPEC.n_slices + z] for z, t in chosen]
    for frame in frames:
        echo = Dataset()
        echo.EffectiveEchoTime = 1.6
        frame.MREchoSequence = [echo]
    whole.PerFrameFunctionalGroupsSequence, whole.NumberOfFrames = frames, len(frames)
    add_pixels(whole, np.stack([pixels_of(SPEC, z, t) for z, t in chosen]))
    single = [
        image(SPEC, z, t) for z in range(SPEC.n_slices) for t in range(SPEC.n_phases) if z not in places
    ]
    cine = assemble(tmp_path, [whole, *single])
    np.testing.assert_array_equal(cine.stack.stored, expected_pixels(SPEC))
    assert codes(cine) == expected


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("shift", [0, 4])
def test_only_the_stored_bits_count(tmp_path: Path, signed: int, shift: int) -> None:
    """Overlays above the image, and images at the upper end of their words."""
    spec = SPEC.but(n_slices=3, n_phases=8)
    datasets = images(spec)
    for ds in datasets:
        values = np.frombuffer(ds.PixelData, "<i2").astype(np.int64) - (600 if signed else 0)
        words = ((values & 0xFFF) << shift) | (0x9 if shift else 0xA000)
        ds.PixelData = words.astype("<u2").tobytes()
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11 + shift, signed
    cine = assemble(tmp_path, datasets)
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(spec) - (600 if signed else 0))


def test_bits_that_do_not_fit_their_words_are_refused(tmp_path: Path) -> None:
    datasets = edited(images(SPEC), lambda ds: setattr(ds, "HighBit", 3))
    for ds in datasets:
        ds.BitsStored = 12
    assert refusal_of(lambda: assemble(tmp_path, datasets)).code == "pixel_data_unreadable"
