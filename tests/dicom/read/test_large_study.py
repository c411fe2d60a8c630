"""In an examination of some 300 series the short-axis cine at rest is found; all others are passed over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cvai.dicom.read.header.attributes import uid
from cvai.dicom.read.values import AssembledCine
from tests.dicom.read.examination import REST, WHOLE_STACKS, Member, kinds, members_of, shuffled
from tests.dicom.read.in_memory import assembled

pytestmark = pytest.mark.slow

OTHERS = tuple(kind for kind in kinds() if kind not in (REST, *WHOLE_STACKS))


def kinds_in(cine: AssembledCine, members: Sequence[Member]) -> set[str]:
    """Of which kinds the frames are that would be measured."""
    kind = {member.series_uid: member.kind for member in members}
    return {kind[uid(plane.header, "SeriesInstanceUID")] for phase in cine.planes for plane in phase}


def without_reason(cine: AssembledCine, members: Sequence[Member]) -> set[str]:
    """Kinds of series that are neither measured nor passed over with a reason."""
    measured = {uid(plane.header, "SeriesInstanceUID") for phase in cine.planes for plane in phase}
    reasons = {passed.series_uid: passed.reason for passed in cine.excluded}
    return {m.kind for m in members if m.series_uid not in measured and not reasons.get(m.series_uid)}


@pytest.mark.parametrize("layout", ["one series", "a series a slice"])
@pytest.mark.parametrize("kind", OTHERS)
def test_the_cine_at_rest_is_found_beside(tmp_path: Path, kind: str, layout: str) -> None:
    members = members_of(kind, series_a_slice=layout == "a series a slice")
    cine = assembled(tmp_path, shuffled(members))
    assert kinds_in(cine, members) == {REST}
    assert cine.stack.pixels.shape[:2] == (12, 9)
    assert without_reason(cine, members) == set()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("localizer", ("localizer",)),
        ("scout that is not marked as one", ("scout", "still")),
        ("long-axis cine", ("long-axis",)),
        ("radial long-axis stack", ("long-axis",)),
        ("perfusion", ("perfusion", "dynamic")),
        ("T1 mapping", ("map", "dynamic")),
        ("late enhancement", ("late enhancement", "dynamic")),
        ("screenshot", ("modality", "position", "capture", "derived")),
        ("document", ("modality", "no images")),
        ("ultrasound still", ("modality",)),
    ],
)
def test_a_series_is_passed_over_for_what_it_is(tmp_path: Path, kind: str, words: tuple[str, ...]) -> None:
    members = members_of(kind)
    cine = assembled(tmp_path, shuffled(members))
    of_kind = {member.series_uid for member in members if member.kind == kind}
    reasons = {p.reason.lower() for p in cine.excluded if p.series_uid in of_kind}
    assert {reason for reason in reasons if not any(word in reason for word in words)} == set()
