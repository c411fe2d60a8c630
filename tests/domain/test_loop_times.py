from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.beats import area_curve
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.loop_times import CheckedLoop, checked_times, seen_rate_bpm
from tests.domain.test_beats import beating

STEP_MS = 40.0


def checked(
    n_beats: float, cycle_ms: float, *, times: float = 1.0, rate_bpm: float | None = None
) -> CheckedLoop:
    """A loop of so many beats whose frame times are stated ``times`` as long as they are."""
    area = beating(int(n_beats * cycle_ms / STEP_MS), cycle_ms, 0.0, STEP_MS)
    times_ms = np.arange(len(area)) * STEP_MS * times
    frames, sector = np.zeros((len(area), 4, 4), np.uint8), np.ones((4, 4), bool)
    return checked_times("apical", EchoLoop(frames, sector, None, times_ms, rate_bpm), area_curve(area))


def codes(loop: CheckedLoop) -> list[str]:
    return [finding.code for finding in loop.findings]


@pytest.mark.parametrize("cycle_ms", [400.0, 800.0, 1200.0])
@pytest.mark.parametrize("n_beats", [1.2, 2.7])
def test_what_the_beats_confirm_is_kept(cycle_ms: float, n_beats: float) -> None:
    loop = checked(n_beats, cycle_ms, rate_bpm=60_000.0 / cycle_ms)
    assert codes(loop) == []
    assert loop.loop.times_ms is not None
    assert loop.loop.heart_rate_bpm == 60_000.0 / cycle_ms


@pytest.mark.parametrize("wrong", [0.5, 2.0])
def test_a_heart_rate_that_is_not_that_of_the_beats_gives_no_number(wrong: float) -> None:
    loop = checked(2.7, 800.0, rate_bpm=75.0 * wrong)
    assert codes(loop) == ["heart_rate_contradicted"]
    assert loop.loop.heart_rate_bpm is None
    assert loop.loop.times_ms is None, "they may be what is wrong"


def test_a_single_beat_shows_a_heart_rate_that_is_twice_too_high() -> None:
    assert codes(checked(1.2, 800.0, rate_bpm=150.0)) == ["heart_rate_contradicted"]


def test_one_beat_in_a_loop_of_two_and_a_half_contradicts_its_heart_rate() -> None:
    assert codes(checked(1.2, 800.0, times=2.2, rate_bpm=75.0)) == ["heart_rate_contradicted"]


@pytest.mark.parametrize(("n_beats", "rate_bpm"), [(1.2, 104.0), (2.7, 104.0), (2.7, 54.0)])
def test_a_heart_rate_that_the_beats_only_doubt_is_kept_and_flagged(n_beats: float, rate_bpm: float) -> None:
    loop = checked(n_beats, 800.0, rate_bpm=rate_bpm)
    assert codes(loop) == ["heart_rate_doubtful"]
    assert "as at 7" in loop.findings[0].message, "by the beats 75/min"
    assert loop.loop.heart_rate_bpm == rate_bpm


@pytest.mark.parametrize("rate_bpm", [54.0, 65.0, 85.0])
def test_one_beat_does_not_doubt_a_rate_that_is_near_or_slower(rate_bpm: float) -> None:
    assert codes(checked(1.2, 800.0, rate_bpm=rate_bpm)) == []


@pytest.mark.parametrize(("n_beats", "times"), [(2.7, 0.1), (2.7, 5.0), (1.2, 0.1), (1.2, 8.0)])
def test_frame_times_in_which_no_heart_beats_are_not_used(n_beats: float, times: float) -> None:
    loop = checked(n_beats, 800.0, times=times, rate_bpm=75.0)
    assert codes(loop) == ["frame_times_contradicted"]
    assert loop.loop.times_ms is None
    assert loop.loop.heart_rate_bpm == 75.0


def test_the_rate_that_is_seen_is_that_of_the_beats() -> None:
    loop, area = checked(3.7, 600.0).loop, beating(int(3.7 * 600 / STEP_MS), 600.0, 0.0, STEP_MS)
    assert seen_rate_bpm(loop, area_curve(area)) == pytest.approx(100.0, rel=0.05)
    short = beating(18, 600.0, 0.0, STEP_MS)
    assert seen_rate_bpm(loop, area_curve(short)) is None
