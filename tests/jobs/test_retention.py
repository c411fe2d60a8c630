"""What is removed from the results, and what never is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from cvai.archive.folder.archive import FolderArchive
from cvai.errors import ArchiveRejected
from cvai.jobs.job import JobState
from cvai.jobs.queue import ended_well
from cvai.ops.retention import SECONDS_A_DAY, Limits, Retention
from tests.jobs.conftest import Bench
from tests.standin import derived_uid, write_study

NOW_S = 1_800_000_000.0
MEGABYTE = 1_000_000


def everything(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def add(folder: Path, name: str, days_old: float, megabytes: int = 1) -> None:
    made = folder / name / "1.2.3"
    made.mkdir(parents=True)
    (made / "seg.dcm").write_bytes(bytes(megabytes * MEGABYTE))
    changed_s = NOW_S - days_old * SECONDS_A_DAY
    os.utime(folder / name, (changed_s, changed_s))


def sweep(
    folder: Path, limits: Limits, delivered: Callable[[Iterable[str]], frozenset[str]] = everything
) -> list[str]:
    return sorted(Retention(folder, limits, delivered, now=lambda: NOW_S).sweep())


def test_without_limits_everything_stays(tmp_path: Path) -> None:
    add(tmp_path, "old", days_old=5000)
    assert sweep(tmp_path, Limits()) == []
    assert kept(tmp_path) == ["old"]


def test_results_older_than_their_days_go(tmp_path: Path) -> None:
    for days in (1, 29, 31, 400):
        add(tmp_path, f"{days:03d}", days)
    assert sweep(tmp_path, Limits(days=30)) == ["031", "400"]
    assert kept(tmp_path) == ["001", "029"]


def test_the_oldest_go_until_the_rest_is_small_enough(tmp_path: Path) -> None:
    for days in (1, 2, 3, 4):
        add(tmp_path, f"{days}", days, megabytes=3)
    assert sweep(tmp_path, Limits(gigabytes=0.007)) == ["3", "4"]


def test_what_is_not_delivered_stays_however_old_and_large(tmp_path: Path) -> None:
    add(tmp_path, "delivered", 400)
    add(tmp_path, "waiting", 500, megabytes=9)
    limits = Limits(days=1, gigabytes=0.001)
    assert sweep(tmp_path, limits, lambda names: frozenset(names) & {"delivered"}) == ["delivered"]
    assert kept(tmp_path) == ["waiting"]


def test_what_goes_while_it_is_looked_at_holds_nothing_up(tmp_path: Path) -> None:
    add(tmp_path, "old", 400)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert sweep(tmp_path, Limits(days=30)) == ["old"]


def test_a_database_that_does_not_answer_is_asked_the_next_time(tmp_path: Path) -> None:
    def locked(names: Iterable[str]) -> frozenset[str]:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    add(tmp_path, "old", 400)
    assert sweep(tmp_path, Limits(days=30), locked) == []
    assert kept(tmp_path) == ["old"]


@given(ages=st.lists(st.integers(0, 60), max_size=6), days=st.integers(1, 60))
def test_what_goes_is_always_older_than_what_stays(
    tmp_path_factory: pytest.TempPathFactory, ages: list[int], days: int
) -> None:
    folder = tmp_path_factory.mktemp("results")
    for number, age in enumerate(ages):
        add(folder, f"{number}", age + 0.5, megabytes=0)
    gone = sweep(folder, Limits(days=days))
    assert all(ages[int(name)] + 0.5 > days for name in gone)
    assert all(ages[int(name)] + 0.5 <= days for name in kept(folder))


class Refusing(FolderArchive):
    def store(self, study_uid: str, paths: object, before_sending: object = None) -> None:  # type: ignore[override]  # noqa: ARG002
        raise ArchiveRejected("object_rejected", "the archive took none.", "See its log.")


@pytest.mark.slow
def test_a_job_whose_results_the_archive_did_not_take_has_not_ended_well(
    bench: Bench, tmp_path: Path
) -> None:
    good, bad = derived_uid("kept", "good"), derived_uid("kept", "bad")
    for uid in (good, bad):
        bench.receive(write_study(tmp_path / uid, uid))
    stored = bench.job(good)
    bench.start().submit(stored)
    bench.ended(stored)
    bench.stop()
    bench.archive = Refusing(tmp_path / "archive")
    failed = bench.job(bad)
    bench.start().submit(failed)
    assert bench.ended(failed).outcome.state is JobState.FAILED
    unknown = (f"1.2.{number}" for number in range(300_000))
    assert ended_well([stored.job_id, failed.job_id, *unknown]) == {stored.job_id}
