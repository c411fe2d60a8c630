"""The views of the heart in two-dimensional ultrasound that cvai tells apart."""

from __future__ import annotations

from enum import StrEnum


class EchoView(StrEnum):
    """What an ultrasound image shows; the value is the name used in cards, files and messages."""

    APICAL_4_CHAMBER = "a4c"
    APICAL_2_CHAMBER = "a2c"
    OTHER = "other"
    """Anything that is neither, an image of no heart included."""
