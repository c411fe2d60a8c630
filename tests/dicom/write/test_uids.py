from __future__ import annotations

import uuid
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.uids import ResultUids, derived_uid, device_uid

MODEL = "ab" * 32
source_uids = st.lists(
    st.integers(1, 10**30).map(lambda n: f"1.2.840.{n}"), min_size=1, max_size=6, unique=True
)


def all_uids(uids: ResultUids) -> list[UID]:
    per_kind = product((uids.sop_instance, uids.series, uids.dimension_organization), ResultKind)
    return [
        *(make(kind) for make, kind in per_kind),
        uids.frame_of_reference(),
        uids.tracking("LV"),
        uids.tracking("RV"),
        device_uid(uids.model_sha256),
    ]


@given(st.lists(st.text(), max_size=4))
def test_a_derived_uid_is_a_valid_uid_made_from_a_uuid(parts: list[str]) -> None:
    uid = derived_uid(*parts)
    made_from = uuid.UUID(int=int(uid.removeprefix("2.25.")))
    assert uid.is_valid
    assert len(uid) <= 64
    assert made_from.version == 8
    assert made_from.variant == uuid.RFC_4122


@given(source_uids, st.randoms())
def test_uids_do_not_depend_on_the_order_sources_arrive_in(sources: list[str], random: object) -> None:
    shuffled = list(sources)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert all_uids(ResultUids.of(shuffled, MODEL)) == all_uids(ResultUids.of(sources, MODEL))


@given(source_uids)
def test_no_two_uids_of_one_analysis_are_equal(sources: list[str]) -> None:
    uids = all_uids(ResultUids.of(sources, MODEL))
    assert len(set(uids)) == len(uids)


@given(source_uids)
def test_one_more_source_changes_every_uid_but_the_device(sources: list[str]) -> None:
    before = all_uids(ResultUids.of(sources, MODEL))
    after = all_uids(ResultUids.of([*sources, "1.2.3"], MODEL))
    assert set(before) & set(after) == {device_uid(MODEL)}


def test_another_model_changes_every_uid_but_the_frame_of_reference() -> None:
    before, after = ResultUids.of(["1.2.3"], MODEL), ResultUids.of(["1.2.3"], "cd" * 32)
    assert set(all_uids(before)) & set(all_uids(after)) == {before.frame_of_reference()}
