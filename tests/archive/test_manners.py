"""Archives with manners of their own: each study is found, fetched and given its results all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from cvai.archive.dicomweb.archive import DicomwebArchive
from cvai.archive.dicomweb.qido import QidoFeed
from cvai.archive.dicomweb.requests import AnswerLimits
from cvai.archive.http import new_session
from cvai.archive.odd import OddAnswers
from cvai.archive.port import StoreReport
from cvai.archive.seen import SeenStudies
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from tests.dicomweb_server import MANNERS, DicomwebStore, running_archive, ui
from tests.standin import derived_uid, memory_below, write, write_image, write_segmentation, write_study

STUDY, OTHER = derived_uid("manners"), derived_uid("manners other")
OBJECT = derived_uid(STUDY, "segmentation")


@contextmanager
def archive_of(store: DicomwebStore, odd: OddAnswers | None = None) -> Iterator[DicomwebArchive]:
    with running_archive(store) as url:
        yield DicomwebArchive(url, new_session(), timeout_s=5, odd=odd)


def announced(archive: DicomwebArchive, folder: Path, n_polls: int = 12) -> list[str]:
    """What a feed tells in so many looks."""
    seen = SeenStudies(memory_below(folder), "dicomweb")
    feed = QidoFeed(archive, seen, settle_s=1e-9, look_back_days=3, older=True)
    told: list[str] = []
    for _ in range(n_polls):
        announcements = feed.poll()
        feed.acknowledge(announcements)
        told += announcements.study_uids
    return told


def stored(store: DicomwebStore, archive: DicomwebArchive, paths: Sequence[Path]) -> StoreReport:
    """Store as a job does, which comes back when it is asked to."""
    try:
        return archive.store(STUDY, paths)
    except TemporarilyUnavailable as error:
        if error.code != "object_not_shown":
            raise
    store.show_all()
    return archive.store(STUDY, paths)


def a_study_is_served(manners: frozenset[str], folder: Path) -> None:
    """Found once, listed, described, fetched byte for byte, and given its results once."""
    store = DicomwebStore(manners)
    paths = write_study(folder / "src", STUDY, 3)
    store.receive(paths)
    results = [write_segmentation(folder / "out", STUDY), write_image(folder / "out", STUDY, 9)]
    with archive_of(store) as archive:
        assert announced(archive, folder) == [STUDY]
        content = archive.content(STUDY)
        assert len(content.sources) == 3
        assert {i.sop_class_uid for i in content.instances} == {dcmread(paths[0]).SOPClassUID}
        assert archive.fetch(STUDY, folder / "got") == 3
        assert archive.probe().clock is not None
        report = stored(store, archive, results)
        assert set(report.stored) == {dcmread(path).SOPInstanceUID for path in results}
        store.show_all()
        assert archive.store(STUDY, results).stored == ()
        assert archive.content(STUDY).sop_instance_uids == store.held.keys()
    assert sorted(p.read_bytes() for p in (folder / "got").iterdir()) == sorted(p.read_bytes() for p in paths)
    assert len(store.asked) < 160, "nothing is asked for without end"


@pytest.mark.parametrize("manner", ["none", *MANNERS])
def test_a_study_is_served_whatever_the_manners_of_its_archive(manner: str, tmp_path: Path) -> None:
    a_study_is_served(frozenset({manner} & set(MANNERS)), tmp_path)


NOT_BOTH = (
    {"null count", "float count", "text count", "words as count", "no count"},
    {"sparse", "sparse, all", "sparse for ever", "includefield unknown"},
    {"limit 200", "limit unknown"},
    {"no offset", "offset behind is 404"},
    {"lost answer", "says nothing", "small bodies"},
)


@pytest.mark.slow
@given(drawn=st.sets(st.sampled_from(MANNERS), min_size=2, max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_study_is_served_whatever_manners_come_together(
    drawn: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    for alternatives in NOT_BOTH:
        drawn -= set(sorted(drawn & alternatives)[1:])
    a_study_is_served(frozenset(drawn), tmp_path_factory.mktemp("manners"))


def test_what_an_archive_has_understood_is_asked_for_that_way_from_then_on(tmp_path: Path) -> None:
    store = DicomwebStore(frozenset({"limit unknown", "sparse, all", "no star"}))
    store.receive(write_study(tmp_path / "src", STUDY, 2))
    with archive_of(store) as archive:
        for asked in (lambda: archive.search({}, 50, 0), lambda: archive.content(STUDY)):
            asked()
            store.asked.clear()
            asked()
            assert all("includefield=all" in request and "limit" not in request for request in store.asked)
        archive.fetch(STUDY, tmp_path / "got")
        store.asked.clear()
        archive.fetch(STUDY, tmp_path / "got")
        assert len(store.asked) == 1


def test_a_list_in_pages_of_any_size_is_read_to_its_end(tmp_path: Path) -> None:
    store = DicomwebStore(frozenset({"limit 200"}), rows_at_most=7)
    store.receive(write_study(tmp_path / "src", STUDY, 40))
    with archive_of(store) as archive:
        assert len(archive.content(STUDY).instances) == 40


def test_a_list_that_goes_on_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.archive.dicomweb.requests.ROWS_AT_MOST", 1000)
    made = iter(range(10**9))

    def ever_new(kind: str, rows: list[object]) -> list[object]:
        uids = [f"1.2.{next(made)}" for _ in range(100)]
        return [{"00080018": ui(uid), "00080016": ui("1.2"), "0020000E": ui("1.3")} for uid in uids]

    store = DicomwebStore(spoil=ever_new)
    with archive_of(store) as archive, pytest.raises(ArchiveRejected) as caught:
        archive.content(STUDY)
    assert caught.value.code == "archive_answer_too_large"
    assert len(store.asked) < 20


ODD_ROWS: dict[str, object] = {
    "null": None,
    "a number": 7,
    "a text": "study",
    "a list": [{"0020000D": ui(OTHER)}],
    "an object of nothing": {},
    "no UID": {"00201208": {"vr": "IS", "Value": [3]}},
    "UID is null": {"0020000D": {"vr": "UI", "Value": [None]}},
    "UID is a number": {"0020000D": {"vr": "UI", "Value": [12]}},
    "UID is no UID": {"0020000D": ui("../../etc")},
    "UID is a name": {"0020000D": ui("Doe^John")},
    "UID without its list": {"0020000D": {"vr": "UI", "Value": OTHER}},
    "an attribute is a list": {"0020000D": [OTHER]},
    "a UID of an object": {"0020000D": {"vr": "UI", "Value": [{"Alphabetic": OTHER}]}},
    "a UID without end": {"0020000D": ui("1." * 5000 + "1")},
}
"""Rows of the list of studies that name no study."""


@pytest.mark.parametrize("odd_row", ODD_ROWS.values(), ids=ODD_ROWS)
def test_an_odd_row_costs_that_row_alone(
    odd_row: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(kind: str, rows: list[object]) -> list[object]:
        return [odd_row, *rows] if kind == "studies" and rows else rows

    store, odd = DicomwebStore(spoil=spoil), OddAnswers()
    store.receive(write_study(tmp_path / "src", STUDY, 2))
    with archive_of(store, odd) as archive:
        assert announced(archive, tmp_path) == [STUDY]
    assert odd.counts["qido", "StudyRow"] > 0
    assert "Doe" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "told", [True, -1, 1e400, float("nan"), 2.5, "", "12 images", [], {"n": 1}, 10**50, 1e300]
)
def test_a_number_of_instances_that_makes_no_sense_is_found_by_listing_them(
    told: object, tmp_path: Path
) -> None:
    def spoil(kind: str, rows: list[object]) -> list[object]:
        return (
            [{**row, "00201208": {"vr": "IS", "Value": [told]}} for row in rows]
            if kind == "studies"
            else rows
        )

    store = DicomwebStore(spoil=spoil)
    store.receive(write_study(tmp_path / "src", STUDY, 2))
    with archive_of(store) as archive:
        assert announced(archive, tmp_path) == [STUDY]


def test_a_study_whose_instances_nobody_can_tell_is_put_aside_alone(tmp_path: Path) -> None:
    def spoil(kind: str, rows: list[object]) -> list[object]:
        broken = kind in ("instances", "metadata") and any(OTHER in str(row) for row in rows)
        return [{"00080018": {"vr": "UI"}} for _ in rows] if broken else rows

    store = DicomwebStore(spoil=spoil)
    store.receive(write_study(tmp_path / "src", STUDY, 2) + write_study(tmp_path / "other", OTHER, 2))
    with archive_of(store) as archive:
        assert sorted(announced(archive, tmp_path)) == sorted([STUDY, OTHER])
        with pytest.raises(ArchiveRejected) as caught:
            archive.content(OTHER)
        assert caught.value.code == "archive_answer_invalid"
        assert len(archive.content(STUDY).instances) == 2


BODIES = {
    "a page": b"<html>please sign in</html>",
    "nothing but null": b"null",
    "a number": b"7",
    "not UTF-8": b"\xff\xfe\x00",
    "cut off": b'[{"0020000D"',
    "deeply nested": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_answer_that_is_something_else_makes_the_archive_unavailable(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DicomwebStore()
    monkeypatch.setattr("tests.dicomweb_server._Handler.do_GET", lambda self: self._answer(200, body))
    with archive_of(store) as archive:
        asked: list[Callable[[], object]] = [archive.probe, lambda: archive.content(STUDY)]
        for ask in (*asked, lambda: archive.search({}, 1, 0)):
            with pytest.raises(TemporarilyUnavailable) as caught:
                ask()
            assert caught.value.code == "archive_answer_unreadable"


def test_a_name_in_another_encoding_does_not_cost_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        b'[{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00100010": {"vr": "PN", "Value": ["M\xfcller"]}}]'
    )
    monkeypatch.setattr("tests.dicomweb_server._Handler.do_GET", lambda self: self._answer(200, body))
    with archive_of(DicomwebStore()) as archive:
        assert archive.search({}, 1, 0).counts.keys() == {"1.2.3"}


def limited(
    store: DicomwebStore, limits: AnswerLimits, ask: Callable[[DicomwebArchive], object]
) -> CvaiError:
    with running_archive(store) as url, pytest.raises(CvaiError) as caught:
        ask(DicomwebArchive(url, new_session(), 5, limits))
    return caught.value


def test_a_list_and_an_instance_have_a_largest_size(tmp_path: Path) -> None:
    store = DicomwebStore()
    store.receive(write_study(tmp_path / "src", STUDY, 20))
    small_list, small_part = AnswerLimits(json_bytes=1000), AnswerLimits(part_bytes=100)
    refused = limited(store, small_list, lambda archive: archive.content(STUDY))
    assert refused.code == "archive_answer_too_large"
    large = dcmread(write_image(tmp_path / "large", OTHER, 1))
    large.Rows, large.Columns, large.PixelData = 1024, 1024, bytes(2 * 1024 * 1024)
    store.receive([write(large, tmp_path / "large.dcm")])
    refused = limited(store, small_part, lambda archive: archive.fetch(OTHER, tmp_path / "got"))
    assert refused.code == "archive_answer_too_large"
    assert not list((tmp_path / "got").glob("*.dcm"))


def test_what_is_shown_only_later_counts_as_stored_then_and_is_reported_so(tmp_path: Path) -> None:
    store = DicomwebStore(frozenset({"lost answer"}))
    store.receive(write_study(tmp_path / "src", STUDY, 2))
    path = write_segmentation(tmp_path / "out", STUDY)
    with archive_of(store) as archive:
        with pytest.raises(TemporarilyUnavailable) as caught:
            archive.store(STUDY, [path])
        assert caught.value.code == "object_not_shown"
        assert caught.value.retry_after_s > 0, "the archive is left alone for a while"
        assert store.n_stows == 2, "the first without an answer, the second told that it exists"
        store.show_all()
        report = archive.store(STUDY, [path])
    assert (report.stored, report.skipped) == ((OBJECT,), ())
    assert store.n_stows == 2
    assert len(store.held) == 3


@pytest.mark.parametrize("shown", [True, False])
def test_another_object_under_our_uid_is_not_taken_for_ours(shown: bool, tmp_path: Path) -> None:
    store = DicomwebStore()
    store.receive(write_study(tmp_path / "src", STUDY, 2))
    path = write_image(tmp_path / "out", STUDY, 7)
    foreign = dcmread(path)
    foreign.PixelData = bytes(12)
    uid, _, _ = store.put(write(foreign, tmp_path / "foreign.dcm").read_bytes(), shown)
    with archive_of(store) as archive:
        if not shown:
            with pytest.raises(TemporarilyUnavailable, match="neither lists yet"):
                archive.store(STUDY, [path])
            store.show_all()
        with pytest.raises(ArchiveRejected) as caught:
            archive.store(STUDY, [path])
    assert caught.value.code == "object_differs"
    assert uid in caught.value.message


def test_an_object_whose_patient_the_archive_has_corrected_is_ours_still(tmp_path: Path) -> None:
    store = DicomwebStore()
    path = write_image(tmp_path / "out", STUDY, 7)
    corrected = dcmread(path)
    corrected.PatientName, corrected.PatientID = "Other^Name", "CORRECTED"
    store.put(write(corrected, tmp_path / "corrected.dcm").read_bytes())
    with archive_of(store) as archive:
        assert archive.store(STUDY, [path]).stored == ()


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        (0xA700, TemporarilyUnavailable, "archive_busy"),
        (0x0110, TemporarilyUnavailable, "archive_busy"),
        (0xA900, ArchiveRejected, "object_rejected"),
        (None, ArchiveRejected, "object_rejected"),
        ("why not", ArchiveRejected, "object_rejected"),
    ],
)
def test_the_reason_decides_whether_an_object_is_sent_again(
    reason: object, kind: type[CvaiError], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = {"00081155": ui(OBJECT), "00081197": {"vr": "US", "Value": [reason]}}
    body = json.dumps({"00081198": {"vr": "SQ", "Value": [item]}}).encode()
    monkeypatch.setattr("tests.dicomweb_server._Handler._stored", lambda self, _: self._answer(409, body))
    monkeypatch.setattr("tests.dicomweb_server.DicomwebStore.put", lambda *_: ("", "", False))
    with archive_of(DicomwebStore()) as archive, pytest.raises(kind) as caught:
        archive.store(STUDY, [write_segmentation(tmp_path / "out", STUDY)])
    assert caught.value.code == code
    assert OBJECT in caught.value.message
