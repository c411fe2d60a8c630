"""Analyses at the same time: one segments at a time, in the order in which they began."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from cvai.analyses.stopwatch import Lock, Stopwatch
from cvai.jobs.inference_lock import InferenceLock

IN_TIME_S = 30.0
A_WHILE_S = 0.2
"""For something that must not happen."""


class Road:
    """Analyses in one lane, each in a thread of its own once it segments."""

    def __init__(self) -> None:
        self._lane = InferenceLock()
        self._pool = ThreadPoolExecutor(4)
        self._ends = {name: threading.Event() for name in "abc"}
        self.segmenting: list[str] = []
        self._begun = {name: ExitStack() for name in "abc"}
        self._entrances: dict[str, Lock] = {}

    def begin(self, *names: str) -> None:
        for name in names:
            self._entrances[name] = self._begun[name].enter_context(self._lane.entered())

    def segment(self, name: str) -> Future[None]:
        def run() -> None:
            with self._entrances[name]():
                self.segmenting.append(name)
                assert self._ends[name].wait(IN_TIME_S)

        running = self._pool.submit(run)
        threading.Event().wait(A_WHILE_S)
        return running

    def segmented(self, name: str, running: Future[None]) -> None:
        self._ends[name].set()
        running.result(IN_TIME_S)
        threading.Event().wait(A_WHILE_S)

    def end(self, name: str) -> None:
        self._begun[name].close()
        threading.Event().wait(A_WHILE_S)


def test_who_began_first_segments_first_and_others_while_it_is_measured() -> None:
    road = Road()
    road.begin("a", "b")
    second = road.segment("b")
    assert road.segmenting == []
    first = road.segment("a")
    assert road.segmenting == ["a"]
    road.segmented("a", first)
    assert road.segmenting == ["a", "b"]
    road.segmented("b", second)
    road.end("a")
    road.end("b")


def test_an_analysis_that_ends_without_segmenting_lets_the_next_pass() -> None:
    road = Road()
    road.begin("a", "b")
    second = road.segment("b")
    road.end("a")
    assert road.segmenting == ["b"]
    road.segmented("b", second)


def test_one_that_segments_again_waits_for_nobody_who_has_not_come_to_it() -> None:
    road = Road()
    road.begin("a", "b")
    first = road.segment("a")
    road.segmented("a", first)
    again = road.segment("a")
    assert road.segmenting == ["a", "a"]
    road.segmented("a", again)


def test_a_network_that_breaks_leaves_the_lane() -> None:
    lane = InferenceLock()
    with pytest.raises(ValueError, match="broke"), lane.entered() as segmenting, segmenting():
        raise ValueError("broke")
    with lane.entered() as segmenting, segmenting():
        pass


def test_the_wait_for_the_lane_is_not_told_as_the_networks_time() -> None:
    waited_ms = 1000 * A_WHILE_S
    lane, timer = InferenceLock(), threading.Event()
    with lane.entered() as first, lane.entered() as second, ThreadPoolExecutor(1) as pool:
        watch = Stopwatch(inference_lock=second)

        def infer() -> None:
            with watch.inference():
                pass

        with first():
            running = pool.submit(infer)
            timer.wait(A_WHILE_S)
        running.result(IN_TIME_S)
    assert watch.timings_ms["infer"] < waited_ms
