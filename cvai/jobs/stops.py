"""The stop switch: which analyses are stopped, since when, by whom and why.

While an analysis is stopped its jobs run as ever, and end as withheld: nothing of what they measured leaves
the results folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Column, Engine, MetaData, String, Table, delete, insert, select

from cvai.domain.message import say
from cvai.errors import Withheld
from cvai.jobs.database import answering, create_where_missing

STOPPED = Table(
    "cvai_stopped",
    MetaData(),
    Column("kind", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("by", String, nullable=False),
    Column("since", String, nullable=False),
)

STOPPED_CODE = "analysis_stopped"


@dataclass(frozen=True, slots=True)
class Stop:
    """An analysis that is stopped.

    Args:
        reason: one line for readers.
        by: who stopped it.
        since: when, with its time zone.

    Raises:
        ValueError: no reason, or one that does not fit on a line.
    """

    reason: str
    by: str
    since: datetime

    def __post_init__(self) -> None:
        if not self.reason.strip() or not self.reason.isprintable():
            raise ValueError("a reason is one printable line")

    def to_json(self) -> dict[str, str]:
        """As in result.json."""
        return {**asdict(self), "since": self.since.isoformat()}

    @property
    def error(self) -> Withheld:
        """What ends a job whose results are withheld."""
        return Withheld(
            STOPPED_CODE,
            say(
                "the results are withheld: the analysis was stopped on {day} ({reason}).",
                day=f"{self.since:%Y-%m-%d}",
                reason=self.reason,
            ),
            say("They are kept, and delivered if they are released when the analysis is resumed."),
        )


class Stops:
    """Stopped analyses, in the jobs' database: every worker and the page see a stop at once.

    Args:
        database: where jobs are kept; the table is created when missing.

    Raises:
        TemporarilyUnavailable: the database does not answer; also all below.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        create_where_missing(STOPPED, database)

    @answering()
    def all(self) -> Mapping[str, Stop]:
        """Every stopped analysis by its kind."""
        with self._database.connect() as connection:
            rows = connection.execute(select(STOPPED).order_by(STOPPED.c.kind)).all()
        return {row.kind: Stop(row.reason, row.by, datetime.fromisoformat(row.since)) for row in rows}

    def of(self, kind: str) -> Stop | None:
        """The stop of an analysis, None while it runs."""
        return self.all().get(kind)

    @answering()
    def stop(self, kind: str, stop: Stop) -> None:
        """Stop an analysis; one that is stopped already keeps the time and gets the new reason."""
        earlier = self.of(kind)
        since = stop.since if earlier is None else earlier.since
        row = {"kind": kind, "reason": stop.reason, "by": stop.by, "since": since.isoformat()}
        with self._database.begin() as connection:
            connection.execute(delete(STOPPED).where(STOPPED.c.kind == kind))
            connection.execute(insert(STOPPED).values(row))

    @answering()
    def resume(self, kind: str) -> None:
        """Let an analysis deliver its results again."""
        with self._database.begin() as connection:
            connection.execute(delete(STOPPED).where(STOPPED.c.kind == kind))
