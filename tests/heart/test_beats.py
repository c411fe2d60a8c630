from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvai.heart.beats import beats_of

STEP_MS = 20.0


def beating(n_frames: int, cycle_ms: float, start_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Area 100 at the R wave, 50 at 35 % of the cycle, 100 again at its end."""
    times_ms = np.arange(n_frames) * STEP_MS
    share = (times_ms + start_ms) / cycle_ms % 1.0
    fall = share < 0.35
    area = np.where(
        fall,
        75 + 25 * np.cos(np.pi * share / 0.35),
        75 - 25 * np.cos(np.pi * (share - 0.35) / 0.65),
    )
    return area, times_ms


@settings(max_examples=40, deadline=None)
@given(st.floats(500, 1300), st.floats(0, 1))
def test_end_diastole_and_end_systole_lie_where_they_are(cycle_ms: float, start: float) -> None:
    area, times_ms = beating(150, cycle_ms, start * cycle_ms)
    for beat in beats_of(area, times_ms):
        assert area[beat.end_diastole] > 95
        assert area[beat.end_systole] < 53
        assert 0 < times_ms[beat.end_systole] - times_ms[beat.end_diastole] < 0.6 * cycle_ms + 2 * STEP_MS


def test_every_whole_beat_counts() -> None:
    area, times_ms = beating(151, 1000.0, 0.0)  # three beats of a second
    assert len(beats_of(area, times_ms)) == 3


def test_a_systole_that_began_before_the_loop_is_left_out() -> None:
    area, times_ms = beating(76, 1000.0, 200.0)  # starts in mid-systole
    (beat,) = beats_of(area, times_ms)
    assert times_ms[beat.end_diastole] == pytest.approx(800.0, abs=60)


def test_one_short_beat_is_taken_as_it_is() -> None:
    area, times_ms = beating(10, 600.0, 100.0)
    (beat,) = beats_of(area, times_ms)
    assert beat.end_systole > beat.end_diastole


def test_a_single_bad_frame_is_no_systole() -> None:
    area, times_ms = beating(51, 1000.0, 0.0)
    area[40] = 30.0
    (beat,) = beats_of(area, times_ms)
    assert times_ms[beat.end_systole] == pytest.approx(350.0, abs=50)
