"""Ways to ask an archive for a list by QIDO-RS (PS3.18 section 8.3.4), the standard's own first.

Archives differ in how many rows they let one ask for and in whether attributes may be asked for. Each list is
asked for in these ways until an answer is complete; the way that was understood is used from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from cvai.archive.foreign_json import Foreign

R = TypeVar("R", bound=Foreign)

Query: TypeAlias = list[tuple[str, str]]


class Fields(Enum):
    """How the attributes of a list are asked for."""

    NAMED = "named"
    ALL = "all"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One way to ask for a list.

    Args:
        limit: rows at a time at most, None to leave it to the archive.
        fields: how attributes are asked for.
    """

    limit: int | None
    fields: Fields

    def query(self, filters: Mapping[str, str], tags: Sequence[str], limit: int | None, offset: int) -> Query:
        """The parameters of a request for at most ``limit`` rows, None for as many as there are."""
        query = list(filters.items())
        if limit is not None and self.limit is not None:
            query.append(("limit", str(min(limit, self.limit))))
        if offset:
            query.append(("offset", str(offset)))
        return query + self._included(tags)

    def _included(self, tags: Sequence[str]) -> Query:
        match self.fields:
            case Fields.NAMED:
                return [("includefield", tag) for tag in tags]
            case Fields.ALL:
                return [("includefield", "all")]
            case Fields.UNASKED:
                return []


PHRASINGS = tuple(Phrasing(limit, fields) for fields in Fields for limit in (200, 100, None))
"""200 is the most that Azure's service takes, 100 what it sends unasked."""

PHRASINGS_WITHOUT_LIMIT = tuple(phrasing for phrasing in PHRASINGS if phrasing.limit is None)


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """Rows of an answer: those that make sense, and how many there were in all."""

    rows: tuple[R, ...]
    n_received: int

    @property
    def complete(self) -> bool:
        """Whether every row makes sense and tells what it was asked for."""
        return len(self.rows) == self.n_received and all(row.complete for row in self.rows)


@dataclass
class AskedList(Generic[R]):
    """One kind of list that an archive is asked for, and how it wants to be asked.

    Args:
        row: what is in it.
        key: field of ``row`` that names it.
        tags: attributes that are asked for.
        phrasings: ways to ask, those that have failed left out.
    """

    row: type[R]
    key: str
    tags: Sequence[str]
    phrasings: tuple[Phrasing, ...]
    _understood: bool = False

    @property
    def to_be_tried(self) -> tuple[Phrasing, ...]:
        """The way that has been understood, before that every one."""
        return self.phrasings[:1] if self._understood else self.phrasings

    def learn(self, number: int) -> None:
        """The archive has answered rows to the way of this number."""
        if not self._understood:
            self.phrasings, self._understood = self.phrasings[number:], True
