"""Person names as people read them (PS3.5 section 6.2)."""

from __future__ import annotations

import unicodedata


def readable_name(person_name: str) -> str:
    """A DICOM person name, family name first, with its ideographic form where both are stated.

    >>> readable_name("Müller^Änne^Maria^Dr.")
    'Müller, Änne Maria'
    >>> readable_name("Yamada^Tarou=山田^太郎=やまだ^たろう")
    'Yamada, Tarou (山田 太郎)'
    >>> readable_name("=山田^太郎")
    '山田 太郎'
    """
    alphabetic, ideographic, phonetic = ([*map(_readable, person_name.split("=")), "", "", ""])[:3]
    if alphabetic and ideographic:
        return f"{alphabetic} ({ideographic})"
    return alphabetic or ideographic or phonetic


def _readable(group: str) -> str:
    """One group: family, given and middle name; names of wide letters need no comma."""
    family, *given = (component.strip() for component in group.split("^")[:3])
    parts = (family, " ".join(filter(None, given)))
    is_wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in group)
    return (" " if is_wide else ", ").join(filter(None, parts))
