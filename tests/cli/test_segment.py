from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from cvai.cli.main import app, exit_code
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.errors import ConfigurationInvalid, FileRefused, GeometryRefused, ModelInvalid
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.conftest import real_data_folder

ACDC_TO_SAX = {1: Structure.RV_CAVITY, 2: Structure.LV_MYOCARDIUM, 3: Structure.LV_CAVITY}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A heart at end-diastole, image file and reference labels in SAX_LABELS.

    Of a validation patient, or synthetic where CVAI_DATA does not hold him.
    """
    folder = real_data_folder() / "acdc" / "patient079"
    if not folder.is_dir():
        return phantom_patient(tmp_path_factory.mktemp("phantom") / "image.nii.gz")
    image = sorted(folder.glob("*_frame01.nii.gz"))[0]
    acdc = np.asarray(nibabel.load(str(image).replace(".nii.gz", "_gt.nii.gz")).dataobj).astype(int)
    return image, np.select([acdc == k for k in ACDC_TO_SAX], [SAX_LABELS[s] for s in ACDC_TO_SAX.values()])


def phantom_patient(path: Path) -> tuple[Path, np.ndarray]:
    phantom = make_phantom(PhantomHeart(), PhantomAcquisition(n_phases=8, seed=4))
    t, geometry = phantom.truth.phases.end_diastole, phantom.labels.geometry
    spacing_mm = (geometry.spacing_x_mm, geometry.spacing_y_mm, geometry.slice_spacing_mm)
    nibabel.save(nibabel.Nifti1Image(phantom.pixels[t].T.astype(np.int16), np.diag([*spacing_mm, 1.0])), path)
    return path, phantom.labels.labels[t].T


def segment(image: Path, target: Path) -> np.ndarray:
    result = CliRunner().invoke(app, ["segment", str(image), str(target)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return np.asarray(nibabel.load(target).dataobj)


def lv_dice(labels: np.ndarray, reference: np.ndarray) -> float:
    a, b = (volume == SAX_LABELS[Structure.LV_CAVITY] for volume in (labels, reference))
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.slow
def test_labels_of_a_heart_lie_on_the_image_s_own_grid(
    patient: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    image, reference = patient
    labels = segment(image, tmp_path / "labels.nii.gz")
    source, written = nibabel.load(image), nibabel.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(written.affine, source.affine)
    assert written.header.get_zooms() == source.header.get_zooms()
    assert labels.shape == reference.shape
    assert lv_dice(labels, reference) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "move",
    [
        pytest.param(lambda v: np.rot90(v, 1, axes=(0, 1)), id="turned by 90 degrees"),
        pytest.param(lambda v: np.rot90(v, 2, axes=(0, 1)), id="turned by 180 degrees"),
        pytest.param(lambda v: v[::-1], id="mirrored"),
        pytest.param(lambda v: v[:, :, ::-1], id="apex first"),
        pytest.param(lambda v: np.pad(v, ((0, 120), (60, 0), (0, 0))), id="heart off centre"),
    ],
)
def test_the_heart_is_found_however_it_lies(
    patient: tuple[Path, np.ndarray], tmp_path: Path, move: object
) -> None:
    image, reference = patient
    source = nibabel.load(image)
    moved = nibabel.Nifti1Image(np.ascontiguousarray(move(np.asarray(source.dataobj))), np.eye(4))
    moved.header.set_zooms(source.header.get_zooms())
    nibabel.save(moved, tmp_path / "moved.nii.gz")
    assert lv_dice(segment(tmp_path / "moved.nii.gz", tmp_path / "labels.nii.gz"), move(reference)) > 0.9


@pytest.mark.slow
def test_a_cine_gives_one_volume_of_labels_a_phase(patient: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    image, reference = patient
    source = nibabel.load(image)
    twice = nibabel.Nifti1Image(np.repeat(np.asarray(source.dataobj)[..., None], 2, axis=3), np.eye(4))
    twice.header.set_zooms((*source.header.get_zooms()[:3], 30.0))
    nibabel.save(twice, tmp_path / "cine.nii.gz")
    labels = segment(tmp_path / "cine.nii.gz", tmp_path / "labels.nii.gz")
    assert labels.shape == (*reference.shape, 2)
    np.testing.assert_array_equal(labels[..., 0], labels[..., 1])


def test_an_image_without_a_heart_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 200, (128, 128, 6)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(noise, np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "noise.nii.gz")
    result = CliRunner().invoke(
        app, ["segment", str(tmp_path / "noise.nii.gz"), str(tmp_path / "out.nii.gz")]
    )
    assert getattr(result.exception, "code", None) == "heart_not_found"
    assert not (tmp_path / "out.nii.gz").exists()


@pytest.mark.parametrize(
    ("content", "code"), [(None, "not_nifti"), (b"", "not_nifti"), (b"not an image at all", "not_nifti")]
)
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, content: bytes | None, code: str) -> None:
    source = tmp_path / "in.nii.gz"
    if content is not None:
        source.write_bytes(content)
    result = CliRunner().invoke(app, ["segment", str(source), str(tmp_path / "out.nii.gz")])
    assert getattr(result.exception, "code", None) == code


def test_a_single_slice_is_no_stack(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((64, 64, 1), np.int16), np.eye(4)), tmp_path / "one.nii.gz")
    result = CliRunner().invoke(app, ["segment", str(tmp_path / "one.nii.gz"), str(tmp_path / "out.nii.gz")])
    assert getattr(result.exception, "code", None) == "not_a_stack"


def test_exit_codes_tell_refused_usage_and_failed_apart() -> None:
    assert exit_code(FileRefused("x", "y")) == exit_code(GeometryRefused("x", "y")) == 3
    assert exit_code(ConfigurationInvalid("x", "y")) == 2
    assert exit_code(ModelInvalid("x", "y")) == 1
