"""What does not form one honest stack is refused with what was measured; repeats are never mixed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless

from cvai.errors import FileRefused, GeometryRefused
from tests.dicom.read.assembling import (
    ROOT,
    SPEC,
    assemble,
    assemble_all,
    assemble_folder,
    codes,
    expected_pixels,
    lose,
    refusal_of,
    state,
    where,
)
from tests.dicom.read.dicom_files import (
    edited,
    image,
    images,
    orthonormal,
    position_mm,
    write,
    write_one,
)


@pytest.mark.parametrize("index", [0, 31, 58])
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


@pytest.mark.slow
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lose("ImagePositionPatient"), "position_missing"),
        (lose("ImageOrientationPatient"), "orientation_missing"),
        (state("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "orientation_invalid"),
        (state("ImageOrientationPatient", [0, 0, 0, 0, 0, 0]), "orientation_invalid"),
        (lose("PixelSpacing"), "invalid_pixel_spacing"),
        (state("PixelSpacing", [0, 0]), "invalid_pixel_spacing"),
        (state("PixelSpacing", ["1.25", "-1.75"]), "invalid_pixel_spacing"),
        (state("PixelSpacing", ["1250", "1750"]), "invalid_pixel_spacing"),
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "told_by",
    [
        _as_it_is,
        state("AcquisitionTime", "083000"),
        state("AcquisitionNumber", 2),
        state("SeriesInstanceUID", f"{ROOT}.77"),
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
    assert where(cine, "repeated_slice") == [(None, z)]
    assert "acquired again later" in cine.excluded[-1].reason


def test_an_earlier_acquisition_time_is_not_beaten_by_a_higher_instance_number(tmp_path: Path) -> None:
    repeat = edited(_repeat(4), state("AcquisitionTime", "070000"))
    cine = assemble(tmp_path, [*images(SPEC), *repeat])
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(SPEC))


@pytest.mark.slow
def test_a_repeat_that_broke_off_does_not_replace_the_whole_slice(tmp_path: Path) -> None:
    repeat = edited(_repeat(4), state("AcquisitionTime", "083000"))[:-1]
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
    edited(datasets, state("TriggerTime", "50"), where=lambda ds: ds.InstanceNumber == 30)
    datasets[29].PixelData = datasets[28].PixelData
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


def test_compressed_pixels_that_are_garbage_are_refused(tmp_path: Path) -> None:
    for path in write(tmp_path, images(SPEC)):
        ds = dcmread(path)
        ds.compress(RLELossless, generate_instance_uid=False)
        ds.PixelData = ds.PixelData[:30] + bytes(len(ds.PixelData) - 38) + ds.PixelData[-8:]
        write_one(path, ds)
    refusal = refusal_of(lambda: assemble_folder(tmp_path))
    assert refusal.code == "pixel_data_unreadable"


def test_refusals_speak_of_uids_at_most(tmp_path: Path) -> None:
    datasets = images(SPEC.but(attributes={"PatientName": "DOE^JOHN", "PatientID": "4711"}))
    del datasets[5]
    refusal = refusal_of(lambda: assemble(tmp_path / "DOE", datasets))
    assert "DOE" not in str(refusal)
    assert "4711" not in str(refusal)
