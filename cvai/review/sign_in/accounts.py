"""Who may use the page: readers with a role and a token, and the sessions they have opened.

Tokens and session keys are 256 random bits. What is kept is their SHA-256, which is as hard to turn back as
the key is to guess: slow hashes are for secrets that people choose.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cvai.errors import AccessDenied, RequestInvalid
from cvai.review.database import Database

KEY_BYTES = 32


class Role(StrEnum):
    """What a reader may do; each may also do what those before it may."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    """Corrects and signs."""
    ADMIN = "admin"
    """Sees how readers and models agree."""

    def includes(self, other: Role) -> bool:
        """Whether who has this role may do what ``other`` may.

        >>> Role.ADMIN.includes(Role.REVIEWER), Role.VIEWER.includes(Role.REVIEWER)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(other)


def given_name_first(person_name: str) -> str:
    """A DICOM person name as readers are named in sentences.

    >>> given_name_first("Hart^Ada")
    'Ada Hart'
    """
    family, _, given = person_name.partition("^")
    return f"{given.replace('^', ' ').strip()} {family}".strip()


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may sign in.

    Args:
        name: short name, as logs and lists show it.
        role: what they may do.
        person_name: DICOM person name, ``Family^Given``, as it will stand in what they sign.
    """

    name: str
    role: Role
    person_name: str

    @property
    def readable_name(self) -> str:
        """The person name as people write it."""
        return given_name_first(self.person_name)


@dataclass(frozen=True, slots=True)
class Session:
    """A reader who has signed in, and the word that shows a request came from our own page."""

    reader: Reader
    csrf: str


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts: without a request, and in all."""

    idle_s: float = 3600.0
    longest_s: float = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as an OpenID provider tells.

    Args:
        issuer: of the provider.
        subject: by which it tells people apart, never given to another.
        reader: as they are to be known here.
    """

    issuer: str
    subject: str
    reader: Reader


class Accounts:
    """Readers and their sessions; sign-in by token, or as whom an OpenID provider says.

    Args:
        database: of the page.
        limits: how long a session lasts.
        clock: seconds since the epoch.
    """

    def __init__(
        self, database: Database, limits: SessionLimits, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock

    def add(self, name: str, role: Role, person_name: str) -> str:
        """Let somebody in; returns their token, which is not kept and cannot be shown again.

        Raises:
            RequestInvalid: ``reader_exists``.
        """
        token = secrets.token_urlsafe(KEY_BYTES)
        try:
            with self._database.transaction() as rows:
                rows.execute(
                    "INSERT INTO readers VALUES (?, ?, ?, ?)", (name, role, person_name, _digest(token))
                )
        except sqlite3.IntegrityError as error:
            raise RequestInvalid(
                "reader_exists",
                f"there is a reader {name} already.",
                "Remove it first, or choose another name.",
            ) from error
        return token

    def remove(self, name: str) -> None:
        """Let somebody in no more: their token and sessions end at once, what they signed stands.

        Raises:
            RequestInvalid: ``reader_unknown``.
        """
        with self._database.transaction() as rows:
            if rows.execute("DELETE FROM readers WHERE name = ?", (name,)).rowcount == 0:
                raise _unknown(name)

    def renew(self, name: str) -> str:
        """Give a reader a new token, as ``add`` does; the former one and their sessions end at once.

        Raises:
            RequestInvalid: ``reader_unknown``.
        """
        token = secrets.token_urlsafe(KEY_BYTES)
        with self._database.transaction() as rows:
            changed = rows.execute(
                "UPDATE readers SET token_sha256 = ? WHERE name = ?", (_digest(token), name)
            ).rowcount
            rows.execute("DELETE FROM sessions WHERE reader = ?", (name,))
        if changed == 0:
            raise _unknown(name)
        return token

    def with_last_sign_in(self) -> tuple[tuple[Reader, datetime | None], ...]:
        """Every reader by name, and when they signed in last; None where never, or before this was kept."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT readers.*, last_s FROM readers LEFT JOIN sign_ins ON sign_ins.reader = readers.name "
                "ORDER BY name"
            ).fetchall()
        return tuple(
            (_reader(row), None if row["last_s"] is None else datetime.fromtimestamp(row["last_s"], UTC))
            for row in found
        )

    def all(self) -> tuple[Reader, ...]:
        """Every reader, by name."""
        with self._database.transaction() as rows:
            found = rows.execute("SELECT name, role, person_name FROM readers ORDER BY name").fetchall()
        return tuple(_reader(row) for row in found)

    def names(self) -> dict[str, str]:
        """Names of all readers in sentences, by short name, which is added where two have one name."""
        readers = self.all()
        count = Counter(reader.readable_name for reader in readers)
        return {
            r.name: r.readable_name if count[r.readable_name] == 1 else f"{r.readable_name} ({r.name})"
            for r in readers
        }

    def reader_of(self, token: str) -> Reader:
        """The reader whose token this is.

        Raises:
            AccessDenied: ``sign_in_refused``: the token belongs to no reader.
        """
        with self._database.transaction() as rows:
            row = rows.execute(
                "SELECT * FROM readers WHERE token_sha256 = ?", (_digest(token.strip()),)
            ).fetchone()
        if row is None:
            raise AccessDenied(
                "sign_in_refused", "This token is not known here.", "Ask your administrator for a new one."
            )
        return _reader(row)

    def known_as(self, identity: Identity) -> Reader:
        """The reader an identity stands for, with the role and the name the provider tells now.

        Who is there for the first time is added. They keep their short name, whatever the provider calls them
        later: drafts and decisions stand under it.

        Raises:
            AccessDenied: ``reader_name_taken``: another reader has this short name.
        """
        stated = identity.reader
        with self._database.transaction() as rows:
            known = rows.execute(
                "SELECT reader FROM identities WHERE issuer = ? AND subject = ?",
                (identity.issuer, identity.subject),
            ).fetchone()
            if known is None:
                _add_identity(rows, identity)
                return stated
            rows.execute(
                "UPDATE readers SET role = ?, person_name = ? WHERE name = ?",
                (stated.role, stated.person_name, known["reader"]),
            )
        return Reader(known["reader"], stated.role, stated.person_name)

    def has_identity(self, name: str) -> bool:
        """Whether a reader signs in through an OpenID provider."""
        with self._database.transaction() as rows:
            return rows.execute("SELECT 1 FROM identities WHERE reader = ?", (name,)).fetchone() is not None

    def begin(self, reader: Reader) -> str:
        """Open a session; returns its key, for the reader's cookie."""
        key, now_s = secrets.token_urlsafe(KEY_BYTES), self._clock()
        with self._database.transaction() as rows:
            rows.execute("DELETE FROM sessions WHERE begun_s < ?", (now_s - self._limits.longest_s,))
            rows.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
                (_digest(key), reader.name, secrets.token_urlsafe(KEY_BYTES), now_s, now_s),
            )
            rows.execute("INSERT OR REPLACE INTO sign_ins VALUES (?, ?)", (reader.name, now_s))
        return key

    def session(self, key: str, *, in_use: bool = True) -> Session | None:
        """The session of this key, kept alive by being in use; None when there is none any more.

        While the disk is full it is not kept alive, so that those who are signed in can read on.
        """
        if in_use:
            with suppress(sqlite3.OperationalError):
                self._keep_alive(key)
        now_s = self._clock()
        with self._database.transaction() as rows:
            row = rows.execute(
                "SELECT csrf, readers.* FROM sessions JOIN readers ON readers.name = sessions.reader "
                "WHERE key_sha256 = ? AND seen_s > ? AND begun_s > ?",
                (_digest(key), now_s - self._limits.idle_s, now_s - self._limits.longest_s),
            ).fetchone()
        return None if row is None else Session(_reader(row), row["csrf"])

    def _keep_alive(self, key: str) -> None:
        now_s = self._clock()
        with self._database.transaction() as rows:
            rows.execute(
                "UPDATE sessions SET seen_s = ? WHERE key_sha256 = ? AND seen_s > ? AND begun_s > ?",
                (now_s, _digest(key), now_s - self._limits.idle_s, now_s - self._limits.longest_s),
            )

    def is_signed_in(self, key: str) -> bool:
        """Whether this is the key of a session; asking does not keep it alive."""
        now_s = self._clock()
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT 1 FROM sessions WHERE key_sha256 = ? AND seen_s > ? AND begun_s > ?",
                (_digest(key), now_s - self._limits.idle_s, now_s - self._limits.longest_s),
            ).fetchone()
        return found is not None

    def end(self, key: str) -> None:
        """Close a session."""
        with self._database.transaction() as rows:
            rows.execute("DELETE FROM sessions WHERE key_sha256 = ?", (_digest(key),))

    def end_all_sessions(self) -> None:
        """Close every session: everybody has to sign in anew."""
        with self._database.transaction() as rows:
            rows.execute("DELETE FROM sessions")


def _unknown(name: str) -> RequestInvalid:
    return RequestInvalid(
        "reader_unknown", f"there is no reader {name}.", "cvai readers list shows those there are."
    )


def _add_identity(rows: sqlite3.Connection, identity: Identity) -> None:
    reader = identity.reader
    # A token that is given to no one: this reader has no other way in.
    no_token = _digest(secrets.token_urlsafe(KEY_BYTES))
    try:
        rows.execute(
            "INSERT INTO readers VALUES (?, ?, ?, ?)",
            (reader.name, reader.role, reader.person_name, no_token),
        )
    except sqlite3.IntegrityError as error:
        raise AccessDenied(
            "reader_name_taken",
            f"Another reader is called {reader.name} here.",
            "Your administrator removes that one (cvai readers remove), or has you called otherwise.",
        ) from error
    rows.execute("INSERT INTO identities VALUES (?, ?, ?)", (identity.issuer, identity.subject, reader.name))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _reader(row: sqlite3.Row) -> Reader:
    return Reader(row["name"], Role(row["role"]), row["person_name"])
