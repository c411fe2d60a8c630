"""Variants of QIDO-RS queries (PS3.18 section 8.3.4), the standard's own first.

Archives differ in the largest ``limit`` and in the ``includefield`` they accept. The variants are tried until
a response is complete; the one that worked is used from then on.
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
    """How attributes are requested."""

    NAMED = "named"
    ALL = "all"
    DEFAULT = "unasked"


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One variant of a query.

    Args:
        limit: largest number of rows to request, None to leave it to the archive.
        fields: how attributes are requested.
    """

    limit: int | None
    fields: Fields

    def query(self, filters: Mapping[str, str], tags: Sequence[str], limit: int | None, offset: int) -> Query:
        """The parameters of a request for at most ``limit`` rows, None for all."""
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
            case Fields.DEFAULT:
                return []


PHRASINGS = tuple(Phrasing(limit, fields) for fields in Fields for limit in (200, 100, None))
"""200 is the maximum of Azure's service, 100 its default."""

PHRASINGS_WITHOUT_LIMIT = tuple(phrasing for phrasing in PHRASINGS if phrasing.limit is None)


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """The valid rows of a response, and the number of all."""

    rows: tuple[R, ...]
    n_received: int

    @property
    def complete(self) -> bool:
        """Whether every row is valid and has the requested attributes."""
        return len(self.rows) == self.n_received and all(row.complete for row in self.rows)


@dataclass
class ListQuery(Generic[R]):
    """One kind of list, and the query variants that the archive may understand.

    Args:
        row: model of a row.
        key: field of ``row`` that identifies it.
        tags: requested attributes.
        phrasings: variants, without those that have failed.
    """

    row: type[R]
    key: str
    tags: Sequence[str]
    phrasings: tuple[Phrasing, ...]
    _understood: bool = False

    @property
    def candidates(self) -> tuple[Phrasing, ...]:
        """The variant that has worked; all of them before that."""
        return self.phrasings[:1] if self._understood else self.phrasings

    def learn(self, number: int) -> None:
        """Record that the archive returned rows for this variant."""
        if not self._understood:
            self.phrasings, self._understood = self.phrasings[number:], True
