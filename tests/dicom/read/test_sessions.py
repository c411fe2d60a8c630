from __future__ import annotations

import pytest
from pydicom import Dataset

from cvai.dicom.read.ultrasound.sessions import sessions_of


def header(**stated: str) -> Dataset:
    made = Dataset()
    for keyword, value in stated.items():
        setattr(made, keyword, value)
    return made


def at(day: str, time: str | None = None, of: str = "Acquisition") -> Dataset:
    return header(**{f"{of}Date": day} | ({} if time is None else {f"{of}Time": time}))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([at("20240229", "1015"), at("20240229", "104500.5")], [[0, 1]], id="half an hour"),
        pytest.param(
            [at("20240229", "1615"), at("20240229", "1015")], [[1], [0]], id="morning and afternoon"
        ),
        pytest.param([at("20240229", "2350"), at("20240301", "0010")], [[0, 1]], id="over midnight"),
        pytest.param([at("20240301", "09"), at("20240229", "10")], [[1], [0]], id="two days"),
        pytest.param([at("20240229", "10"), at("20240229")], [[0, 1]], id="one without a time"),
        pytest.param([at("20240229", "23"), at("20240301")], [[0], [1]], id="another day without a time"),
        pytest.param(
            [at("20240229", "10"), at("20240229", "1030", "Content"), at("20240301", "10", "Series")],
            [[0, 1], [2]],
            id="as far as stated",
        ),
        pytest.param(
            [header(AcquisitionDateTime="20240229101500.000000+0100"), at("20240229", "1030")],
            [[0, 1]],
            id="date and time in one",
        ),
        pytest.param([header(), header()], [[0, 1]], id="nothing stated"),
        pytest.param([at("20240229", "10"), header()], [[0, 1]], id="one examination for all"),
        pytest.param(
            [at("20240229", "10"), header(), at("20240301", "10")], [[1], [0], [2]], id="unknown apart"
        ),
        pytest.param(
            [at("20240229", "09"), at("20240229", "11"), at("20240229", "13")], [[0, 1, 2]], id="long"
        ),
    ],
)
def test_a_long_pause_separates_examinations(headers: list[Dataset], expected: list[list[int]]) -> None:
    assert sessions_of(headers) == expected
