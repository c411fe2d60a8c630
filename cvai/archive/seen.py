"""The state of each study when it was last acknowledged, for feeds of archives without events."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine, bindparam, delete, insert, select

from cvai.archive.memory import STUDIES, make_tables, transaction

ASKED_AT_ONCE = 128
"""Studies in one statement. A connection to SQLite keeps the 128 statements it prepared last, and a pool has
five connections. One statement for each number of studies would take 22 MB of each in an archive that has
grown to a thousand, and those for powers of two up to a thousand 0.5 MB."""


class SeenStudies:
    """One number per study in the jobs' database.

    Unlike a JSON cursor this scales to a million studies: only changed rows are written.

    Args:
        database: where jobs are kept; the table is created when missing.
        feed: name of the feed.

    Raises:
        TemporarilyUnavailable: the database does not answer; also all below.
    """

    def __init__(self, database: Engine, feed: str) -> None:
        self._database = database
        self._feed = feed
        make_tables(database)

    def changed(self, studies: Mapping[str, int]) -> dict[str, int]:
        """The studies whose number differs from the saved one."""
        if not studies:
            return {}
        uids, saved = list(studies), dict[str, int]()
        with transaction(self._database) as connection:
            for first in range(0, len(uids), ASKED_AT_ONCE):
                named = STUDIES.c.study_uid.in_(_padded(uids[first : first + ASKED_AT_ONCE]))
                query = select(STUDIES.c.study_uid, STUDIES.c.number).where(
                    STUDIES.c.feed == self._feed, named
                )
                saved |= {row.study_uid: row.number for row in connection.execute(query)}
        return {uid: number for uid, number in studies.items() if saved.get(uid) != number}

    def save(self, studies: Mapping[str, int]) -> None:
        """Store these numbers durably."""
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
            query = select(STUDIES.c.study_uid).where(STUDIES.c.feed == self._feed).limit(1)
            return connection.execute(query).first() is None


def _padded(study_uids: list[str]) -> list[str]:
    """The last one repeated, up to a power of two: so there are few statements, see ``ASKED_AT_ONCE``."""
    length = 1 << (len(study_uids) - 1).bit_length()
    return study_uids + study_uids[-1:] * (length - len(study_uids))
