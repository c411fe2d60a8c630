"""NIfTI and PNG as tools vary them: labelled as the plain image is, or refused with what was found."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from cvai.cli import nifti
from cvai.cli.echo_image import read_png
from cvai.cli.main import app, exit_code
from cvai.cli.nifti import read_nifti
from cvai.cli.sax_image import stack_of
from cvai.domain.cine import CineStack
from cvai.errors import ConfigurationInvalid, CvaiError, Refused
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.cli.nifti_files import (
    METRE,
    MICRON,
    MM,
    UNKNOWN,
    Header,
    diagonal,
    header_bytes,
    nifti_bytes,
    write_nifti,
)

RGB, RGBA, FLOAT128 = 128, 2304, 1536
PLAIN = Header()


@pytest.fixture(scope="module")
def heart() -> NDArray[np.int16]:
    """(x, y, z) end-diastole of a synthetic heart."""
    phantom = make_phantom(PhantomHeart.drawn(3, 55.0), PhantomAcquisition(n_phases=12, seed=3))
    return phantom.pixels[0].transpose(2, 1, 0).astype(np.int16)


@pytest.fixture(scope="module")
def plain(heart: NDArray[np.int16], tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.uint8]:
    folder = tmp_path_factory.mktemp("plain")
    return labels_of(write_nifti(folder / "in.nii", heart))


def noise(*shape: int) -> NDArray[np.int16]:
    return np.random.default_rng(0).integers(0, 900, shape).astype(np.int16)


STACK = noise(96, 80, 6)


def segment(source: Path, target: Path, *options: str) -> CvaiError | None:
    """The error the command ends with, None where it ends well."""
    result = CliRunner().invoke(app, ["segment", str(source), str(target), *options])
    if result.exit_code == 0:
        return None
    assert isinstance(result.exception, CvaiError), result.exception
    return result.exception


def labels_of(source: Path) -> NDArray[np.uint8]:
    target = source.with_name("labels.nii.gz")
    assert segment(source, target) is None
    return np.asarray(nibabel.load(target).dataobj)


def dice(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(2 * np.count_nonzero((a == b) & (a > 0)) / (np.count_nonzero(a) + np.count_nonzero(b)))


def stack(path: Path) -> CineStack:
    return stack_of(read_nifti(path))


def refusal(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        call()
    assert refused.value.hint
    assert exit_code(refused.value) == 3
    return refused.value


@pytest.mark.parametrize(
    ("units", "scale"), [(MICRON, 1000.0), (METRE, 0.001), (MM, 1.0), (UNKNOWN, 1.0), (MM | 16, 1.0)]
)
def test_lengths_are_converted_from_the_unit_that_is_stated(tmp_path: Path, units: int, scale: float) -> None:
    header = Header(spacing=tuple(scale * mm for mm in (1.4, 1.2, 10.0)), units=units)
    geometry = stack(write_nifti(tmp_path / "in.nii", STACK, header)).geometry
    assert geometry.slice_spacing_mm == pytest.approx(10.0, rel=1e-6)
    assert (geometry.spacing_y_mm, geometry.spacing_x_mm) == pytest.approx((1.2, 1.4), rel=1e-6)


@pytest.mark.parametrize(
    ("units", "spacing"),
    [
        pytest.param(UNKNOWN, (1400.0, 1400.0, 10_000.0), id="micrometres without a unit"),
        pytest.param(UNKNOWN, (0.0014, 0.0014, 0.01), id="metres without a unit"),
        pytest.param(MM, (0.14, 0.14, 1.0), id="centimetres called millimetres"),
        pytest.param(METRE, (1.4, 1.4, 10.0), id="millimetres called metres"),
        pytest.param(MICRON, (1.4, 1.4, 10.0), id="millimetres called micrometres"),
        pytest.param(5, (1.4, 1.4, 10.0), id="a unit that is none"),
        pytest.param(MM, (0.0, 1.4, 10.0), id="zero"),
        pytest.param(MM, (1.4, 1.4, 0.0), id="zero between slices"),
        pytest.param(MM, (1.4, -1.4, 10.0), id="negative"),
        pytest.param(MM, (1.4, float("nan"), 10.0), id="no number"),
        pytest.param(MM, (1.4, 1.4, float("inf")), id="without end"),
        pytest.param(MM, (1.4, 1.4, 120.0), id="slices too far apart"),
    ],
)
def test_voxels_of_no_heart_are_refused(
    tmp_path: Path, units: int, spacing: tuple[float, float, float]
) -> None:
    path = write_nifti(tmp_path / "in.nii", STACK, Header(spacing=spacing, units=units))
    assert refusal(lambda: stack(path)).code == "invalid_pixel_spacing"


def test_lengths_of_the_affine_that_contradict_pixdim_are_refused(tmp_path: Path) -> None:
    header = Header(spacing=(1.0, 1.0, 1.0), sform=diagonal(-1.4, -1.4, 10.0))
    refused = refusal(lambda: stack(write_nifti(tmp_path / "in.nii", STACK, header)))
    assert refused.code == "affine_contradicts_spacing"
    assert "1 x 1 x 1" in refused.message
    assert "1.4 x 1.4 x 10" in refused.message


@pytest.mark.parametrize(
    "header",
    [
        Header(sform=diagonal(0, 1.4, 10)),
        Header(sform=diagonal(float("nan"), 1.4, 10)),
        Header(qform=(1.0, 1.0, 1.0)),
    ],
    ids=["singular", "no number", "no rotation"],
)
def test_an_affine_that_is_none_is_refused(tmp_path: Path, header: Header) -> None:
    path = write_nifti(tmp_path / "in.nii", STACK, header)
    assert refusal(lambda: stack(path)).code == "affine_contradicts_spacing"


@pytest.mark.parametrize("sform", [diagonal(1.4, 1.4, 10), diagonal(-1, -1, 1), None])
def test_an_affine_of_unit_steps_says_nothing(
    tmp_path: Path, sform: tuple[tuple[float, ...], ...] | None
) -> None:
    geometry = stack(write_nifti(tmp_path / "in.nii", STACK, Header(sform=sform))).geometry
    assert geometry.slice_spacing_mm == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("axes", "spacing", "named"),
    [
        pytest.param((2, 1, 0), (10.0, 1.4, 1.4), "axis 1", id="z y x"),
        pytest.param((0, 2, 1), (1.4, 10.0, 1.4), "axis 2", id="x z y"),
        pytest.param((2, 1, 0), (1.0, 1.0, 1.0), "axis 1", id="z y x, spacing lost"),
        pytest.param((2, 1, 0), (1.4, 1.4, 10.0), "axis 1", id="z y x, pixdim left behind"),
    ],
)
def test_slices_along_another_axis_are_refused_by_name(
    tmp_path: Path, axes: tuple[int, int, int], spacing: tuple[float, float, float], named: str
) -> None:
    path = write_nifti(tmp_path / "in.nii", STACK.transpose(axes), Header(spacing=spacing))
    refused = refusal(lambda: stack(path))
    assert refused.code == "slices_not_last"
    assert named in refused.message


def test_pixels_that_are_not_square_are_no_slices(tmp_path: Path) -> None:
    header = Header(spacing=(1.0, 1.45, 8.0))
    assert stack(write_nifti(tmp_path / "in.nii", STACK, header)).geometry.spacing_x_mm == 1.0


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ((96, 80), "not_a_volume"),
        ((96, 80, 6, 1, 3), "not_a_volume"),
        ((96,), "not_a_volume"),
        ((96, 80, 1), "not_a_stack"),
        ((96, 80, 1, 9), "not_a_stack"),
        ((96, 80, 0), "not_nifti"),
        ((96, -80, 6), "not_nifti"),
        ((), "not_nifti"),
    ],
)
def test_what_is_no_stack_is_refused(tmp_path: Path, shape: tuple[int, ...], code: str) -> None:
    values = noise(*(abs(n) or 1 for n in shape))
    path = write_nifti(tmp_path / "in.nii", values, Header(shape=shape))
    assert refusal(lambda: stack(path)).code == code


@pytest.mark.parametrize("shape", [(96, 80, 6, 2), (96, 80, 6, 1), (96, 80, 6, 2, 1), (96, 80, 6, 1, 1)])
def test_axes_of_one_at_the_end_change_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = stack(write_nifti(tmp_path / "in.nii", noise(*shape)))
    assert image.pixels.shape == (shape[3], 6, 80, 96)


@pytest.mark.parametrize("datatype", [RGB, RGBA, FLOAT128, 0, 1, 999, -5])
def test_data_types_without_grey_levels_are_refused(tmp_path: Path, datatype: int) -> None:
    values = noise(96, 80, 6, 8).astype(np.uint8)
    header = Header(shape=(96, 80, 6), datatype=datatype)
    assert refusal(lambda: stack(write_nifti(tmp_path / "in.nii", values, header))).code == "not_grey_levels"


@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_complex_images_are_refused(tmp_path: Path, kind: str) -> None:
    path = write_nifti(tmp_path / "in.nii", STACK.astype(kind))
    assert refusal(lambda: stack(path)).code == "not_grey_levels"


@pytest.mark.parametrize(
    "values",
    [
        np.full(STACK.shape, 7, np.int16),
        np.full(STACK.shape, np.nan, np.float32),
        np.full(STACK.shape, 1e300),
        (STACK > 450).astype(np.uint8),
        (STACK // 225).astype(np.uint8),
    ],
    ids=["one value", "no number", "beyond float32", "a mask", "labels"],
)
def test_an_image_without_grey_levels_is_refused(tmp_path: Path, values: NDArray[np.generic]) -> None:
    assert refusal(lambda: stack(write_nifti(tmp_path / "in.nii", values))).code == "not_grey_levels"


@pytest.mark.parametrize(
    "kind", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_every_type_of_real_numbers_is_read(tmp_path: Path, kind: str, big_endian: bool) -> None:
    values = (STACK // 8).astype(kind)
    image = stack(write_nifti(tmp_path / "in.nii", values, Header(big_endian=big_endian)))
    np.testing.assert_array_equal(image.pixels[0].transpose(2, 1, 0), values.astype(np.float32))


@pytest.mark.parametrize("slope_inter", [(0.0, 0.0), (0.0, 5.0), (float("nan"), 0.0), (float("inf"), 0.0)])
def test_a_scaling_that_is_none_is_left_aside(tmp_path: Path, slope_inter: tuple[float, float]) -> None:
    image = stack(write_nifti(tmp_path / "in.nii", STACK, Header(slope_inter=slope_inter)))
    np.testing.assert_array_equal(image.pixels[0].transpose(2, 1, 0), STACK.astype(np.float32))


def test_a_scaling_is_applied_and_half_of_one_refused(tmp_path: Path) -> None:
    image = stack(write_nifti(tmp_path / "in.nii", STACK, Header(slope_inter=(2.0, -5.0))))
    np.testing.assert_array_equal(image.pixels[0].transpose(2, 1, 0), STACK.astype(np.float32) * 2 - 5)
    path = write_nifti(tmp_path / "half.nii", STACK, Header(slope_inter=(2.0, float("nan"))))
    assert refusal(lambda: stack(path)).code == "not_nifti"


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_voxels_without_a_number_become_the_darkest(tmp_path: Path, hole: float) -> None:
    values = STACK.astype(np.float32) + 3
    values[:20] = hole
    image = read_nifti(write_nifti(tmp_path / "in.nii", values))
    assert image.missing is not None
    assert np.all(image.missing[:20])
    assert np.all(image.values[:20] == values[20:].min())
    np.testing.assert_array_equal(image.values[20:], values[20:])


def test_labels_where_there_are_no_numbers_are_refused(tmp_path: Path) -> None:
    values = STACK.astype(np.float32)
    values[:20] = np.nan
    image = read_nifti(write_nifti(tmp_path / "in.nii", values))
    heart = np.zeros(STACK.shape, bool)
    heart[21:60] = True
    image.require_present(heart)
    heart[10:20] = True
    assert refusal(lambda: image.require_present(heart)).code == "values_missing"


def test_names_tell_nothing_of_compression(tmp_path: Path) -> None:
    plain_bytes = nifti_bytes(STACK)
    (tmp_path / "plain.nii.gz").write_bytes(plain_bytes)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain_bytes))
    (tmp_path / "no_ending").write_bytes(plain_bytes)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_nifti(path).values, STACK)


@pytest.mark.parametrize("kept", [0, 1, 200, 351, 352, 400, 20_000, -1])
@pytest.mark.parametrize("name", ["in.nii", "in.nii.gz"])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, name: str, kept: int) -> None:
    path = write_nifti(tmp_path / name, STACK)
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(lambda: stack(path)).code in ("truncated_file", "not_nifti")


def test_a_compressed_file_with_a_wrong_bit_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "in.nii.gz", STACK)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # its checksum
    path.write_bytes(content)
    assert refusal(lambda: stack(path)).code == "truncated_file"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        b"\x1f\x8b",
        gzip.compress(b"no image"),
        b"\x89PNG\r\n\x1a\n" + bytes(400),
        bytes(500),
    ],
    ids=["empty", "text", "gzip cut", "text in gzip", "PNG", "zeros"],
)
def test_what_is_no_nifti_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.nii.gz").write_bytes(content)
    assert refusal(lambda: stack(tmp_path / "in.nii.gz")).code == "not_nifti"
    assert refusal(lambda: stack(tmp_path)).code == "not_nifti"
    assert refusal(lambda: stack(tmp_path / "absent.nii")).code == "not_nifti"


@pytest.mark.parametrize("name", ["in.nii", "in.nii.gz"])
@pytest.mark.parametrize("shape", [(30_000, 30_000, 30_000), (32_767,) * 7, (1000, 1000, 60)])
def test_a_small_file_that_states_much_is_refused_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shape: tuple[int, ...]
) -> None:
    monkeypatch.setattr(nifti, "ArrayProxy", None)  # whoever would read the image fails
    path = write_nifti(tmp_path / name, noise(9, 9, 9), Header(shape=shape))
    assert refusal(lambda: read_nifti(path)).code in ("image_too_large", "truncated_file")


@pytest.mark.parametrize("offset", [0.0, 100.0, -5.0, 1e9, float("nan"), float("inf")])
def test_an_image_that_begins_nowhere_is_refused(tmp_path: Path, offset: float) -> None:
    path = write_nifti(tmp_path / "in.nii", STACK, Header(offset=offset))
    assert refusal(lambda: read_nifti(path)).code == "not_nifti"


def test_nifti_2_is_read_and_written(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(STACK, np.diag([1.4, 1.4, 10, 1])), tmp_path / "in.nii.gz")
    image = read_nifti(tmp_path / "in.nii.gz")
    np.testing.assert_array_equal(image.values, STACK)
    nibabel.save(image.with_labels(np.zeros(STACK.shape, np.uint8)), tmp_path / "out.nii.gz")
    assert isinstance(nibabel.load(tmp_path / "out.nii.gz"), nibabel.Nifti2Image)


def test_a_pair_of_header_and_image_is_read_from_either(tmp_path: Path) -> None:
    header = Header(magic=b"ni1\0", offset=0.0)
    (tmp_path / "in.hdr").write_bytes(header_bytes(STACK, header)[:348])
    (tmp_path / "in.img").write_bytes(STACK.astype("<i2").tobytes(order="F"))
    for name in ("in.hdr", "in.img"):
        np.testing.assert_array_equal(read_nifti(tmp_path / name).values, STACK)
    (tmp_path / "in.img").unlink()
    assert refusal(lambda: read_nifti(tmp_path / "in.hdr")).code == "not_nifti"


def test_analyze_is_no_nifti(tmp_path: Path) -> None:
    (tmp_path / "in.hdr").write_bytes(header_bytes(STACK, Header(magic=bytes(4)))[:348])
    (tmp_path / "in.img").write_bytes(STACK.astype("<i2").tobytes(order="F"))
    assert "Analyze" in refusal(lambda: read_nifti(tmp_path / "in.hdr")).message


@pytest.mark.slow
def test_a_heart_is_labelled_the_same_whatever_its_unit(
    tmp_path: Path, heart: NDArray[np.int16], plain: NDArray[np.uint8]
) -> None:
    header = Header(spacing=(1400.0, 1400.0, 10_000.0), units=MICRON)
    assert dice(labels_of(write_nifti(tmp_path / "in.nii", heart, header)), plain) > 0.995


@pytest.mark.slow
def test_a_heart_whose_background_holds_no_numbers_is_labelled_the_same(
    tmp_path: Path, heart: NDArray[np.int16], plain: NDArray[np.uint8]
) -> None:
    masked = np.where(heart < 5, np.nan, heart).astype(np.float32)
    assert dice(labels_of(write_nifti(tmp_path / "in.nii.gz", masked)), plain) > 0.98


@pytest.mark.slow
def test_labels_lie_on_the_grid_of_a_big_endian_image(
    tmp_path: Path, heart: NDArray[np.int16], plain: NDArray[np.uint8]
) -> None:
    header = Header(big_endian=True, sform=((0, 1.4, 0, 5), (1.4, 0, 0, 6), (0, 0, 10, 7)))
    source = write_nifti(tmp_path / "in.nii", heart, header)
    np.testing.assert_array_equal(labels_of(source), plain)
    written = nibabel.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(written.affine, nibabel.load(source).affine)
    assert written.header.get_zooms() == nibabel.load(source).header.get_zooms()


@pytest.mark.slow
def test_labels_of_no_short_axis_are_doubted_beside_them(tmp_path: Path, heart: NDArray[np.int16]) -> None:
    """Slices thick and far apart, called thin and shown across: no header tells."""
    across = np.repeat(heart, 7, axis=2).transpose(2, 1, 0)[:, :, ::3]
    path = write_nifti(tmp_path / "in.nii", across, Header(spacing=(1.4, 1.4, 4.2)))
    result = CliRunner().invoke(app, ["segment", str(path), str(tmp_path / "out.nii.gz")])
    assert result.exit_code == 3 or "not_short_axis" in result.stderr or "structure_in_parts" in result.stderr


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("missing/out.nii.gz", "does not exist"),
        ("out.png", "endings"),
        ("out", "endings"),
        ("folder.nii", "folder"),
        ("in.nii", "read"),
        ("link.nii", "read"),
    ],
)
def test_a_target_that_cannot_be_is_wrong_usage(tmp_path: Path, name: str, what: str) -> None:
    source = write_nifti(tmp_path / "in.nii", STACK)
    before = source.read_bytes()
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "link.nii").symlink_to(source)
    error = segment(source, tmp_path / name)
    assert isinstance(error, ConfigurationInvalid)
    assert (error.code, exit_code(error)) == ("target_invalid", 2)
    assert what in error.message
    assert error.hint
    assert source.read_bytes() == before


def test_a_refusal_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    source = write_nifti(tmp_path / "in.nii", STACK)
    target = tmp_path / "out.nii.gz"
    target.write_bytes(b"of before")
    error = segment(source, target)
    assert error is not None
    assert error.code == "heart_not_found"
    assert target.read_bytes() == b"of before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.nii", "out.nii.gz"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rgb", "slices first", "short", "no target"])
def test_the_command_ends_with_a_code_a_sentence_and_a_hint(tmp_path: Path, kind: str) -> None:
    values = noise(96, 80, 6, 3).astype(np.uint8) if kind == "rgb" else STACK
    header = replace(PLAIN, shape=(96, 80, 6), datatype=RGB) if kind == "rgb" else PLAIN
    if kind == "slices first":
        values, header = STACK.transpose(2, 1, 0), replace(PLAIN, spacing=(10.0, 1.4, 1.4))
    source = write_nifti(tmp_path / "Doe_Jane.nii", values, header)
    if kind == "short":
        source.write_bytes(source.read_bytes()[:5000])
    target = tmp_path / ("none/out.nii" if kind == "no target" else "out.nii")
    command = [sys.executable, "-m", "cvai", "segment", str(source), str(target)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == (2 if kind == "no target" else 3)
    assert "Traceback" not in ended.stderr
    assert "hint:" in ended.stderr
    assert "Doe" not in ended.stderr
    assert ended.stdout == ""


# PNG


def picture(size: tuple[int, int] = (120, 120)) -> NDArray[np.uint8]:
    """A sector of speckle on black, the transducer at the top."""
    y, x = np.mgrid[: size[0], : size[1]]
    inside = (np.abs(x - size[1] / 2) < 0.55 * y) & (np.hypot(x - size[1] / 2, y) < 0.95 * size[0])
    return np.where(inside, np.random.default_rng(1).integers(20, 250, size), 0).astype(np.uint8)


def png_error(path: Path) -> str:
    error = segment(path, path.with_name("out.png"), "--model", "echo")
    assert error is not None
    assert error.hint
    assert exit_code(error) == 3
    assert not path.with_name("out.png").exists()
    return error.code


def read(path: Path) -> NDArray[np.uint8]:
    return read_png(path).stored[0]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_levels_stored_in_colours_are_grey(tmp_path: Path, mode: str) -> None:
    Image.fromarray(picture()).convert(mode).save(tmp_path / "in.png")
    np.testing.assert_array_equal(read(tmp_path / "in.png"), picture())


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    alpha = np.where(picture() > 0, 255, 0).astype(np.uint8)
    around = np.where(picture() > 0, picture(), 90).astype(np.uint8)
    Image.fromarray(np.dstack([around, around, around, alpha])).save(tmp_path / "in.png")
    np.testing.assert_array_equal(read(tmp_path / "in.png"), picture())


@pytest.mark.parametrize("factor", [257, 16])
def test_sixteen_bits_are_not_cut_off_at_eight(tmp_path: Path, factor: int) -> None:
    Image.fromarray(picture().astype(np.uint16) * factor).save(tmp_path / "in.png")
    expected = np.rint(picture() * (255.0 / picture().max()))
    np.testing.assert_allclose(read(tmp_path / "in.png"), expected, atol=1)


def test_a_tinted_image_is_read_and_colour_doppler_is_not(tmp_path: Path) -> None:
    grey = picture()
    tinted = np.dstack([grey, (grey * 0.8).astype(np.uint8), (grey * 0.5).astype(np.uint8)])
    Image.fromarray(tinted).save(tmp_path / "tinted.png")
    assert read(tmp_path / "tinted.png").max() > 150
    doppler = np.dstack([grey, grey, grey])
    doppler[60:90, 50:70] = (220, 40, 10)
    Image.fromarray(doppler).save(tmp_path / "in.png")
    assert png_error(tmp_path / "in.png") == "colour_doppler"


def test_one_bit_and_masks_are_refused(tmp_path: Path) -> None:
    Image.fromarray(picture() > 0).save(tmp_path / "in.png")
    assert png_error(tmp_path / "in.png") == "not_grey_levels"
    Image.fromarray((picture() // 90 * 80).astype(np.uint8)).save(tmp_path / "in.png")
    assert png_error(tmp_path / "in.png") == "not_grey_levels"


def test_an_animated_png_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(picture()), Image.fromarray(picture()[:, ::-1])]
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:])
    assert png_error(tmp_path / "in.png") == "not_a_frame"


@pytest.mark.parametrize("kept", [0, 8, 30, 60, 2000])
def test_a_png_that_ends_early_is_refused(tmp_path: Path, kept: int) -> None:
    Image.fromarray(picture()).save(tmp_path / "in.png")
    (tmp_path / "in.png").write_bytes((tmp_path / "in.png").read_bytes()[:kept])
    assert png_error(tmp_path / "in.png") == "not_png"


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (8, 8)])
def test_a_tiny_png_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    tiny = np.random.default_rng(0).integers(0, 255, size).astype(np.uint8)
    Image.fromarray(tiny).save(tmp_path / "in.png")
    assert png_error(tmp_path / "in.png") in ("sector_not_found", "not_grey_levels", "heart_not_found")


@pytest.mark.parametrize("side", [9_000, 30_000])
def test_a_small_png_that_states_much_is_refused(tmp_path: Path, side: int) -> None:
    Image.fromarray(picture()).save(tmp_path / "in.png")
    content = bytearray((tmp_path / "in.png").read_bytes())
    struct.pack_into(">2I", content, 16, side, side)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    (tmp_path / "in.png").write_bytes(content)
    assert png_error(tmp_path / "in.png") == "image_too_large"


@pytest.mark.parametrize("spacing", ["1e-9", "50", "nan", "inf", "0.3,1e-300", "1e400"])
def test_a_spacing_of_no_ultrasound_is_wrong_usage(tmp_path: Path, spacing: str) -> None:
    Image.fromarray(picture()).save(tmp_path / "in.png")
    error = segment(tmp_path / "in.png", tmp_path / "out.png", "--model", "echo", "--spacing", spacing)
    assert error is not None
    assert (error.code, exit_code(error)) == ("spacing_invalid", 2)


@pytest.mark.parametrize("shape", [(4, 4), (300, 1), (1, 1, 5)])
def test_tiny_nifti_frames_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_nifti(tmp_path / "in.nii", noise(*shape))
    error = segment(path, tmp_path / "out.nii", "--model", "echo")
    assert error is not None
    assert exit_code(error) == 3
