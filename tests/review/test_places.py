"""Where a finding of result.json leads on the page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from cvai.domain.findings import Place
from cvai.review.study import places_shown

LOOPS = [
    {"view": "a4c", "beats": [{"ed": 2, "es": 9}, {"ed": 21, "es": 29}]},
    {"view": "a2c", "beats": [{"ed": 0, "es": 8}]},
]


def finding(*where: Place) -> dict[str, Any]:
    return {"code": "c", "severity": "warning", "message": "m", "where": [asdict(place) for place in where]}


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ((Place(12, 2), Place(0, 8)), [{"t": 12, "z": 2}, {"t": 0, "z": 8}]),
        ((Place(phase=6),), [{"t": 6, "z": None}]),
        ((Place(slice=3),), [{"t": None, "z": 3}]),
        ((Place(phase=12), Place(phase=0)), [{"t": 12, "z": None}, {"t": 0, "z": None}]),
        ((), []),
    ],
)
def test_a_finding_of_a_cine_leads_to_phases_and_slices(
    where: tuple[Place, ...], shown: list[dict[str, object]]
) -> None:
    assert places_shown(finding(*where), []) == shown


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ((Place(6, view="a2c"),), [{"view": "a2c", "t": 6}]),
        ((Place(view="a4c"),), [{"view": "a4c", "t": 2}]),
        ((Place(view="a4c"), Place(view="a2c")), [{"view": "a4c", "t": 2}, {"view": "a2c", "t": 0}]),
        ((Place(29, view="a4c"),), [{"view": "a4c", "t": 29}]),
        ((Place(view="plax"),), []),
        ((Place(phase=3),), []),
        ((), []),
    ],
)
def test_a_finding_of_loops_leads_to_a_view_and_without_a_frame_to_its_end_diastole(
    where: tuple[Place, ...], shown: list[dict[str, object]]
) -> None:
    assert places_shown(finding(*where), LOOPS) == shown


def test_a_loop_without_beats_is_shown_from_its_beginning() -> None:
    assert places_shown(finding(Place(view="a4c")), [{"view": "a4c", "beats": []}]) == [
        {"view": "a4c", "t": 0}
    ]


@pytest.mark.parametrize("loops", [[], LOOPS])
def test_findings_of_older_results_lead_nowhere(loops: list[dict[str, Any]]) -> None:
    older = {"code": "ragged_contour", "severity": "warning", "message": "It is ragged in slice 3."}
    assert places_shown(older, loops) == []
