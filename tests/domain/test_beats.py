from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvai.domain.beats import area_curve, beats_of

STEP_MS = 20.0


def beating(n_frames: int, cycle_ms: float, start_ms: float, step_ms: float = STEP_MS) -> np.ndarray:
    """Area 100 at the R wave, 50 at 35 % of the cycle, 100 again at its end."""
    share = (np.arange(n_frames) * step_ms + start_ms) / cycle_ms % 1.0
    fall = share < 0.35
    return np.where(
        fall,
        75 + 25 * np.cos(np.pi * share / 0.35),
        75 - 25 * np.cos(np.pi * (share - 0.35) / 0.65),
    )


@settings(max_examples=60, deadline=None)
@given(
    cycle_ms=st.floats(400, 1300),
    start=st.floats(0, 1),
    step_ms=st.sampled_from([5.0, 12.5, 20.0, 33.3, 40.0]),
    n_cycles=st.floats(1.5, 4.0),
)
def test_end_diastole_and_end_systole_lie_where_they_are_at_any_frame_rate(
    cycle_ms: float, start: float, step_ms: float, n_cycles: float
) -> None:
    area = beating(int(n_cycles * cycle_ms / step_ms), cycle_ms, start * cycle_ms, step_ms)
    beats = area_curve(area).beats
    assert beats or n_cycles < 2
    for beat in beats:
        assert area[beat.end_diastole] > 92
        assert area[beat.end_systole] < 55
        systole_ms = (beat.end_systole - beat.end_diastole) * step_ms
        assert 0 < systole_ms < 0.6 * cycle_ms + 2 * step_ms


@settings(max_examples=30, deadline=None)
@given(start=st.floats(0, 1), seed=st.integers(0, 1000), step_ms=st.sampled_from([10.0, 20.0, 40.0]))
def test_noise_makes_no_beats(start: float, seed: int, step_ms: float) -> None:
    area = beating(int(3.5 * 800 / step_ms), 800.0, start * 800.0, step_ms)
    noisy = area + np.random.default_rng(seed).normal(0, 2.0, area.size)
    clean = len(area_curve(area).beats)
    assert clean >= 2
    assert len(area_curve(noisy).beats) in (clean - 1, clean, clean + 1), "one at the ends may be cut off"


def test_every_whole_beat_counts() -> None:
    assert len(beats_of(beating(151, 1000.0, 0.0))) == 3


def test_a_systole_that_began_before_the_loop_is_left_out() -> None:
    (beat,) = beats_of(beating(76, 1000.0, 200.0))  # starts in mid-systole
    assert beat.end_diastole * STEP_MS == pytest.approx(800.0, abs=60)


def test_one_short_beat_is_taken_as_it_is() -> None:
    (beat,) = beats_of(beating(10, 600.0, 100.0))
    assert beat.end_systole > beat.end_diastole


def test_a_single_bad_frame_is_no_systole() -> None:
    area = beating(51, 1000.0, 0.0)
    area[40] = 30.0
    (beat,) = beats_of(area)
    assert beat.end_systole * STEP_MS == pytest.approx(350.0, abs=50)


def test_a_loop_without_a_whole_systole_has_extremes_and_no_beat() -> None:
    area = beating(14, 1000.0, 400.0)  # fills all the time
    curve = area_curve(area)
    assert curve.beats == ()
    (beat,) = beats_of(area)
    assert (beat.end_diastole, beat.end_systole) == (13, 0)
