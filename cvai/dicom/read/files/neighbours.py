"""Whose a file may be that does not say it: that of the studies it lies among."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


class Neighbours:
    """Where the files of studies lie.

    Args:
        files: path and StudyInstanceUID of every file that states one.
    """

    def __init__(self, files: Iterable[tuple[Path, str]]) -> None:
        studies: dict[Path, set[str]] = defaultdict(set)
        for path, study_uid in files:
            studies[path.parent].add(study_uid)
        self._below: dict[Path, set[str]] = defaultdict(set)
        for folder, study_uids in studies.items():
            for above in (folder, *folder.parents):
                self._below[above] |= study_uids

    def of(self, path: Path) -> frozenset[str]:
        """StudyInstanceUIDs of what lies in and below the nearest folder above that holds any."""
        nearest = next((folder for folder in path.parents if folder in self._below), None)
        return frozenset() if nearest is None else frozenset(self._below[nearest])
