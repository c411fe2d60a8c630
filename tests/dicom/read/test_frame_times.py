from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from cvai.dicom.read.ultrasound.frame_times import FrameTimes, frame_times, heart_rate
from cvai.errors import GeometryRefused

N = 24


def header(**stated: object) -> Dataset:
    made = Dataset()
    for keyword, value in stated.items():
        setattr(made, keyword, value)
    return made


def times_of(**stated: object) -> FrameTimes:
    return frame_times(header(**stated), N)


def codes(times: FrameTimes) -> list[str]:
    return [finding.code for finding in times.findings]


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param({"FrameTime": "40"}, id="FrameTime"),
        pytest.param({"FrameTimeVector": [0.0] + [40.0] * (N - 1)}, id="a vector of n, the first 0"),
        pytest.param({"FrameTimeVector": [40.0] * N}, id="a vector of n steps"),
        pytest.param({"FrameTimeVector": [40.0] * (N - 1)}, id="a vector of n - 1"),
        pytest.param({"FrameTimeVector": [40.0] * 7, "FrameTime": "40"}, id="a vector of another loop"),
        pytest.param({"FrameTime": "40", "CineRate": "25"}, id="two that agree"),
        pytest.param({"FrameTime": "40", "CineRate": "0"}, id="zero says nothing"),
        pytest.param({"FrameTime": "40", "EffectiveDuration": "0.96"}, id="a duration of n steps"),
        pytest.param({"FrameTime": "40", "EffectiveDuration": "1"}, id="a duration in whole seconds"),
        pytest.param({"FrameTime": "40", "ActualFrameDuration": "22"}, id="frames shorter than steps"),
        pytest.param({"FrameTime": "40", "RecommendedDisplayFrameRate": "60"}, id="shown at another rate"),
    ],
)
def test_times_are_those_that_are_stated(stated: dict[str, object]) -> None:
    times = times_of(**stated)
    np.testing.assert_allclose(times.times_ms, np.arange(N) * 40.0)
    assert codes(times) == []


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param({"CineRate": "25"}, id="CineRate"),
        pytest.param({"CineRate": "25", "RecommendedDisplayFrameRate": "25"}, id="with a rate to show it at"),
        pytest.param({"FrameTime": "0", "CineRate": "25"}, id="instead of a FrameTime of 0"),
        pytest.param({"EffectiveDuration": "0.96"}, id="EffectiveDuration"),
    ],
)
def test_a_rate_gives_the_times_and_a_finding(stated: dict[str, object]) -> None:
    times = times_of(**stated)
    np.testing.assert_allclose(times.times_ms, np.arange(N) * 40.0)
    assert codes(times) == ["times_from_frame_rate"]


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"FrameTime": "0"}, id="0"),
        pytest.param({"RecommendedDisplayFrameRate": "25"}, id="how to show it"),
        pytest.param({"ActualFrameDuration": "40"}, id="how long a frame took"),
        pytest.param({"FrameTimeVector": [40.0] * 7}, id="a vector of another loop"),
        pytest.param({"EffectiveDuration": "960"}, id="a duration in milliseconds"),
    ],
)
def test_what_states_no_times_gives_none(stated: dict[str, object]) -> None:
    times = times_of(**stated)
    assert times.times_ms is None
    assert codes(times) == ["times_unknown"]


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param({"FrameTime": "0.04"}, id="seconds"),
        pytest.param({"FrameTime": "40000"}, id="microseconds"),
        pytest.param({"FrameTimeVector": [0.04] * N}, id="a vector of seconds"),
        pytest.param({"FrameTimeVector": [40.0] * 11 + [0.0] + [40.0] * 12}, id="two frames at one time"),
        pytest.param({"FrameTimeVector": (np.arange(N) * 8.0).tolist()}, id="times instead of steps"),
        pytest.param({"CineRate": "2000"}, id="a rate of no machine"),
        pytest.param({"FrameTime": "0.04", "CineRate": "25000"}, id="twice the same mistake"),
    ],
)
def test_an_impossible_time_is_refused(stated: dict[str, object]) -> None:
    with pytest.raises(GeometryRefused) as refused:
        times_of(**stated)
    assert refused.value.code == "frame_times_implausible"


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param({"FrameTime": "40", "CineRate": "60"}, id="FrameTime and CineRate"),
        pytest.param({"FrameTime": "0.04", "CineRate": "25"}, id="one of them impossible"),
        pytest.param({"FrameTimeVector": [40.0] * N, "FrameTime": "16.7"}, id="vector and FrameTime"),
        pytest.param({"FrameTime": "40", "ActualFrameDuration": "80"}, id="frames longer than steps"),
        pytest.param({"FrameTime": "40", "EffectiveDuration": "3.2"}, id="another duration"),
    ],
)
def test_times_that_contradict_each_other_are_withheld(stated: dict[str, object]) -> None:
    times = times_of(**stated)
    assert times.times_ms is None
    assert codes(times) == ["frame_times_contradicted"]


@given(st.lists(st.floats(10, 60), min_size=N - 1, max_size=N - 1).filter(lambda s: s[1] <= s[0]))
def test_a_vector_of_n_or_of_one_less_says_the_same(steps: list[float]) -> None:
    short, whole = times_of(FrameTimeVector=steps), times_of(FrameTimeVector=[0.0, *steps])
    assert short.times_ms is not None
    np.testing.assert_array_equal(short.times_ms, whole.times_ms)
    np.testing.assert_allclose(np.diff(short.times_ms), steps)


@pytest.mark.parametrize(
    ("stated", "expected_bpm", "found"),
    [
        pytest.param({"HeartRate": 62}, 62, [], id="stated"),
        pytest.param({"HeartRate": 0}, None, [], id="nothing measured"),
        pytest.param({"HeartRate": 840}, None, [], id="of no heart"),
        pytest.param({"HeartRate": 62, "RWaveTimeVector": [0.0, 968.0]}, 62, [], id="R waves that agree"),
        pytest.param({"HeartRate": 62, "RWaveTimeVector": [0.0, 0.0]}, 62, [], id="R waves of no heart"),
        pytest.param(
            {"HeartRate": 124, "RWaveTimeVector": [10.0, 978.0, 1950.0]},
            None,
            ["heart_rate_contradicted"],
            id="twice that of the R waves",
        ),
    ],
)
def test_a_heart_rate_counts_where_r_waves_agree(
    stated: dict[str, object], expected_bpm: float | None, found: list[str]
) -> None:
    rate_bpm, findings = heart_rate(header(**stated))
    assert rate_bpm == expected_bpm
    assert [finding.code for finding in findings] == found
