"""Segments of the coronary arteries, as the SYNTAX score names them.

Sianos et al., The SYNTAX Score, EuroIntervention 2005;1:219. Letters of side branches follow the American
Heart Association's scheme as modified for ARTS.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class CoronarySegment(StrEnum):
    """A segment of the tree; the value is the name used in cards, files and messages."""

    SEGMENT_1 = "syntax_1"
    SEGMENT_2 = "syntax_2"
    SEGMENT_3 = "syntax_3"
    SEGMENT_4 = "syntax_4"
    SEGMENT_5 = "syntax_5"
    SEGMENT_6 = "syntax_6"
    SEGMENT_7 = "syntax_7"
    SEGMENT_8 = "syntax_8"
    SEGMENT_9 = "syntax_9"
    SEGMENT_9A = "syntax_9a"
    SEGMENT_10 = "syntax_10"
    SEGMENT_10A = "syntax_10a"
    SEGMENT_11 = "syntax_11"
    SEGMENT_12 = "syntax_12"
    SEGMENT_12A = "syntax_12a"
    SEGMENT_13 = "syntax_13"
    SEGMENT_14 = "syntax_14"
    SEGMENT_14A = "syntax_14a"
    SEGMENT_15 = "syntax_15"
    SEGMENT_16 = "syntax_16"
    SEGMENT_16A = "syntax_16a"
    SEGMENT_16B = "syntax_16b"
    SEGMENT_16C = "syntax_16c"
    SEGMENT_12B = "syntax_12b"
    SEGMENT_14B = "syntax_14b"

    @property
    def number(self) -> str:
        """The SYNTAX number, such as ``9a``."""
        return self.value.removeprefix("syntax_")

    @property
    def display_name(self) -> str:
        """Readable name, as it stands in reports."""
        return _NAMES[self.number]


_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "1": "Proximal right coronary artery",
        "2": "Mid right coronary artery",
        "3": "Distal right coronary artery",
        "4": "Posterior descending artery from the right coronary artery",
        "5": "Left main coronary artery",
        "6": "Proximal left anterior descending artery",
        "7": "Mid left anterior descending artery",
        "8": "Apical left anterior descending artery",
        "9": "First diagonal branch",
        "9a": "First diagonal branch, additional",
        "10": "Second diagonal branch",
        "10a": "Second diagonal branch, additional",
        "11": "Proximal left circumflex artery",
        "12": "Intermediate or anterolateral branch",
        "12a": "First obtuse marginal branch",
        "12b": "Second obtuse marginal branch",
        "13": "Distal left circumflex artery",
        "14": "Left posterolateral branch",
        "14a": "Left posterolateral branch a",
        "14b": "Left posterolateral branch b",
        "15": "Posterior descending artery from the left circumflex artery",
        "16": "Posterolateral branch from the right coronary artery",
        "16a": "Right posterolateral branch a",
        "16b": "Right posterolateral branch b",
        "16c": "Right posterolateral branch c",
    }
)

CORONARY_LABELS: Mapping[CoronarySegment, int] = MappingProxyType(
    {segment: value for value, segment in enumerate(CoronarySegment, start=1)}
)
"""Label values of every segmentation of an angiogram that leaves cvai: the order of ARCADE's categories."""

RIGHT_SEGMENTS = (
    CoronarySegment.SEGMENT_1,
    CoronarySegment.SEGMENT_2,
    CoronarySegment.SEGMENT_3,
    CoronarySegment.SEGMENT_4,
    CoronarySegment.SEGMENT_16,
    CoronarySegment.SEGMENT_16A,
    CoronarySegment.SEGMENT_16B,
    CoronarySegment.SEGMENT_16C,
)
"""Of the right coronary artery and its branches."""

LEFT_SEGMENTS = tuple(segment for segment in CoronarySegment if segment not in RIGHT_SEGMENTS)
"""Of the left coronary artery and its branches."""

PROXIMAL_SEGMENTS = (
    CoronarySegment.SEGMENT_1,
    CoronarySegment.SEGMENT_2,
    CoronarySegment.SEGMENT_5,
    CoronarySegment.SEGMENT_6,
)
"""Large in every normal heart, whichever artery is dominant; the circumflex is not."""
