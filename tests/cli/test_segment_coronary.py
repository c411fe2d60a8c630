from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvai.cli.angiogram_image import read_angiogram
from cvai.errors import CvaiError


@pytest.fixture
def levels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (80, 100), dtype=np.uint8)


def code_of(path: Path) -> str:
    with pytest.raises(CvaiError) as refused:
        read_angiogram(path)
    return refused.value.code


def test_grey_and_rgb_files_give_the_same_levels(levels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(levels).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(levels[..., None], 3, axis=2)).save(tmp_path / "rgb.png")
    grey, rgb = (read_angiogram(tmp_path / name) for name in ("grey.png", "rgb.png"))
    np.testing.assert_allclose(grey, levels / 255, atol=1e-6)
    np.testing.assert_array_equal(grey, rgb)


def test_sixteen_bits_are_spread_over_the_range(levels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(levels.astype(np.uint16) * 4).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_angiogram(tmp_path / "deep.png"), levels / levels.max(), atol=1e-6)


def test_what_is_no_frame_is_refused(levels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(levels[:20]).save(tmp_path / "small.png")
    Image.fromarray(levels).save(
        tmp_path / "moving.png", save_all=True, append_images=[Image.new("L", (100, 80))]
    )
    Image.fromarray((levels > 99).astype(np.uint8)).save(tmp_path / "mask.png")
    (tmp_path / "text.png").write_text("no image")
    assert code_of(tmp_path / "small.png") == "not_a_frame"
    assert code_of(tmp_path / "moving.png") == "not_a_frame"
    assert code_of(tmp_path / "mask.png") == "not_grey_levels"
    assert code_of(tmp_path / "text.png") == "not_png"
    assert code_of(tmp_path / "missing.png") == "not_png"
