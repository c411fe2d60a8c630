"""The workers that are alive on one jobs' database."""

from __future__ import annotations

import secrets

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, delete, insert, select, update

from cvai.jobs.database import create_where_missing

WORKERS = Table(
    "cvai_workers",
    MetaData(),
    Column("worker", String, primary_key=True),
    Column("place", String, nullable=False),
    Column("beats", Integer, nullable=False),
)


def name_of(worker: str) -> str:
    """The configured name of a worker, without the token of this start."""
    return worker.partition("/")[0]


class WorkerRegistry:
    """The living workers of one database, each with a count of its heartbeats.

    Every start has an identity of its own, ``name/token``: declaring a worker dead never affects its
    successor. Counts are compared instead of clocks, which differ between machines and may be set back.

    Args:
        database: where jobs are kept; the table is created when missing.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database

    def register(self, name: str, place: str) -> str:
        """Register a worker; returns its identity.

        Args:
            name: as configured.
            place: a resource that only one process can hold at a time; its previous holder is removed.
        """
        create_where_missing(WORKERS, self._database)
        worker = f"{name}/{secrets.token_hex(4)}"
        with self._database.begin() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.place == place))
            connection.execute(insert(WORKERS).values(worker=worker, place=place, beats=0))
        return worker

    def beat(self, worker: str) -> bool:
        """Count one heartbeat; False when the worker has been removed."""
        one_more = update(WORKERS).where(WORKERS.c.worker == worker).values(beats=WORKERS.c.beats + 1)
        with self._database.begin() as connection:
            return connection.execute(one_more).rowcount > 0

    def living(self) -> dict[str, int]:
        """Heartbeat count by worker."""
        with self._database.connect() as connection:
            rows = connection.execute(select(WORKERS.c.worker, WORKERS.c.beats))
            return {row.worker: row.beats for row in rows}

    def remove(self, worker: str, beats: int | None = None) -> bool:
        """Remove a worker; with ``beats`` given, only if its count is still the same.

        True for exactly one caller.
        """
        unmoved = WORKERS.c.worker == worker
        if beats is not None:
            unmoved &= WORKERS.c.beats == beats
        with self._database.begin() as connection:
            return connection.execute(delete(WORKERS).where(unmoved)).rowcount > 0
