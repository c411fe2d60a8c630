"""HL7 messages by study: which have been acknowledged, and in which order they became ready."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from cvai.dicom.write.hl7 import ResultStatus
from cvai.jobs.database import answering, create_where_missing

MESSAGES = Table(
    "cvai_hl7_messages",
    MetaData(),
    Column("ticket", Integer, primary_key=True, autoincrement=True),
    Column("control_id", String, nullable=False, unique=True),
    Column("study_uid", String, nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("job_id", String, nullable=False),
    Column("patient", String, nullable=False),
    Column("status", String, nullable=False),
    Column("state", String, nullable=False),
)


class MessageState(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"
    LEFT_OUT = "left_out"
    """A newer message had been acknowledged before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of a study, without its contents.

    Args:
        ticket: its place in the order in which messages became ready.
        control_id: of the message as it was written.
        study_uid: StudyInstanceUID.
        kind: which analysis.
        job_id: of the job or the reading that sends it.
        patient: digest of the patient's identifier.
        status: of its results; the one that was sent where it is acknowledged.
        state: what became of it.
    """

    ticket: int
    control_id: str
    study_uid: str
    kind: str
    job_id: str
    patient: str
    status: ResultStatus
    state: MessageState


class Outbox:
    """The messages of all studies, in the jobs' database.

    Args:
        database: where jobs are kept; the table is created when missing.

    All methods raise TemporarilyUnavailable when the database does not answer.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        create_where_missing(MESSAGES, database)

    @answering()
    def entered(
        self,
        control_id: str,
        *,
        study_uid: str,
        kind: str,
        job_id: str,
        patient: str,
        status: ResultStatus,
    ) -> Entry:
        """The entry of a message; made at the first call, which decides its place in the order."""
        is_this = MESSAGES.c.control_id == control_id
        if found := self._found(is_this):
            return found[0]
        values = {"study_uid": study_uid, "kind": kind, "job_id": job_id, "patient": patient}
        new = insert(MESSAGES).values(
            control_id=control_id, status=str(status), state=str(MessageState.WAITING), **values
        )
        # Another worker may have entered it since it was looked for.
        with suppress(IntegrityError), self._database.begin() as connection:
            connection.execute(new)
        (entry,) = self._found(is_this)
        return entry

    @answering()
    def close(self, entry: Entry, state: MessageState, status: ResultStatus) -> None:
        """Record what became of a message, and the status that was sent."""
        done = update(MESSAGES).where(MESSAGES.c.control_id == entry.control_id)
        with self._database.begin() as connection:
            connection.execute(done.values(state=str(state), status=str(status)))

    @answering()
    def of_study(self, study_uid: str) -> tuple[Entry, ...]:
        """Every message of a study, in order."""
        return self._found(MESSAGES.c.study_uid == study_uid)

    def _found(self, condition: ColumnElement[bool]) -> tuple[Entry, ...]:
        query = select(MESSAGES).where(condition).order_by(MESSAGES.c.ticket)
        with self._database.connect() as connection:
            return tuple(map(_entry, connection.execute(query).mappings()))


def _entry(row: RowMapping) -> Entry:
    status, state = ResultStatus(row["status"]), MessageState(row["state"])
    return Entry(**{**row, "status": status, "state": state})


def last_acknowledged(entries: Sequence[Entry], kind: str) -> Entry | None:
    """The newest acknowledged message of an analysis."""
    found = [e for e in entries if e.kind == kind and e.state is MessageState.ACKNOWLEDGED]
    return found[-1] if found else None
