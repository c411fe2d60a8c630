"""A cine is put in order whatever order it comes in, or refused with what was measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless
from scipy.spatial.transform import Rotation

from cvai.errors import FileRefused, GeometryRefused, Refused
from cvai.study.assemble import assemble_cine
from cvai.study.read import read_studies
from cvai.study.select import CineSelection, select_sax_cine
from cvai.study.values import AssembledCine
from tests.study.dicom_files import (
    SeriesSpec,
    edited,
    enhanced,
    image,
    images,
    orthonormal,
    pixels_of,
    position_mm,
    write,
    write_one,
)

SPEC = SeriesSpec()
ROOT = "1.2.826.0.1.3680043.10.999"


def assemble(folder: Path, datasets: Sequence[Dataset]) -> AssembledCine:
    write(folder, datasets)
    return assemble_folder(folder)


def assemble_folder(folder: Path) -> AssembledCine:
    (study,) = read_studies(folder).studies
    return assemble_cine(select_sax_cine(study))


def assemble_all(folder: Path, datasets: Sequence[Dataset]) -> AssembledCine:
    """Without selection: every image of the study, as a caller may hand them in."""
    write(folder, datasets)
    (study,) = read_studies(folder).studies
    planes = tuple(plane for series in study.series for plane in series.planes)
    return assemble_cine(CineSelection(study.series[0].series_uid, planes, ()))


def expected_pixels(spec: SeriesSpec) -> NDArray[np.float32]:
    """(t, z, y, x)"""
    return np.array(
        [[pixels_of(spec, z, t) for z in range(spec.n_slices)] for t in range(spec.n_phases)],
        dtype=np.float32,
    )


def codes(cine: AssembledCine) -> list[str]:
    return [finding.code for finding in cine.findings]


def refusal_of(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refusal:
        call()
    assert refusal.value.hint
    return refusal.value


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
    datasets = edited(images(SPEC), lambda ds: setattr(ds, "HeartRate", 0))
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
    assert "80 ms" in cine.findings[0].message


def test_fewer_phases_than_the_scanner_states_are_told_of(tmp_path: Path) -> None:
    datasets = images(SPEC.but(attributes={"CardiacNumberOfImages": 12}))
    cine = assemble(tmp_path, datasets)
    assert codes(cine) == ["fewer_phases_than_stated"]


@pytest.mark.parametrize("index", [0, 31, 62])
def test_a_missing_frame_is_refused_with_its_slice(tmp_path: Path, index: int) -> None:
    datasets = images(SPEC)
    del datasets[index]
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert refusal.code == "missing_frame"
    assert refusal.message == f"Slice {index // 9 + 1} of 7 has 8 of 9 phases."


def test_a_missing_slice_is_refused_with_the_gaps(tmp_path: Path) -> None:
    datasets = [image(SPEC, z, t) for z in (0, 1, 2, 4, 5, 6) for t in range(9)]
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert refusal.code == "missing_slice"
    assert refusal.message == "Slice gaps vary from 10.00 to 20.00 mm; 1 slice(s) are missing."


def test_uneven_slices_are_refused_with_the_gaps(tmp_path: Path) -> None:
    datasets = images(SPEC)
    step_mm = position_mm(SPEC, 1) - position_mm(SPEC, 0)
    moved = [str(v)[:16] for v in position_mm(SPEC, 6) + 0.3 * step_mm]
    edited(
        datasets,
        lambda ds: setattr(ds, "ImagePositionPatient", moved),
        where=lambda ds: ds.SOPInstanceUID.split(".")[-2] == "7",
    )
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert refusal.code == "irregular_slice_gap"
    assert refusal.message == "Slice gaps vary from 10.00 to 13.00 mm."


def _lose(keyword: str) -> Callable[[Dataset], None]:
    return lambda ds: delattr(ds, keyword)


def _state(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (_lose("ImagePositionPatient"), "position_missing"),
        (_lose("ImageOrientationPatient"), "orientation_missing"),
        (_state("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "orientation_invalid"),
        (_state("ImageOrientationPatient", [0, 0, 0, 0, 0, 0]), "orientation_invalid"),
        (_lose("PixelSpacing"), "invalid_pixel_spacing"),
        (_state("PixelSpacing", [0, 0]), "invalid_pixel_spacing"),
        (_state("PixelSpacing", ["1.25", "-1.75"]), "invalid_pixel_spacing"),
        (_state("PixelSpacing", ["1250", "1750"]), "invalid_pixel_spacing"),
    ],
)
def test_images_that_do_not_say_where_they_lie_are_refused(
    tmp_path: Path, edit: Callable[[Dataset], None], code: str, everywhere: bool
) -> None:
    datasets = edited(images(SPEC), edit, where=lambda ds: everywhere or ds.InstanceNumber == 30)
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert isinstance(refusal, GeometryRefused)
    assert refusal.code == code
    assert refusal.message.startswith(f"{63 if everywhere else 1} of 63 images")


def test_slices_of_one_series_on_two_grids_are_refused(tmp_path: Path) -> None:
    datasets = [image(SPEC.but(rows=10 if z > 3 else 6), z, t) for z in range(7) for t in range(9)]
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert refusal.code == "mixed_grid"
    assert "10 x 8 pixels" in refusal.message
    assert "6 x 8 pixels" in refusal.message


def test_oblique_images_among_parallel_ones_are_refused(tmp_path: Path) -> None:
    odd = image(SPEC.but(axes=((1, 0, 0), (0, 1, 0)), series_uid=f"{ROOT}.5"), 0, 0)
    refusal = refusal_of(lambda: assemble_all(tmp_path, [*images(SPEC), odd]))
    assert refusal.code == "mixed_orientation"


def test_a_slice_far_aside_of_the_others_is_refused(tmp_path: Path) -> None:
    datasets = images(SPEC.but(shear_mm=(5.0, 0.0)))
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert refusal.code == "shifted_slice"


def test_a_slice_that_moves_with_the_phases_is_refused(tmp_path: Path) -> None:
    datasets = images(SPEC)
    row, _ = orthonormal(SPEC.axes)
    for ds in datasets:
        z, t = (int(n) - 1 for n in ds.SOPInstanceUID.split(".")[-2:])
        ds.ImagePositionPatient = [str(v)[:16] for v in position_mm(SPEC, z) + 0.3 * t * row]
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert refusal.code == "moving_slice"
    assert "2.4 mm" in refusal.message


def _repeat(z: int, **changes: object) -> list[Dataset]:
    """Slice z once more, with pixels turned upside down."""
    spec = SPEC.but(first_instance=301, **changes)
    datasets = [image(spec, z, t) for t in range(SPEC.n_phases)]
    for ds in datasets:
        ds.SOPInstanceUID = f"{ROOT}.77.{ds.InstanceNumber}"
        values = np.frombuffer(ds.PixelData, dtype="<i2").reshape(6, 8)[::-1]
        ds.PixelData = values.tobytes()
    return datasets


def _as_it_is(ds: Dataset) -> None:
    """Only the instance numbers tell that the acquisition came later."""


@pytest.mark.parametrize(
    "told_by",
    [
        _as_it_is,
        _state("AcquisitionTime", "091500"),
        _state("AcquisitionNumber", 2),
        _state("SeriesInstanceUID", f"{ROOT}.77"),
    ],
)
@pytest.mark.parametrize("step_ms", [40.0, 41.0])
@pytest.mark.parametrize("z", [0, 4, 6])
def test_of_a_repeated_slice_the_later_acquisition_counts_whole(
    tmp_path: Path, told_by: Callable[[Dataset], None], step_ms: float, z: int
) -> None:
    repeat = edited(_repeat(z, step_ms=step_ms), told_by)
    datasets = [*images(SPEC), *repeat]
    np.random.default_rng(z).shuffle(datasets)  # type: ignore[arg-type]
    cine = assemble(tmp_path, datasets)
    expected = expected_pixels(SPEC)
    expected[:, z] = expected[:, z, ::-1]
    np.testing.assert_array_equal(cine.stack.pixels, expected)
    assert codes(cine) == ["repeated_slice"]
    assert "acquired again later" in cine.passed_over[-1].reason


def test_an_earlier_acquisition_time_is_not_beaten_by_a_higher_instance_number(tmp_path: Path) -> None:
    repeat = edited(_repeat(4), _state("AcquisitionTime", "070000"))
    cine = assemble(tmp_path, [*images(SPEC), *repeat])
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(SPEC))


def test_a_repeat_that_broke_off_does_not_replace_the_whole_slice(tmp_path: Path) -> None:
    repeat = edited(_repeat(4), _state("AcquisitionTime", "091500"))[:-1]
    cine = assemble(tmp_path, [*images(SPEC), *repeat])
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(SPEC))


def test_two_images_that_claim_one_phase_are_refused(tmp_path: Path) -> None:
    double = image(SPEC, 2, 3)
    double.SOPInstanceUID, double.InstanceNumber = f"{ROOT}.77", 700
    refusal = refusal_of(lambda: assemble(tmp_path, [*images(SPEC), double]))
    assert refusal.code == "duplicate_frame"
    assert "Slice 3 of 7 has 10 images for 9 phases" in refusal.message


def test_a_phase_that_is_there_twice_in_place_of_another_is_refused(tmp_path: Path) -> None:
    datasets = images(SPEC)
    edited(datasets, _state("TriggerTime", "50"), where=lambda ds: ds.InstanceNumber == 30)
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert refusal.code == "duplicate_frame"


def test_a_truncated_frame_of_the_cine_is_refused_and_one_elsewhere_is_not(tmp_path: Path) -> None:
    paths = write(tmp_path, images(SPEC))
    scout = image(SPEC.but(series_uid=f"{ROOT}.9", axes=((1, 0, 0), (0, 1, 0))), 0, 0)
    (scout_path,) = write(tmp_path, [scout], prefix="s")
    scout_path.write_bytes(scout_path.read_bytes()[:-5])
    assert assemble_folder(tmp_path).stack.pixels.shape == (9, 7, 6, 8)
    paths[62].write_bytes(paths[62].read_bytes()[:-5])
    refusal = refusal_of(lambda: assemble_folder(tmp_path))
    assert isinstance(refusal, FileRefused)
    assert refusal.code == "truncated_file"


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_frames_decode_to_the_same_values(tmp_path: Path, syntax: str) -> None:
    spec = SPEC.but(n_slices=3, rows=16, columns=20)
    for path in write(tmp_path, images(spec)):
        ds = dcmread(path)
        if syntax == RLELossless:
            ds.compress(syntax, generate_instance_uid=False)
        else:
            ds = _compressed_by_gdcm(path, syntax)
        write_one(path, ds)
    cine = assemble_folder(tmp_path)
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(spec))


def _compressed_by_gdcm(path: Path, syntax: str) -> Dataset:
    import gdcm

    kinds = {
        JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
        JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
    }
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(kinds[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    ds = dcmread(path)
    assert ds.file_meta.TransferSyntaxUID == syntax
    return ds


def test_compressed_pixels_that_are_garbage_are_refused(tmp_path: Path) -> None:
    for path in write(tmp_path, images(SPEC)):
        ds = dcmread(path)
        ds.compress(RLELossless, generate_instance_uid=False)
        ds.PixelData = ds.PixelData[:30] + bytes(len(ds.PixelData) - 38) + ds.PixelData[-8:]
        write_one(path, ds)
    refusal = refusal_of(lambda: assemble_folder(tmp_path))
    assert refusal.code == "pixel_data_unreadable"


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


def test_refusals_speak_of_uids_at_most(tmp_path: Path) -> None:
    datasets = images(SPEC.but(attributes={"PatientName": "DOE^JOHN", "PatientID": "4711"}))
    del datasets[5]
    refusal = refusal_of(lambda: assemble(tmp_path / "DOE", datasets))
    assert "DOE" not in str(refusal)
    assert "4711" not in str(refusal)
