"""Limits the size of the results folder; never removes results that are not delivered yet."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)

Delivered: TypeAlias = Callable[[Iterable[str]], frozenset[str]]
"""Selects the folder names of jobs whose results are in the archive."""

SWEPT_EVERY_S = 600.0
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of retention, None for unlimited.

    Args:
        days: older results are removed.
        gigabytes: then the oldest are removed until this size is reached.
    """

    days: float | None = None
    gigabytes: float | None = None

    @property
    def any(self) -> bool:
        """Whether anything is ever removed."""
        return self.days is not None or self.gigabytes is not None


@dataclass(frozen=True, slots=True)
class _Kept:
    path: Path
    changed_s: float
    size: int


@dataclass(frozen=True, slots=True)
class Retention:
    """Removes delivered results by age and size, oldest first.

    Results of jobs that failed, are dead letters or still run are always kept: they may be the only copy.

    Args:
        results_folder: one folder per job.
        limits: of age and size.
        delivered: called before anything is removed.
        now: seconds since the epoch.
    """

    results_folder: Path
    limits: Limits
    delivered: Delivered
    now: Callable[[], float] = time.time

    def sweep(self) -> tuple[str, ...]:
        """Remove results over the limits; returns the names of the removed folders.

        Failures of disk or database are logged and left to the next sweep.
        """
        if not self.limits.any or not self.results_folder.exists():
            return ()
        try:
            return self._swept()
        except (OSError, SQLAlchemyError) as error:
            log.warning("results_not_swept", error=type(error).__name__)
            return ()

    def _swept(self) -> tuple[str, ...]:
        measured = (_measured(folder) for folder in self.results_folder.iterdir())
        kept = sorted(filter(None, measured), key=lambda k: k.changed_s)
        over = self._over(kept)
        delivered = self.delivered(k.path.name for k in over)
        gone = [k for k in over if k.path.name in delivered]
        for folder in gone:
            shutil.rmtree(folder.path, ignore_errors=True)
        if gone:
            freed = sum(k.size for k in gone)
            log.info("results_removed", folders=len(gone), megabytes=round(freed / 1e6))
        if undelivered := len(over) - len(gone):
            log.warning("results_kept_undelivered", folders=undelivered)
        return tuple(k.path.name for k in gone)

    def _over(self, oldest_first: list[_Kept]) -> list[_Kept]:
        """Results that are too old, then the oldest ones above the size limit."""
        days, gigabytes = self.limits.days, self.limits.gigabytes
        too_much = 0.0 if gigabytes is None else sum(k.size for k in oldest_first) - gigabytes * 1e9
        over = []
        for folder in oldest_first:
            too_old = days is not None and self.now() - folder.changed_s > days * SECONDS_A_DAY
            if too_old or too_much > 0:
                over.append(folder)
                too_much -= folder.size
        return over


def _measured(folder: Path) -> _Kept | None:
    """None when a repeated job is just replacing the folder."""
    try:
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        return _Kept(folder, folder.stat().st_mtime, size)
    except FileNotFoundError:
        return None
