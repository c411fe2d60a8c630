from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_frame
from cvai.errors import ConfigurationInvalid
from cvai.models.echo import EchoSegmenter, keep_largest_component
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.models.sector import PixelBox, lies_sideways, lies_upside_down
from tests.apical_loops import apical_loop
from tests.dicom.read.ultrasound_files import sector_mask

CAVITY, WALL, ATRIUM = (
    ECHO_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.LEFT_ATRIUM)
)


def test_crumbs_go_and_holes_close_but_the_wall_stays_a_ring() -> None:
    y, x = np.mgrid[:80, :100]
    r = np.hypot(y - 40, x - 50)
    labels = np.zeros((80, 100), np.uint8)
    labels[r < 30] = WALL
    labels[r < 20] = CAVITY
    clean = labels.copy()
    labels[38:41, 48:51] = 0  # a hole in the cavity
    labels[2:5, 2:6] = CAVITY
    labels[70:74, 90:95] = WALL
    np.testing.assert_array_equal(keep_largest_component(labels), clean)


def test_nothing_stays_nothing() -> None:
    assert not keep_largest_component(np.zeros((10, 12), np.uint8)).any()


@pytest.mark.parametrize("turns", range(4))
def test_a_sector_tells_whether_it_lies_on_its_side(turns: int) -> None:
    assert lies_sideways(np.rot90(sector_mask(), turns)) is bool(turns % 2)


def test_a_sector_tells_whether_its_transducer_is_at_the_bottom() -> None:
    upright = np.pad(sector_mask(), ((31, 2), (5, 40)))
    assert not lies_upside_down(upright)
    assert not lies_upside_down(upright[:, ::-1])
    assert lies_upside_down(upright[::-1])
    assert not lies_upside_down(np.ones((40, 60), bool)), "no black surround tells nothing"


def test_a_frame_without_a_black_surround_does_not() -> None:
    assert lies_sideways(np.ones((40, 60), bool)) is None


def test_a_box_is_squeezed_to_a_square_and_back_without_moving() -> None:
    image = np.zeros((90, 140), np.float32)
    image[20:70, 30:120] = 1.0
    window = PixelBox(10, 80, 20, 130).window(image.shape, 64)
    cut = window.cut(image[None])[0]
    assert cut.shape == (64, 64)
    assert cut.mean() == pytest.approx(50 * 90 / (70 * 110), rel=0.02)
    rows, columns = window.footprint
    back = window.back(cut[None])[0]
    assert np.abs(back - image[rows, columns]).mean() < 0.03


def test_models_of_one_view_are_not_taken_for_the_other() -> None:
    for wrong in (
        lambda: SaxSegmenter.load(model_folder("echo")),
        lambda: EchoSegmenter.load(Path(model_folder("sax"))),
    ):
        with pytest.raises(ConfigurationInvalid) as refused:
            wrong()
        assert refused.value.code == "model_of_other_view"


def test_a_wall_that_cannot_be_seen_leaves_more_of_the_cavity_open() -> None:
    segmenter = EchoSegmenter.load(model_folder("echo"))
    frames = apical_loop("4CH", n=2)
    loop = EchoLoop(frames, sector_of_frame(frames[0]), None, None, None)
    seen = segmenter.segment(loop).doubts
    lost = ndimage.gaussian_filter(frames.astype(np.float32), (0, 12, 12)).astype(np.uint8)
    unseen = segmenter.segment(replace(loop, frames=np.where(loop.sector, lost, 0).astype(np.uint8))).doubts
    assert seen is not None
    assert unseen is not None
    assert (unseen > 1.2 * seen).all()
    assert (seen > 0).all()
