"""How often the intervals that were stated hold on what readers sign."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from cvai.domain.shares import Share
from cvai.jobs.reading import Verdict
from cvai.review.database import Database
from cvai.review.decisions import Decision, Decisions

log = structlog.get_logger(__name__)

NEWEST = 500
"""Decisions that are watched: a long history would hide that intervals have ceased to hold."""

LEAST_COVERAGE, FEWEST_STUDIES = 0.8, 30
"""Intervals are stated for 90 % of patients; below this share of so many studies they do not hold here."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Signed studies whose signed value lies in the interval that cvai had stated.

    Args:
        kind: of the analysis.
        name: of the number.
        all: of all studies with an interval; one accepted as it was always counts as inside.
        changed: of those that readers corrected.
    """

    kind: str
    name: str
    all: Share
    changed: Share

    @property
    def is_low(self) -> bool:
        """Whether the intervals do not hold here."""
        value = self.all.value
        return value is not None and self.all.of >= FEWEST_STUDIES and value < LEAST_COVERAGE


def coverage(decisions: Iterable[Decision]) -> tuple[Coverage, ...]:
    """Coverage of every number that was stated with an interval; of several decisions the last one counts.

    Intervals of another model, or calibrated otherwise, than those that were signed last say nothing of these
    and are left out.

    Args:
        decisions: oldest first; older versions recorded no intervals.
    """
    last = {decision.reading.job.job_id: decision for decision in decisions}
    found: defaultdict[tuple[str, str], list[_Watched]] = defaultdict(list)
    for decision in sorted(last.values(), key=lambda decision: decision.number):
        for name, watched in _watched(decision):
            found["" if decision.spec is None else decision.spec.kind, name].append(watched)
    return tuple(_coverage(*key, found[key]) for key in found)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A signed value; ``stated`` is the model's digest and the site's factor of its interval."""

    stated: tuple[str, float]
    is_inside: bool
    is_changed: bool


def _watched(decision: Decision) -> Iterator[tuple[str, _Watched]]:
    intervals, factors = (decision.comparison.get(name, {}) for name in ("intervals", "factors"))
    is_changed = decision.reading.verdict is Verdict.CHANGED
    for name, (_, signed) in decision.comparison["measured"].items():
        if (interval := intervals.get(name)) is not None:
            stated = decision.reading.model.sha256, factors.get(name, 1.0)
            yield name, _Watched(stated, interval[0] <= signed <= interval[1], is_changed)


def _coverage(kind: str, name: str, studies: Sequence[_Watched]) -> Coverage:
    counted = [study for study in studies if study.stated == studies[-1].stated]
    inside = [study.is_inside for study in counted]
    changed = [study.is_inside for study in counted if study.is_changed]
    return Coverage(kind, name, Share(sum(inside), len(inside)), Share(sum(changed), len(changed)))


class SignedCoverage:
    """Coverage of the newest decisions of a page, computed when one was added.

    The log says once where intervals cease to hold (``intervals_do_not_hold``), and where they hold again.

    Args:
        path: of the page's database; nothing is known while there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._found: Mapping[tuple[str, str], Share] = {}
        self._low: frozenset[tuple[str, str]] = frozenset()

    def __call__(self) -> Mapping[tuple[str, str], Share]:
        """By kind of analysis and name of number; the last that is known while the database is busy."""
        if self._path.is_file():
            with suppress(sqlite3.Error), closing(Database(self._path)) as database:
                self._update(Decisions(database))
        return self._found

    def _update(self, decisions: Decisions) -> None:
        if (newest := decisions.newest_number()) != self._at:
            found = coverage(decisions.newest(NEWEST))
            self._found, self._at = {(each.kind, each.name): each.all for each in found}, newest
            self._note_low(frozenset((each.kind, each.name) for each in found if each.is_low))

    def _note_low(self, low: frozenset[tuple[str, str]]) -> None:
        for kind, number in sorted(low - self._low):
            share = self._found[kind, number]
            log.warning("intervals_do_not_hold", kind=kind, number=number, held=share.count, of=share.of)
        for kind, number in sorted(self._low - low):
            log.info("intervals_hold_again", kind=kind, number=number)
        self._low = low
