"""Events that come again and again: the first at once, repeats as a number, none lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from cvai.audit.counts import CountedEvents
from cvai.audit.messages import Act, AuditEvent
from cvai.errors import TemporarilyUnavailable

NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
REFUSED = AuditEvent(Act.SIGNED_IN, "unknown", address="192.0.2.7", allowed=False)


class Trail:
    """What was written, by a clock that is set by hand; it may be full."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.full = False
        self.events: list[AuditEvent] = []
        self.counted = CountedEvents(self.record, 60.0, clock=lambda: self.now_s, now=lambda: NOW)

    def record(self, event: AuditEvent) -> None:
        if self.full:
            raise TemporarilyUnavailable("audit_unavailable", "the audit trail cannot be written: full.")
        self.events.append(event)

    @property
    def times(self) -> list[int]:
        return [event.times for event in self.events]


@pytest.fixture
def trail() -> Trail:
    return Trail()


def test_thousands_of_events_are_two_messages_and_none_is_lost(trail: Trail) -> None:
    for _ in range(5000):
        trail.counted.record("a", REFUSED)
    assert trail.times == [1]
    trail.now_s = 60.0
    trail.counted.write_counts()
    assert trail.times == [1, 4999]
    assert trail.events[1].since == NOW
    assert trail.events[1].address == REFUSED.address


def test_what_happened_once_is_one_message(trail: Trail) -> None:
    trail.counted.record("a", REFUSED)
    trail.now_s = 61.0
    trail.counted.write_counts()
    trail.counted.record("a", REFUSED)
    assert trail.times == [1, 1]


def test_a_count_is_not_written_before_its_time_unless_all_end(trail: Trail) -> None:
    for key in ("a", "b", "a"):
        trail.counted.record(key, REFUSED)
    trail.counted.write_counts()
    assert trail.times == [1, 1]
    trail.counted.write_counts(all_of_them=True)
    assert trail.times == [1, 1, 1]
    trail.counted.write_counts(all_of_them=True)
    assert trail.times == [1, 1, 1]


def test_the_next_event_after_the_window_comes_behind_the_count(trail: Trail) -> None:
    for _ in range(3):
        trail.counted.record("a", REFUSED)
    trail.now_s = 60.0
    trail.counted.record("a", REFUSED)
    assert trail.times == [1, 2, 1]
    assert [event.since is None for event in trail.events] == [True, False, True]


def test_a_count_that_cannot_be_written_is_kept(trail: Trail) -> None:
    for _ in range(3):
        trail.counted.record("a", REFUSED)
    trail.now_s, trail.full = 60.0, True
    with pytest.raises(TemporarilyUnavailable):
        trail.counted.write_counts()
    trail.full = False
    trail.counted.write_counts()
    assert trail.times == [1, 2]


def test_an_event_that_could_not_be_written_is_no_first_one(trail: Trail) -> None:
    trail.full = True
    with pytest.raises(TemporarilyUnavailable):
        trail.counted.record("a", REFUSED)
    trail.full = False
    trail.counted.record("a", REFUSED)
    assert trail.times == [1]


def test_threads_lose_no_event(trail: Trail) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: trail.counted.record("a", REFUSED), range(400)))
    trail.counted.write_counts(all_of_them=True)
    assert sum(trail.times) == 400
