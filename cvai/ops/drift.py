"""Detects drift in the distribution of what each analysis mainly measures."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from cvai.jobs.job import StudyJob

MEASURED = Table(
    "cvai_measured",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String, nullable=False, unique=True),
    Column("model_sha256", String, nullable=False, index=True),
    Column("lv_ef_percent", Float, key="value", nullable=False),
    Column("kind", String, nullable=False, server_default=""),
)
"""Headline measurements; older versions kept ejection fractions alone, and named the column so."""

WINDOW = 200
"""Studies on each side; a Kolmogorov-Smirnov distance of 0.14 then has p = 0.05."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The newest values compared with the first of the same analysis and model.

    Args:
        distance: largest difference of the two cumulative distributions, 0 to 1.
        p: p value of the distance (two-sample Kolmogorov-Smirnov test).
        mean_shift: newest mean minus first mean, in the unit of the measurement.
    """

    distance: float
    p: float
    mean_shift: float


class HeadlineValues:
    """Headline measurements of analyses in the order they were made, kept beside the jobs.

    Args:
        database: where jobs are kept; the table is created when missing.
        window: number of first and of newest values to compare.
    """

    def __init__(self, database: Engine, window: int = WINDOW) -> None:
        self._database = database
        self._window = window
        with suppress(DBAPIError):  # created by another worker since it was checked
            MEASURED.create(database, checkfirst=True)
            _add_the_kind(database)

    def add(self, job: StudyJob, model_sha256: str, value: float) -> None:
        """Store a value, replacing that of an earlier run of the job."""
        with self._database.begin() as connection:
            connection.execute(delete(MEASURED).where(MEASURED.c.job_id == job.job_id))
            connection.execute(
                insert(MEASURED).values(
                    job_id=job.job_id, model_sha256=model_sha256, value=value, kind=job.kind
                )
            )

    def drift(self, kind: str, model_sha256: str) -> Drift | None:
        """The drift; None until there are two disjoint windows of values.

        Values of older versions, which have no kind, count by their model.
        """
        from scipy.stats import ks_2samp  # takes a quarter of a service's start

        first, newest = self._ends(kind, model_sha256)
        if len(first) < self._window or first[-1][0] >= newest[-1][0]:
            return None
        reference, recent = [v for _, v in first], [v for _, v in newest]
        test = ks_2samp(reference, recent, method="asymp")
        shift = sum(recent) / len(recent) - sum(reference) / len(reference)
        return Drift(float(test.statistic), float(test.pvalue), shift)

    def _ends(self, kind: str, model_sha256: str) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """(number, value) of the first, in order, and of the newest, newest first."""
        of_model = select(MEASURED.c.number, MEASURED.c.value).where(
            MEASURED.c.model_sha256 == model_sha256, MEASURED.c.kind.in_([kind, ""])
        )
        with self._database.connect() as connection:
            first = connection.execute(of_model.order_by(MEASURED.c.number).limit(self._window))
            newest = connection.execute(of_model.order_by(MEASURED.c.number.desc()).limit(self._window))
            return [(r[0], r[1]) for r in first], [(r[0], r[1]) for r in newest]


def _add_the_kind(database: Engine) -> None:
    """Add the column to a table of an older version."""
    if "kind" not in {column["name"] for column in inspect(database).get_columns(MEASURED.name)}:
        with database.begin() as connection:
            connection.execute(
                text(f"ALTER TABLE {MEASURED.name} ADD COLUMN kind VARCHAR NOT NULL DEFAULT ''")
            )
