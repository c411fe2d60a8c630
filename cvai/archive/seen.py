"""What each study was like when it was last announced: the memory of a feed that has no events."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine, bindparam, delete, insert, select

from cvai.archive.memory import STUDIES, make_tables, transaction


class SeenStudies:
    """One number by study in the jobs' database.

    An archive of a million studies has a million of them, of which a few change: rows are written where they
    changed, a JSON cursor would be kept in memory and written whole.

    Args:
        database: where jobs are kept; the table is made when missing.
        feed: whose memory it is.

    Raises:
        TemporarilyUnavailable: the database does not answer; also all below.
    """

    def __init__(self, database: Engine, feed: str) -> None:
        self._database = database
        self._feed = feed
        make_tables(database)

    def changed(self, studies: Mapping[str, int]) -> dict[str, int]:
        """Those of the studies whose number is not the saved one."""
        if not studies:
            return {}
        mine = STUDIES.c.feed == self._feed
        named = STUDIES.c.study_uid.in_(list(studies))
        asked = select(STUDIES.c.study_uid, STUDIES.c.number).where(mine, named)
        with transaction(self._database) as connection:
            saved = {row.study_uid: row.number for row in connection.execute(asked)}
        return {uid: number for uid, number in studies.items() if saved.get(uid) != number}

    def save(self, studies: Mapping[str, int]) -> None:
        """Remember these; they stand in the database when this returns."""
        if not studies:
            return
        rows = [{"feed": self._feed, "study_uid": uid, "number": n} for uid, n in studies.items()]
        replaced = (STUDIES.c.feed == self._feed) & (STUDIES.c.study_uid == bindparam("replaced"))
        with transaction(self._database) as connection:
            connection.execute(delete(STUDIES).where(replaced), [{"replaced": uid} for uid in studies])
            connection.execute(insert(STUDIES), rows)

    @property
    def empty(self) -> bool:
        """Whether no study has ever been saved."""
        with transaction(self._database) as connection:
            asked = select(STUDIES.c.study_uid).where(STUDIES.c.feed == self._feed).limit(1)
            return connection.execute(asked).first() is None
