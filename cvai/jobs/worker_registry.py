"""The roll of workers: who is at work on the jobs of one database."""

from __future__ import annotations

import secrets
from contextlib import suppress

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

WORKERS = Table(
    "cvai_workers",
    MetaData(),
    Column("worker", String, primary_key=True),
    Column("place", String, nullable=False),
    Column("beats", Integer, nullable=False),
)


def name_of(worker: str) -> str:
    """The name a worker was given, without what tells this start of it from others."""
    return worker.partition("/")[0]


class WorkerRegistry:
    """The living workers of one database, each with a count of its heartbeats.

    Every start of a worker is a worker of its own, ``name/token``: what is done to one that was declared dead
    can never hit the one that was started in its place. Counts are compared and no clocks: machines may
    disagree about the time, and clocks are set back.

    Args:
        database: where jobs are kept; the table is made when missing.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database

    def sign_on(self, name: str, place: str) -> str:
        """Enter a worker and return what it is called from now on.

        Args:
            name: as configured.
            place: what only one process of this name holds at a time; who stood there before is struck off.
        """
        with suppress(DBAPIError):  # another worker made it between the look and the making
            WORKERS.create(self._database, checkfirst=True)
        worker = f"{name}/{secrets.token_hex(4)}"
        with self._database.begin() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.place == place))
            connection.execute(insert(WORKERS).values(worker=worker, place=place, beats=0))
        return worker

    def beat(self, worker: str) -> bool:
        """Count one more heartbeat; False when the worker has been struck off."""
        one_more = update(WORKERS).where(WORKERS.c.worker == worker).values(beats=WORKERS.c.beats + 1)
        with self._database.begin() as connection:
            return connection.execute(one_more).rowcount > 0

    def living(self) -> dict[str, int]:
        """Heartbeats so far of every worker on the roll."""
        with self._database.connect() as connection:
            rows = connection.execute(select(WORKERS.c.worker, WORKERS.c.beats))
            return {row.worker: row.beats for row in rows}

    def strike_off(self, worker: str, beats: int | None = None) -> bool:
        """Take a worker off the roll, where ``beats`` is given only if it has not beaten since.

        True for exactly one caller.
        """
        unmoved = WORKERS.c.worker == worker
        if beats is not None:
            unmoved &= WORKERS.c.beats == beats
        with self._database.begin() as connection:
            return connection.execute(delete(WORKERS).where(unmoved)).rowcount > 0
