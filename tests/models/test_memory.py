"""What a study takes in memory on its way from files to labels."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from cvai.dicom.write.objects.seg import packed_masks
from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.domain.segmentation import background
from cvai.models.card import load_card
from cvai.models.folders import model_folder
from cvai.models.network import Network
from cvai.models.sax import SaxSegmenter
from tests.dicom.read.assembling import assemble_folder
from tests.dicom.read.dicom_files import SeriesSpec, images, write

MIB = 1024**2
SPEC = SeriesSpec(n_slices=10, n_phases=20, rows=256, columns=256)
STORED_BYTES = 2 * 20 * 10 * 256 * 256


class DiscNetwork:
    """Draws a cavity within a wall in the middle of whatever it is shown, without a runtime."""

    card = load_card(model_folder("sax"))
    provider = "none"

    def images_at_once(self, rows: int, columns: int) -> int:  # noqa: ARG002
        return 2

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = images.shape[2:]
        y, x = np.ogrid[:rows, :columns]
        radius = np.hypot(y - rows / 2, x - columns / 2)
        logits = np.zeros((len(images), 4, rows, columns), dtype=np.float32)
        logits[:, 1, radius < 12] = 2.0
        logits[:, 2, radius < 18] = 1.0
        return logits


def peak_bytes(call: Callable[[], Any]) -> tuple[Any, int]:
    """What a call returns, and the most that Python and numpy held for it at once."""
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cine of 20 phases x 10 slices x 256 x 256, 26 MB."""
    path = tmp_path_factory.mktemp("study")
    write(path, images(SPEC))
    return path


@pytest.mark.slow
def test_a_cine_is_read_into_little_more_than_its_stored_pixels(folder: Path) -> None:
    assembled, peak = peak_bytes(lambda: assemble_folder(folder))
    assert assembled.stack.stored.nbytes == STORED_BYTES
    assert peak < 1.3 * STORED_BYTES  # in float32 they are twice as much


@pytest.mark.slow
def test_a_cine_is_labelled_in_less_memory_than_its_stored_pixels_take() -> None:
    stored = np.random.default_rng(1).integers(0, 1000, (40, 10, 256, 256), dtype=np.uint16)
    stack = CineStack(stored, StackGeometry.unplaced(10, (10.0, 1.4, 1.4)), None, None)
    segmenter = SaxSegmenter(cast(Network, DiscNetwork()), threads=2)
    segmentation, peak = peak_bytes(lambda: segmenter.segment(stack))
    assert np.all(segmentation.labels.any(axis=(2, 3)))
    assert peak < stored.nbytes  # copies of the whole in float32 are two of twice as much each


def test_masks_are_packed_a_few_at_a_time() -> None:
    rng = np.random.default_rng(2)
    packed, peak = peak_bytes(lambda: packed_masks(rng.random((256, 256)) < 0.5 for _ in range(400)))
    assert len(packed) == 400 * 256 * 256 // 8
    assert peak < 12 * MIB  # unpacked they are 25 MiB


@pytest.mark.parametrize("shape", [(3, 5), (4, 4), (1, 1)])
def test_packed_masks_are_those_packed_at_once(shape: tuple[int, int]) -> None:
    masks = np.random.default_rng(3).random((21, *shape)) < 0.5
    at_once = np.packbits(masks, bitorder="little").tobytes()
    assert packed_masks(masks) == at_once + b"\0" * (len(at_once) % 2)


def test_background_is_zero_and_can_be_drawn_on() -> None:
    labels = background((2, 3, 4, 5))
    assert labels.dtype == np.uint8
    assert not labels.any()
    labels[1, 2] = 3
    assert labels.sum() == 60
