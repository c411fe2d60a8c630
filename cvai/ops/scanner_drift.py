"""Detects drift by scanner: of every number, refusals and findings, against the scanner's first studies.

A scanner is manufacturer, model and nominal field strength, as images state them; nothing of a patient is
kept.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from math import isfinite
from statistics import fmean, median
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from cvai.dicom.read.acquired import Acquired
from cvai.domain.message import Message, say
from cvai.jobs.database import answering, create_where_missing
from cvai.jobs.job import StudyJob
from cvai.languages import msgid

WATCHED = Table(
    "cvai_watched",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("model_sha256", String, nullable=False),
    Column("scanner", String, nullable=False),
    Column("refused", String, nullable=False),
    Column("numbers", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Index("cvai_watched_by_scanner", "kind", "model_sha256", "scanner", "number"),
)
"""The first and the newest studies of each scanner; those between are removed."""

REFERENCE = 100
"""The first studies of a scanner with a model: what later ones are compared with."""

NEWEST = 100
"""Studies after the reference that are compared with it."""

FEWEST = 30
"""Newest studies, and values of a number in either period, below which nothing is compared."""

DRIFTED_P = 0.001
"""Adjusted p value below which a difference is called drift. Every look is a test anew, therefore no 0.05."""

LONGEST_NAME = 100

NOT_STATED = msgid("not stated")


class Of(StrEnum):
    """What may drift."""

    NUMBER = "number"
    REFUSED = "refused"
    FINDING = "finding"


@dataclass(frozen=True, slots=True)
class WatchedStudy:
    """One study as it is watched.

    Args:
        scanner: see ``scanner_of``.
        refused: code of the refusal, empty where it was measured.
        numbers: value by name.
        findings: codes.
    """

    scanner: str
    refused: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    findings: frozenset[str] = frozenset()

    @classmethod
    def of(cls, result: Mapping[str, Any], refused: str) -> WatchedStudy:
        """Of an entry of result.json, empty where there is none."""
        stated = result.get("acquired")
        numbers = {m["name"]: float(m["value"]) for m in result.get("measurements") or []}
        return cls(
            scanner_of(Acquired() if stated is None else Acquired(**stated)),
            refused,
            {name: value for name, value in numbers.items() if isfinite(value)},
            frozenset(finding["code"] for finding in result.get("findings") or []),
        )


def scanner_of(acquired: Acquired) -> str:
    """Manufacturer, model and nominal field strength.

    >>> scanner_of(Acquired("Imaginary", "Ring", 2.89)), scanner_of(Acquired())
    ('Imaginary Ring, 3 T', 'not stated')
    """
    stated = ", ".join(filter(None, (acquired.scanner, acquired.nominal_field_strength)))
    return "".join(c if c.isprintable() else " " for c in stated)[:LONGEST_NAME] or NOT_STATED


@dataclass(frozen=True, slots=True)
class Shift:
    """How the newest studies of a scanner differ from its reference in one thing.

    Args:
        of: what it is.
        name: of the number, code of the finding; empty for refusals.
        before: mean of the number in the reference, or share of its studies, 0 to 1.
        after: the same of the newest.
        median_shift: of a number, newest minus reference; None for a share.
        p: of Mann and Whitney's test for a number, of Fisher's exact test for a share; two-sided, adjusted
            after Holm for all that is compared of the analysis and model.
    """

    of: Of
    name: str
    before: float
    after: float
    median_shift: float | None
    p: float

    @property
    def is_drift(self) -> bool:
        """Whether chance explains it badly."""
        return self.p < DRIFTED_P

    @property
    def words(self) -> Message:
        """What it is, before and after.

        >>> Shift(Of.REFUSED, "", 0.02, 0.3, None, 0.0).words
        'refused 2 % → 30 %'
        >>> Shift(Of.NUMBER, "lv_ef", 55.02, 49.6, -5.0, 0.0).words
        'lv_ef mean 55 → 49.6, median -5'
        """
        name, before, after = self.name, 100 * self.before, 100 * self.after
        match self.of:
            case Of.REFUSED:
                return say("refused {before:.0f} % → {after:.0f} %", before=before, after=after)
            case Of.FINDING:
                return say(
                    "finding {name} {before:.0f} % → {after:.0f} %", name=name, before=before, after=after
                )
        return say(
            "{name} mean {before:.3g} → {after:.3g}, median {shift:+.3g}",
            name=name,
            before=self.before,
            after=self.after,
            shift=self.median_shift or 0.0,
        )


@dataclass(frozen=True, slots=True)
class ScannerDrift:
    """One scanner with one analysis and model.

    Args:
        kind: of the analysis.
        model_sha256: of the model.
        scanner: see ``scanner_of``.
        n_reference: studies of the reference, refused ones included.
        n_newest: studies after it that are compared.
        shifts: the least p first; empty where there are too few studies.
    """

    kind: str
    model_sha256: str
    scanner: str
    n_reference: int
    n_newest: int
    shifts: tuple[Shift, ...]

    @property
    def drifted(self) -> tuple[Shift, ...]:
        """Shifts that chance explains badly."""
        return tuple(shift for shift in self.shifts if shift.is_drift)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        shifts = [{**asdict(shift), "is_drift": shift.is_drift} for shift in self.shifts]
        return {**asdict(self), "shifts": shifts}


class ScannerDrifts:
    """Studies by scanner, kept beside the jobs.

    Args:
        database: where jobs are kept; the table is created when missing.
        kept_s: how long what was compared is shown before it is compared again.
        clock: monotonic seconds.
    """

    def __init__(
        self, database: Engine, kept_s: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._kept_s = kept_s
        self._clock = clock
        self._compared: tuple[float, tuple[ScannerDrift, ...]] | None = None
        create_where_missing(WATCHED, database)

    def add(self, job: StudyJob, study: WatchedStudy) -> None:
        """Keep a study, in the place of an earlier run of its job."""
        values = {
            "kind": job.kind,
            "model_sha256": job.model_sha256,
            "scanner": study.scanner,
            "refused": study.refused,
            "numbers": json.dumps({name: float(f"{v:.6g}") for name, v in study.numbers.items()}),
            "findings": json.dumps(sorted(study.findings)),
        }
        with self._database.begin() as connection:
            former = update(WATCHED).where(WATCHED.c.job_id == job.job_id).values(values)
            if not connection.execute(former).rowcount:
                connection.execute(insert(WATCHED).values(job_id=job.job_id, **values))
            _remove_between(connection, job, study.scanner)

    @answering()
    def all(self) -> tuple[ScannerDrift, ...]:
        """Every scanner with every analysis and model, in this order.

        Raises:
            TemporarilyUnavailable: the database does not answer.
        """
        now = self._clock()
        if self._compared is None or now - self._compared[0] >= self._kept_s:
            self._compared = now, tuple(self._compare())
        return self._compared[1]

    def _compare(self) -> Iterator[ScannerDrift]:
        by_model: defaultdict[tuple[str, str], dict[str, list[WatchedStudy]]] = defaultdict(dict)
        with self._database.connect() as connection:
            for row in connection.execute(select(WATCHED).order_by(WATCHED.c.number)):
                study = WatchedStudy(
                    row.scanner, row.refused, json.loads(row.numbers), frozenset(json.loads(row.findings))
                )
                by_model[row.kind, row.model_sha256].setdefault(row.scanner, []).append(study)
        for (kind, model), studies in sorted(by_model.items()):
            yield from compared(kind, model, studies)


def _remove_between(connection: Connection, job: StudyJob, scanner: str) -> None:
    """Remove what is neither among the first studies of a scanner nor among its newest."""
    c = WATCHED.c
    of_scanner = (c.kind == job.kind, c.model_sha256 == job.model_sha256, c.scanner == scanner)
    numbers = select(c.number).where(*of_scanner)
    first = connection.scalars(numbers.order_by(c.number).offset(REFERENCE - 1).limit(1)).first()
    newest = connection.scalars(numbers.order_by(c.number.desc()).offset(NEWEST - 1).limit(1)).first()
    if first is not None and newest is not None:
        connection.execute(delete(WATCHED).where(*of_scanner, c.number > first, c.number < newest))


def compared(
    kind: str, model_sha256: str, by_scanner: Mapping[str, Sequence[WatchedStudy]]
) -> tuple[ScannerDrift, ...]:
    """Compare each scanner's newest studies with its first; p values are adjusted over all of them.

    Args:
        kind: of the analysis.
        model_sha256: of the model.
        by_scanner: studies in the order in which they ended.
    """
    found = []
    for scanner, studies in sorted(by_scanner.items()):
        reference, newest = studies[:REFERENCE], studies[REFERENCE:][-NEWEST:]
        shifts = tuple(_shifts(reference, newest)) if len(newest) >= FEWEST else ()
        found.append(ScannerDrift(kind, model_sha256, scanner, len(reference), len(newest), shifts))
    adjusted = iter(_holm([shift.p for drift in found for shift in drift.shifts]))
    made = [replace(d, shifts=tuple(replace(s, p=next(adjusted)) for s in d.shifts)) for d in found]
    return tuple(replace(d, shifts=tuple(sorted(d.shifts, key=lambda shift: shift.p))) for d in made)


def _shifts(reference: Sequence[WatchedStudy], newest: Sequence[WatchedStudy]) -> Iterator[Shift]:
    """Shifts with p values that are not adjusted."""
    yield _share_shift(Of.REFUSED, "", *([bool(s.refused) for s in part] for part in (reference, newest)))
    measured = [[study for study in part if not study.refused] for part in (reference, newest)]
    if min(map(len, measured)) < FEWEST:
        return
    for code in sorted({code for part in measured for study in part for code in study.findings}):
        yield _share_shift(Of.FINDING, code, *([code in s.findings for s in part] for part in measured))
    for name in dict.fromkeys(name for part in measured for study in part for name in study.numbers):
        before, after = ([s.numbers[name] for s in part if name in s.numbers] for part in measured)
        if min(len(before), len(after)) >= FEWEST:
            yield _number_shift(name, before, after)


def _share_shift(of: Of, name: str, before: Sequence[bool], after: Sequence[bool]) -> Shift:
    from scipy.stats import fisher_exact  # takes a quarter of a service's start

    table = np.array([[sum(part), len(part) - sum(part)] for part in (before, after)])
    return Shift(of, name, fmean(before), fmean(after), None, float(fisher_exact(table).pvalue))


def _number_shift(name: str, before: Sequence[float], after: Sequence[float]) -> Shift:
    from scipy.stats import mannwhitneyu

    # Where all values are equal there is no rank to compare.
    same = len({*before, *after}) == 1
    p = 1.0 if same else float(mannwhitneyu(before, after, method="asymptotic").pvalue)
    return Shift(Of.NUMBER, name, fmean(before), fmean(after), median(after) - median(before), p)


def _holm(values: Sequence[float]) -> Iterable[float]:
    """p values adjusted for their number (Holm, Scand J Stat 1979;6:65), in their order.

    >>> list(_holm([0.01, 0.04, 0.03]))
    [0.03, 0.06, 0.06]
    """
    adjusted = [1.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted
