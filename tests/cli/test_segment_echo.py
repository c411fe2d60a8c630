from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cvai.cli.echo_image import EchoImage, parsed_spacing_mm
from cvai.cli.main import app
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.errors import ConfigurationInvalid
from tests.apical_loops import PATIENT, VIEWS, patient_folder, phantom


@pytest.fixture(scope="module")
def frame() -> tuple[np.ndarray, np.ndarray]:
    """An upright validation frame and its reference labels; synthetic where CVAI_DATA does not hold it."""
    folder = patient_folder()
    if folder is None:
        view = VIEWS["4CH"]
        return phantom(16).frames[view][0], phantom(16).labels[view][0]
    stem = folder / f"{PATIENT}_4CH_ED"
    image, truth = (np.asarray(Image.open(f"{stem}{end}")).T for end in (".png", "_gt.png"))
    return image, truth


def labels_of(source: Path, target: Path, *options: str) -> np.ndarray:
    command = ["segment", str(source), str(target), "--model", "echo", *options]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return np.asarray(Image.open(target) if target.suffix == ".png" else nibabel.load(target).dataobj)


def refusal(source: Path, folder: Path, *options: str) -> str | None:
    command = ["segment", str(source), str(folder / "out.png"), "--model", "echo", *options]
    result = CliRunner().invoke(app, command)
    assert not (folder / "out.png").exists()
    return getattr(result.exception, "code", None)


def cavity_dice(labels: np.ndarray, truth: np.ndarray) -> float:
    a, b = (values == ECHO_LABELS[Structure.LV_CAVITY] for values in (labels, truth))
    return float(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def test_a_png_is_labelled_on_its_own_grid(frame: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    image, truth = frame
    Image.fromarray(image).save(tmp_path / "in.png")
    labels = labels_of(tmp_path / "in.png", tmp_path / "out.png", "--spacing", "0.5,0.8")
    assert labels.dtype == np.uint8
    assert labels.shape == truth.shape
    assert cavity_dice(labels, truth) > 0.85
    with Image.open(tmp_path / "out.png") as written:
        assert written.info["dpi"] == pytest.approx((25.4 / 0.8, 25.4 / 0.5), rel=0.01)


def test_a_frame_that_lies_on_its_side_gives_the_same_labels_on_their_side(
    frame: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    image, _ = frame
    Image.fromarray(image).save(tmp_path / "upright.png")
    Image.fromarray(np.ascontiguousarray(image.T)).save(tmp_path / "sideways.png")
    upright = labels_of(tmp_path / "upright.png", tmp_path / "a.png")
    np.testing.assert_array_equal(labels_of(tmp_path / "sideways.png", tmp_path / "b.png"), upright.T)


@pytest.mark.parametrize("extra", [(), (1,), (1, 1)], ids=["x y", "x y 1", "x y 1 1"])
def test_nifti_with_x_across_gives_the_labels_of_the_png(
    frame: tuple[np.ndarray, np.ndarray], tmp_path: Path, extra: tuple[int, ...]
) -> None:
    image, _ = frame
    Image.fromarray(image).save(tmp_path / "in.png")
    stored = np.ascontiguousarray(image.T).reshape(*image.T.shape, *extra)
    nibabel.save(nibabel.Nifti1Image(stored, np.diag([0.8, 0.5, 1, 1])), tmp_path / "in.nii.gz")
    labels = labels_of(tmp_path / "in.nii.gz", tmp_path / "out.nii.gz")
    assert labels.shape == stored.shape
    expected = labels_of(tmp_path / "in.png", tmp_path / "out.png").T
    np.testing.assert_array_equal(labels.reshape(expected.shape), expected)


def test_every_frame_of_validation_is_turned_the_right_way(real_data: Path) -> None:
    for path in sorted((real_data / "camus" / "val").glob("*/*_E[DS].png"))[::8]:
        stored = np.asarray(Image.open(path))
        assert EchoImage.of(stored[None], sideways_if_in_doubt=False).sideways
        assert not EchoImage.of(stored.T[None], sideways_if_in_doubt=True).sideways


def test_noise_and_black_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    for name, image, code in (
        ("noise", noise, "heart_not_found"),
        ("black", noise * 0, "sector_not_found"),
    ):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        assert refusal(tmp_path / f"{name}.png", tmp_path) == code


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"not a picture")
    assert refusal(tmp_path / "in.png", tmp_path) == "not_png"
    nibabel.save(nibabel.Nifti1Image(np.ones((20, 20, 3, 2), np.int16), np.eye(4)), tmp_path / "in.nii.gz")
    assert refusal(tmp_path / "in.nii.gz", tmp_path) == "not_a_frame"


def test_a_model_of_another_view_is_told(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "in.png")
    assert refusal(tmp_path / "in.png", tmp_path, "--spacing", "none") == "spacing_invalid"


def test_a_spacing_is_one_number_or_two() -> None:
    assert parsed_spacing_mm("0.3 0.4") == parsed_spacing_mm("0.3x0.4") == (0.3, 0.4)
    for wrong in ("", "0", "-1,1", "1,2,3", "wide"):
        with pytest.raises(ConfigurationInvalid):
            parsed_spacing_mm(wrong)
