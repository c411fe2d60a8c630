"""Header values of a study that are known before it is fetched, for selection rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

SENDER = "SourceApplicationEntityTitle"
"""AE title of the sender, where the archive keeps it (PS3.10 7.1); not an attribute of the images."""

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
    """All values in the study's series of TRAIT_KEYWORDS and SENDER, by keyword.

    Raises:
        ValueError: another keyword.
    """

    values: Mapping[str, frozenset[str]]

    def __post_init__(self) -> None:
        if unknown := self.values.keys() - {SENDER, *TRAIT_KEYWORDS}:
            raise ValueError(f"no traits: {sorted(unknown)}")

    @classmethod
    def of(cls, found: Iterable[tuple[str, str]]) -> StudyTraits:
        """Traits from the (keyword, value) pairs of all series; empty values are ignored."""
        values: dict[str, set[str]] = {}
        for keyword, value in found:
            if value.strip():
                values.setdefault(keyword, set()).add(value.strip())
        return cls({keyword: frozenset(texts) for keyword, texts in values.items()})
