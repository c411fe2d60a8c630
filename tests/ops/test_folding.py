"""A line that is told again and again is written once a minute, with how often it was."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import LogCapture

from cvai.ops.folding import FOLDED, MAX_DISTINCT_LINES, WINDOW_S, Folding

Line = dict[str, object]


class Book:
    """A logger through which lines are folded, and a clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.capture = LogCapture()
        structlog.configure(processors=[Folding(lambda: self.now_s), self.capture])
        self.log = structlog.get_logger()

    @property
    def lines(self) -> list[tuple[str, Line]]:
        told = [dict(entry) for entry in self.capture.entries]
        return [
            (str(line.pop("event")), {k: v for k, v in line.items() if k != "log_level"}) for line in told
        ]


@pytest.fixture
def book() -> Book:
    made = Book()
    yield made
    structlog.reset_defaults()


def test_the_same_warning_is_written_once_and_its_number_after_a_minute(book: Book) -> None:
    for _ in range(1100):
        book.log.warning("call_refused", address="192.0.2.1", reason="too many")
    assert book.lines == [("call_refused", {"address": "192.0.2.1", "reason": "too many"})]
    book.now_s += WINDOW_S
    book.log.info("step_begun")
    assert book.lines[1:] == [(FOLDED, {"of": "call_refused", "lines": 1099}), ("step_begun", {})]
    book.log.warning("call_refused", address="192.0.2.1", reason="too many")
    assert len(book.lines) == 4, "and once more in the next minute"


def test_lines_that_differ_are_all_written_up_to_a_thousand(book: Book) -> None:
    for number in range(2 * MAX_DISTINCT_LINES):
        book.log.error("call_refused", address=str(number))
    assert len(book.lines) == MAX_DISTINCT_LINES
    book.log.error("another")
    assert book.lines[-1] == ("another", {})


def test_what_goes_well_is_never_folded(book: Book) -> None:
    for _ in range(10):
        book.log.info("job_ended", state="analysed")
    assert len(book.lines) == 10
