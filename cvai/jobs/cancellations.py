"""Studies whose analysis is not wanted any more: their jobs end as canceled at the next step."""

from __future__ import annotations

from sqlalchemy import Column, Engine, MetaData, String, Table, delete, insert, select

from cvai.domain.message import say
from cvai.errors import Canceled
from cvai.jobs.database import answering, create_where_missing

CANCELED = Table("cvai_canceled", MetaData(), Column("study_uid", String, primary_key=True))


class Cancellations:
    """Canceled studies, in the jobs' database, so that the worker that runs a job sees it.

    Args:
        database: where jobs are kept; the table is created when missing.

    Raises:
        TemporarilyUnavailable: the database does not answer; also all below.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        create_where_missing(CANCELED, database)

    @answering()
    def includes(self, study_uid: str) -> bool:
        """Whether the study's analysis is canceled."""
        wanted = select(CANCELED.c.study_uid).where(CANCELED.c.study_uid == study_uid)
        with self._database.connect() as connection:
            return connection.execute(wanted).first() is not None

    @answering()
    def request(self, study_uid: str) -> None:
        """Cancel the study's unfinished jobs."""
        with self._database.begin() as connection:
            connection.execute(delete(CANCELED).where(CANCELED.c.study_uid == study_uid))
            connection.execute(insert(CANCELED).values(study_uid=study_uid))

    @answering()
    def forget(self, study_uid: str) -> None:
        """Let the study be analysed."""
        with self._database.begin() as connection:
            connection.execute(delete(CANCELED).where(CANCELED.c.study_uid == study_uid))


def canceled() -> Canceled:
    """What ends a job whose study is canceled."""
    return Canceled(
        "canceled_on_request",
        say("the analysis was canceled on request of the worklist."),
        say("Nothing was stored; a new workitem, or cvai jobs retry, analyses the study."),
    )
