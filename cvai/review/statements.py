"""What readers state in words or numbers besides contours: every version, with who stated it and when."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cvai.errors import Outdated
from cvai.review.database import Database
from cvai.review.sign_in.accounts import Reader


@dataclass(frozen=True, slots=True)
class Written:
    """A statement.

    Args:
        number: counts statements in the order they were made.
        reader: short name of who made it.
        person_name: DICOM person name of the same, as it was then.
        at: when.
        body: what was stated.
    """

    number: int
    reader: str
    person_name: str
    at: datetime
    body: Mapping[str, Any]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Statements:
    """Statements by what they are about and of which kind; none is ever changed, the last one holds.

    Args:
        database: of the page.
        now: the time, with its zone.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = _now) -> None:
        self._database = database
        self.now = now

    def add(self, about: str, kind: str, reader: Reader, body: Mapping[str, Any], after: int) -> Written:
        """Keep a statement.

        Args:
            about: a job or a study.
            kind: of the statement.
            reader: who makes it.
            body: JSON values.
            after: number of the one that the reader knew of, 0 for none.

        Raises:
            Outdated: ``stated_meanwhile``: another one stands by now.
        """
        at, person_name = self.now(), reader.person_name
        values = (about, kind, reader.name, person_name, at.isoformat(), json.dumps(body))
        with self._database.transaction() as rows:
            last = _last(rows, about, kind)
            if (0 if last is None else last["number"]) != after:
                raise Outdated(
                    "stated_meanwhile",
                    f"{last['reader'] if last else 'Another reader'} has changed this meanwhile.",
                    "Load the page again to see it.",
                )
            number = rows.execute(
                "INSERT INTO statements (about, kind, reader, person_name, at, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            ).lastrowid
        return Written(number or 0, reader.name, person_name, at, body)

    def last(self, about: str, kind: str) -> Written | None:
        """The statement that holds; None where none was made."""
        with self._database.transaction() as rows:
            found = _last(rows, about, kind)
        if found is None:
            return None
        at = datetime.fromisoformat(found["at"])
        return Written(found["number"], found["reader"], found["person_name"], at, json.loads(found["body"]))


def _last(rows: sqlite3.Connection, about: str, kind: str) -> Any:
    return rows.execute(
        "SELECT * FROM statements WHERE about = ? AND kind = ? ORDER BY number DESC LIMIT 1", (about, kind)
    ).fetchone()
