from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.findings import Finding, Place, Severity, whole_slices

LOOP = Finding("sector_cut", Severity.WARNING, "The outline leaves the sector.")


@pytest.mark.parametrize(
    "wrong", [{}, {"phase": -1}, {"slice": -1}, {"view": ""}, {"phase": np.int64(3)}, {"slice": 2.0}]
)
def test_a_place_that_is_nowhere_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"place names|count from 0"):
        Place(**wrong)  # type: ignore[arg-type]


def test_slices_as_places_leave_the_phase_open() -> None:
    assert whole_slices([4, 0]) == (Place(None, 4), Place(None, 0))


def test_a_finding_speaks_of_no_place_unless_it_says_so() -> None:
    assert LOOP.where == ()


def test_the_places_of_a_loop_get_its_view() -> None:
    assert LOOP.in_view("a2c").where == (Place(view="a2c"),)
    jump = Finding("area_jumps_between_frames", Severity.WARNING, "It jumps.", (Place(phase=6),))
    assert jump.in_view("a2c").where == (Place(phase=6, view="a2c"),)
