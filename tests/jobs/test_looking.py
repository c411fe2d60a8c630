"""Whatever becomes of a look for new studies, there is another one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from sqlalchemy.exc import OperationalError

from cvai.errors import ArchiveRejected, ConfigurationInvalid, TemporarilyUnavailable
from cvai.jobs.heartbeat import DeclaredDead
from cvai.jobs.looking import MAX_BACKOFF_S, Looking


@dataclass
class Noted:
    followed: int = 0
    failed: list[str] = field(default_factory=list)

    def feed_followed(self) -> None:
        self.followed += 1

    def feed_failed(self, code: str) -> None:
        self.failed.append(code)


def looking(outcome: bool | BaseException, watch: Noted) -> Looking:
    def look() -> bool:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return Looking(look, every_s=0.5, max_retry_after_s=60.0, watch=watch)


def test_after_a_look_the_next_comes_in_time_and_at_once_where_more_waits() -> None:
    watch = Noted()
    assert looking(False, watch).wait_s(8.0) == 0.5
    assert looking(True, watch).wait_s(8.0) == 0.0
    assert (watch.followed, watch.failed) == (2, [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TemporarilyUnavailable("archive_busy", "later."), "archive_busy"),
        (ArchiveRejected("archive_denied", "no."), "archive_denied"),
        (ConfigurationInvalid("cursor_unreadable", "damaged."), "cursor_unreadable"),
        (OperationalError("INSERT Doe^John", {}, Exception("Doe^John")), "database_unavailable"),
        (OSError(28, "No space left on device", "/data/Doe^John"), "disk_unavailable"),
        (KeyError("Doe^John"), "feed_broke"),
        (RecursionError("Doe^John"), "feed_broke"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_look_that_fails_is_told_counted_and_followed_by_another_one(
    error: Exception, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Noted()
    failing = looking(error, watch)
    waits = [1.0]
    for _ in range(8):
        waits.append(failing.wait_s(waits[-1]))
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == MAX_BACKOFF_S
    assert set(watch.failed) == {code}
    told = capsys.readouterr().out
    assert code in told
    assert "Doe" not in told


def test_an_archive_that_says_when_to_come_back_is_left_alone_for_so_long_and_no_longer() -> None:
    for asked_s, waited_s in ((40.0, 40.0), (500.0, 60.0)):
        busy = TemporarilyUnavailable("archive_busy", "later.", retry_after_s=asked_s)
        assert looking(busy, Noted()).wait_s(0.5) == waited_s


@pytest.mark.parametrize("end", [DeclaredDead(), KeyboardInterrupt()], ids=lambda end: type(end).__name__)
def test_what_ends_the_service_is_not_caught(end: BaseException) -> None:
    with pytest.raises(type(end)):
        looking(end, Noted()).wait_s(0.5)
