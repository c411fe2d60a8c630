"""``python -m benchmarks.fuzz_page``, short: what nobody would ask is answered, and tells nothing."""

from __future__ import annotations

import pytest

from benchmarks.fuzz_page import PHANTOMS, STRANGERS, Target, fuzz, operations, signed_in
from tests.review.site import Site

CHANGES = frozenset({"PUT /api/studies/{job_id}/draft", "POST /api/studies/{job_id}/decision"})
"""Other tests look at these studies too: who may change something is left to the whole command."""


@pytest.fixture
def target(site: Site, job_ids: list[str]) -> Target:
    return Target(site.url, job_ids, PHANTOMS)


def test_no_request_of_a_stranger_makes_the_page_fail_or_tell(target: Target) -> None:
    fuzz(target, STRANGERS, n_examples=1, seed=1)
    assert target.wrong == []
    assert target.statuses[401] > 5
    assert target.statuses[303] > 0, "to the page where one signs in"


def test_no_request_of_a_viewer_makes_the_page_fail_or_tell(target: Target, guest: str) -> None:
    fuzz(target, [signed_in(target.url, "viewer", guest)], n_examples=2, seed=2)
    assert target.wrong == []
    assert target.statuses[200] > 2, "of a study that is there"
    assert target.statuses[403] > 0, "of what a viewer may not do"


@pytest.mark.slow
def test_every_route_that_changes_something_is_known_here() -> None:
    assert {o.label for o in operations()} >= CHANGES
