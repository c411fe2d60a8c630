"""The service as a process on a DICOMweb archive that has manners of its own, with the stand-in analysis."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from tests.dicomweb_server import DicomwebStore, running_archive
from tests.process import Process, ended_jobs, eventually
from tests.standin import derived_uid, write_study

pytestmark = pytest.mark.servers

STUDY = derived_uid("service on dicomweb")


class Site:
    """A service on the archive at an address."""

    def __init__(self, root: Path, url: str) -> None:
        self.data_folder = root / "data"
        config = root / "service.toml"
        config.write_text(
            f'data_folder = "{self.data_folder}"\narchive = "dicomweb"\npoll_interval_s = 0.05\n'
            f'[dicomweb]\nurl = "{url}"\nsettle_s = 0.2\ntimeout_s = 5\n'
            "[retry]\nattempts = 20\nfirst_wait_s = 0.05\nlongest_wait_s = 0.2\n"
        )
        self.service = Process(
            [sys.executable, "-m", "tests.service", config, root / "log"], root / "service.log"
        )

    def ended(self, n: int) -> dict[str, JobRecord]:
        return {record.job.study_uid: record for record in ended_jobs(self.data_folder, n)}


@contextmanager
def serving_site(root: Path, store: DicomwebStore) -> Iterator[Site]:
    with running_archive(store) as url:
        site = Site(root, url)
        try:
            yield site
        finally:
            assert site.service.died() is None, "the service goes on"
            site.service.kill()


def results(store: DicomwebStore, study_uid: str) -> list[str]:
    return [uid for uid, held in store.shown(study_uid).items() if held.traits["Modality"] == "DOC"]


@pytest.mark.parametrize(
    "manners",
    [
        {"limit 200", "null count", "no star", "sparse", "no chunks", "unquoted", "text before"},
        {"no offset", "no count", "sparse for ever", "line feeds", "says nothing", "bare row"},
    ],
    ids=lambda manners: ", ".join(sorted(manners)),
)
def test_a_study_is_analysed_and_its_result_stored_once(manners: set[str], tmp_path: Path) -> None:
    store = DicomwebStore(frozenset(manners))
    store.receive(write_study(tmp_path / "src", STUDY, 3))
    with serving_site(tmp_path, store) as site:
        record = site.ended(1)[STUDY]
    assert record.outcome.state is JobState.ANALYSED
    assert results(store, STUDY) == [record.outcome.objects[0].sop_instance_uid]


def test_a_result_whose_answer_was_lost_counts_as_stored_once_it_is_shown(tmp_path: Path) -> None:
    store = DicomwebStore(frozenset({"lost answer"}))
    store.receive(write_study(tmp_path / "src", STUDY, 3))
    with serving_site(tmp_path, store) as site:
        eventually(lambda: store.n_stows >= 3, "the result to be sent again", 60)
        store.show_all()
        record = site.ended(1)[STUDY]
    assert record.outcome.state is JobState.ANALYSED
    assert len(results(store, STUDY)) == 1


NO_UID = {"vr": "UI", "Value": [None]}
ODD_STUDIES: dict[str, Callable[[str, Any], Any]] = {
    "null": lambda *_: None,
    "a list": lambda _, row: [row],
    "no UID": lambda _, row: {**row, "0020000D": NO_UID},
    "instances of nothing": lambda kind, row: row if kind == "studies" else {},
    "instances without UID": lambda kind, row: row if kind == "studies" else {**row, "00080018": NO_UID},
}
"""Ways to spoil every row that speaks of a study."""


def test_odd_studies_are_put_aside_and_the_others_are_analysed(tmp_path: Path) -> None:
    uids = {derived_uid(STUDY, name): spoil for name, spoil in ODD_STUDIES.items()}

    def spoil(kind: str, rows: list[Any]) -> list[Any]:
        of_odd = (next((spoil for uid, spoil in uids.items() if uid in str(row)), None) for row in rows)
        return [row if spoil is None else spoil(kind, row) for row, spoil in zip(rows, of_odd, strict=True)]

    store = DicomwebStore(spoil=spoil)
    for number, uid in enumerate((*uids, STUDY)):
        store.receive(write_study(tmp_path / str(number), uid, 3))
    with serving_site(tmp_path, store) as site:
        eventually(lambda: results(store, STUDY), "the result", 60)
        eventually(lambda: site.service.count("answer_part_left_out") > 4, "the odd rows to be told", 60)
        states = {uid: record.outcome.state for uid, record in site.ended(3).items()}
    assert states.pop(STUDY) is JobState.ANALYSED
    named = [derived_uid(STUDY, name) for name in ("instances of nothing", "instances without UID")]
    assert states == dict.fromkeys(named, JobState.FAILED), "whoever looks for them is told"


def test_a_page_in_the_archives_place_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DicomwebStore()
    with monkeypatch.context() as patch:
        page = b"<html>please sign in</html>"
        patch.setattr("tests.dicomweb_server._Handler.do_GET", lambda self: self._answer(200, page))
        with running_archive(store) as url:
            site = Site(tmp_path, url)
            told = eventually(lambda: site.service.events("feed_not_followed"), "the page to be told", 60)
            assert told[0]["code"] == "archive_answer_unreadable"
            patch.undo()
            store.receive(write_study(tmp_path / "src", STUDY, 3))
            assert site.ended(1)[STUDY].outcome.state is JobState.ANALYSED
            site.service.kill()
