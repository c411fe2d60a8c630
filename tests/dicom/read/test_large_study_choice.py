"""Of several whole cine stacks the one at rest is measured, alone; a finding says that there are others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dicom.read.examination import AGAIN, REST, WHOLE_STACKS, examination, members_of, shuffled
from tests.dicom.read.in_memory import assembled
from tests.dicom.read.test_large_study import kinds_in, without_reason

pytestmark = pytest.mark.slow

LAYOUTS = ("one series", "a series a slice")
AT_REST = ({REST}, {AGAIN})
"""A stack that was acquired again is as good as the first; both together are none."""


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", WHOLE_STACKS)
def test_the_cine_at_rest_is_measured_beside(tmp_path: Path, kind: str, layout: str) -> None:
    members = members_of(kind, series_a_slice=layout == "a series a slice")
    cine = assembled(tmp_path, shuffled(members))
    assert kinds_in(cine, members) in AT_REST
    assert cine.stack.pixels.shape[:2] == (12, 9)
    assert without_reason(cine, members) == set()


@pytest.mark.parametrize("kind", [AGAIN, "cine after contrast", "cine under stress"])
def test_another_whole_cine_of_the_heart_stands_in_the_findings(tmp_path: Path, kind: str) -> None:
    assert assembled(tmp_path, shuffled(members_of(kind))).findings != ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_cine_at_rest_is_found_among_300_series(tmp_path: Path, layout: str) -> None:
    members = examination(series_a_slice=layout == "a series a slice")
    assert 290 <= len(members) <= 310
    cine = assembled(tmp_path, shuffled(members))
    assert kinds_in(cine, members) in AT_REST
    assert cine.stack.pixels.shape[:2] == (12, 9)
    assert without_reason(cine, members) == set()
