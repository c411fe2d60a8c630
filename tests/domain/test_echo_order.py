"""Whether the frames of a loop follow one another."""

from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.echo.order import are_out_of_order
from tests.apical_loops import apical_loop

VIEWS = ("4CH", "2CH")


def shuffled(frames: np.ndarray) -> np.ndarray:
    return frames[np.random.default_rng(0).permutation(len(frames))]


def judged(frames: np.ndarray) -> bool:
    return are_out_of_order(frames, frames.max(axis=0) > 3)


@pytest.mark.parametrize("view", VIEWS)
def test_a_shuffled_beat_is_out_of_order(view: str) -> None:
    assert judged(shuffled(apical_loop(view)))


@pytest.mark.parametrize("view", VIEWS)
def test_a_beat_two_beats_a_reversed_and_a_dark_one_are_in_order(view: str) -> None:
    beat = apical_loop(view)
    for frames in (beat, np.concatenate([beat, beat]), beat[::-1], beat.repeat(2, axis=0), beat // 8):
        assert not judged(frames)


def test_noise_has_no_order() -> None:
    assert not judged(np.random.default_rng(0).integers(0, 255, (24, 96, 96)).astype(np.uint8))
