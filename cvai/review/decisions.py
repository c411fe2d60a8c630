"""What readers have decided, and what they are still at: decisions that stand, and drafts."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cvai.analyses.former import FORMER_KINDS
from cvai.analyses.registry import ANALYSES, AnySpec
from cvai.errors import Outdated
from cvai.jobs.reading import Reading
from cvai.review.database import Database
from cvai.review.sign_in.accounts import given_name_first


@dataclass(frozen=True, slots=True)
class Decision:
    """A signed reading.

    Args:
        number: counts decisions in the order they were made.
        reader: short name of who made it.
        reading: what was decided.
        comparison: values of the model (None where a reader drew everything) and of the reader by name of
            measurement, with what the model is told from another by: ``{"model", "scanner", "findings",
            "measured": {name: [ai, signed], ...}, "intervals": {name: [low, high] or None, ...},
            "factors": {name: of ``IntervalOrigin``, ...}, "units": {name: unit, ...}, "acquired"}``; older
            decisions lack the last four.
    """

    number: int
    reader: str
    reading: Reading
    comparison: Mapping[str, Any]

    @property
    def spec(self) -> AnySpec | None:
        """The analysis that was read; None where it is not known here."""
        kind = self.reading.job.kind
        kinds = (kind,) if kind else FORMER_KINDS
        return next((spec for spec in ANALYSES if spec.kind in kinds and spec.editing is not None), None)


class LookVerdict(StrEnum):
    """What a reader says of an analysis that is not signed here."""

    LOOKED_AT = "looked at"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader has said of an analysis that is not signed here; kept by the page alone.

    Args:
        reader: short name of who said it.
        verdict: what.
        reason: why it was dismissed; free text without patient data.
        at: when.
    """

    reader: str
    verdict: LookVerdict
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """What a reader has changed and not signed."""

    reader: str
    saved_s: float
    body: Mapping[str, Any]


class Decisions:
    """Every decision, in order; none is ever changed.

    Args:
        database: of the page.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, reader: str, reading: Reading, comparison: Mapping[str, Any], after: int) -> Decision:
        """Record a decision; it is queued for the archive later, see ``not_queued``.

        Args:
            reader: short name of who decided.
            reading: what was decided.
            comparison: see ``Decision``.
            after: number of the decision on this job that the reader knew of, 0 for none.

        Raises:
            Outdated: ``decided_meanwhile``: another one stands by now.
        """
        job_id = reading.job.job_id
        values = (job_id, reader, json.dumps(reading.to_json()), json.dumps(comparison))
        with self._database.transaction() as rows:
            last = rows.execute(
                "SELECT number, reading FROM decisions WHERE job_id = ? ORDER BY number DESC LIMIT 1",
                (job_id,),
            ).fetchone()
            if last is not None and last["number"] != after:
                signer = given_name_first(json.loads(last["reading"])["signer"]["name"])
                raise Outdated(
                    "decided_meanwhile",
                    f"{signer} has decided on this study meanwhile.",
                    "Your changes are kept as a draft: load the study again, and decide anew if needed.",
                )
            number = rows.execute(
                "INSERT INTO decisions (job_id, reader, reading, comparison) VALUES (?, ?, ?, ?)", values
            ).lastrowid
            rows.execute("DELETE FROM drafts WHERE job_id = ? AND reader = ?", (job_id, reader))
        return Decision(number or 0, reader, reading, comparison)

    def add_look(self, job_id: str, ended_ms: int, look: Look) -> None:
        """Record what a reader says of a job as it ended at this moment; what it ends as later is news."""
        values = (job_id, ended_ms, look.reader, look.verdict, look.reason, look.at.isoformat())
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT INTO looks (job_id, ended_ms, reader, verdict, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )

    def look_of(self, job_id: str, ended_ms: int | None) -> Look | None:
        """What was said last of a job as it ended at this moment; None where nothing was."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT * FROM looks WHERE job_id = ? AND ended_ms = ? ORDER BY number DESC LIMIT 1",
                (job_id, ended_ms),
            ).fetchone()
        if found is None:
            return None
        at = datetime.fromisoformat(found["at"])
        return Look(found["reader"], LookVerdict(found["verdict"]), found["reason"], at)

    def of_job(self, job_id: str) -> tuple[Decision, ...]:
        """Decisions on one analysis, oldest first; the last one holds."""
        return self._select("WHERE job_id = ?", job_id)

    def all(self) -> tuple[Decision, ...]:
        """Every decision, oldest first."""
        return self._select("")

    def newest(self, limit: int) -> tuple[Decision, ...]:
        """The newest decisions, at most ``limit``, oldest first."""
        return self._select("WHERE number > ?", self.newest_number() - limit)

    def newest_number(self) -> int:
        """Number of the newest decision, 0 before the first."""
        with self._database.transaction() as rows:
            (number,) = rows.execute("SELECT coalesce(max(number), 0) FROM decisions").fetchone()
        return int(number)

    def not_queued(self) -> tuple[Decision, ...]:
        """Decisions that no worker knows of yet."""
        return self._select("WHERE queued = 0")

    def queued(self) -> tuple[Decision, ...]:
        """Decisions that a worker knows of, as far as the page knows."""
        return self._select("WHERE queued = 1")

    def mark_queued(self, decision: Decision, queued: bool = True) -> None:
        """A worker knows of it now; or no more."""
        with self._database.transaction() as rows:
            rows.execute("UPDATE decisions SET queued = ? WHERE number = ?", (int(queued), decision.number))

    def _select(self, where: str, *values: object) -> tuple[Decision, ...]:
        with self._database.transaction() as rows:
            found = rows.execute(f"SELECT * FROM decisions {where} ORDER BY number", values).fetchall()  # noqa: S608 - ours
        return tuple(_decision(row) for row in found)


class Drafts:
    """Unsigned changes, one draft a reader and job: two readers never write over each other.

    Args:
        database: of the page.
        clock: seconds since the epoch.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def save(self, job_id: str, reader: str, body: Mapping[str, Any]) -> float:
        """Keep a draft in place of the reader's former one; returns when."""
        now_s = self._clock()
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO drafts VALUES (?, ?, ?, ?)", (job_id, reader, now_s, json.dumps(body))
            )
        return now_s

    def discard(self, job_id: str, reader: str) -> None:
        """Forget a reader's draft."""
        with self._database.transaction() as rows:
            rows.execute("DELETE FROM drafts WHERE job_id = ? AND reader = ?", (job_id, reader))

    def of_job(self, job_id: str) -> tuple[Draft, ...]:
        """Drafts of all readers on one analysis."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT * FROM drafts WHERE job_id = ? ORDER BY reader", (job_id,)
            ).fetchall()
        return tuple(Draft(row["reader"], row["saved_s"], json.loads(row["body"])) for row in found)


def _decision(row: sqlite3.Row) -> Decision:
    reading = Reading.from_json(json.loads(row["reading"]))
    return Decision(row["number"], row["reader"], reading, json.loads(row["comparison"]))
