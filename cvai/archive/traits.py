"""What a study's headers say about it before anything is fetched: what selection rules look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

SENDER = "SourceApplicationEntityTitle"
"""Who sent the study, where the archive keeps that (PS3.10 7.1); no attribute of the images themselves."""

TRAIT_KEYWORDS = (
    "Modality",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "BodyPartExamined",
    "StationName",
    "RequestedProcedurePriority",
)
"""Attributes that are read; none identifies a patient."""

TRAIT_TAGS = {f"{tag_for_keyword(keyword):08X}": keyword for keyword in TRAIT_KEYWORDS}
"""Keyword by tag, as DICOM JSON writes tags."""


@dataclass(frozen=True, slots=True)
class StudyTraits:
    """Every value that the study's series have for each of TRAIT_KEYWORDS, and SENDER, by keyword.

    Raises:
        ValueError: an attribute that is none of these.
    """

    values: Mapping[str, frozenset[str]]

    def __post_init__(self) -> None:
        if unknown := self.values.keys() - {SENDER, *TRAIT_KEYWORDS}:
            raise ValueError(f"no traits: {sorted(unknown)}")

    @classmethod
    def of(cls, found: Iterable[tuple[str, str]]) -> StudyTraits:
        """Traits from (keyword, value) as series after series tells them; empty values tell nothing."""
        values: dict[str, set[str]] = {}
        for keyword, value in found:
            if value.strip():
                values.setdefault(keyword, set()).add(value.strip())
        return cls({keyword: frozenset(told) for keyword, told in values.items()})
