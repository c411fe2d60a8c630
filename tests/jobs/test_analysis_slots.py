"""Whose turn it is to be analysed, and what becomes of a job that kills its worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cvai.errors import TemporarilyUnavailable
from cvai.jobs.analysis_slots import MAX_DEATHS, UNENDED, AnalysisSlots, UnendedAnalyses
from cvai.jobs.database import open_database
from tests.process import eventually

IN_TIME_S = 30.0
A_WHILE_S = 0.2
"""For something that must not happen."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    yield made
    made.dispose()


@pytest.fixture
def unended(database: Engine) -> UnendedAnalyses:
    return UnendedAnalyses(database)


class Analyses:
    """Jobs that take turns, each until it is told to end."""

    def __init__(self, slots: AnalysisSlots) -> None:
        self._slots = slots
        self._pool = ThreadPoolExecutor(8)
        self._ends: dict[str, threading.Event] = {}
        self._running: dict[str, Future[None]] = {}
        self._begun: list[str] = []

    def come(self, *jobs: str) -> None:
        """One after the other."""
        for job in jobs:
            self._ends[job] = threading.Event()
            self._running[job] = self._pool.submit(self._run, job)
            threading.Event().wait(A_WHILE_S / 4)

    def _run(self, job: str) -> None:
        with self._slots.acquired(job):
            self._begun.append(job)
            assert self._ends[job].wait(IN_TIME_S)

    def end(self, job: str) -> None:
        self._ends[job].set()
        self._running[job].result(IN_TIME_S)

    def begun(self, n: int) -> list[str]:
        """Those that have begun, once they are ``n`` and no more begin."""
        eventually(lambda: len(self._begun) >= n, f"{n} analyses to begin", IN_TIME_S)
        threading.Event().wait(A_WHILE_S)
        return self._begun


@pytest.mark.parametrize("at_once", [1, 2])
def test_as_many_as_may_run_at_once_in_the_order_in_which_they_come(
    unended: UnendedAnalyses, at_once: int
) -> None:
    analyses = Analyses(AnalysisSlots(at_once, unended))
    jobs = ["a", "b", "c", "d"]
    analyses.come(*jobs)
    for number, job in enumerate(jobs):
        expected = jobs[: number + at_once]
        assert analyses.begun(len(expected)) == expected
        analyses.end(job)


def test_what_a_worker_died_of_runs_alone_and_nothing_overtakes_it(unended: UnendedAnalyses) -> None:
    unended.begun("b")
    analyses = Analyses(AnalysisSlots(2, unended))
    analyses.come("a", "b", "c")
    assert analyses.begun(1) == ["a"]
    analyses.end("a")
    assert analyses.begun(2) == ["a", "b"]
    analyses.end("b")
    assert analyses.begun(3) == ["a", "b", "c"]
    analyses.end("c")


def test_what_has_ended_is_as_if_no_worker_had_died_of_it(unended: UnendedAnalyses) -> None:
    unended.begun("a")
    slots = AnalysisSlots(2, unended)
    with slots.acquired("a"):
        assert unended.times("a") == 2
    assert unended.times("a") == 0


def test_an_analysis_that_breaks_has_ended_and_leaves_its_place(unended: UnendedAnalyses) -> None:
    slots = AnalysisSlots(1, unended)
    with pytest.raises(ValueError, match="broke"), slots.acquired("a"):
        raise ValueError("broke")
    assert unended.times("a") == 0
    with slots.acquired("b"):
        assert unended.times("b") == 1


def test_a_job_is_given_up_after_so_many_deaths_and_a_retry_begins_anew(unended: UnendedAnalyses) -> None:
    slots = AnalysisSlots(1, unended)
    for _ in range(MAX_DEATHS):
        assert not slots.given_up("a")
        unended.begun("a")
    unended.begun("other")
    assert slots.given_up("a")
    assert not slots.given_up("a")
    assert not slots.given_up("other")


def test_a_database_that_does_not_answer_is_waited_for_and_no_place_is_lost(
    unended: UnendedAnalyses, database: Engine
) -> None:
    slots = AnalysisSlots(1, unended)
    UNENDED.drop(database)
    for _ in range(2):
        with pytest.raises(TemporarilyUnavailable, match="does not answer"), slots.acquired("a"):
            pass
    UNENDED.create(database)
    with slots.acquired("a"):
        assert unended.times("a") == 1
