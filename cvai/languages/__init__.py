"""What readers see in their language: one catalogue for each language but English.

English text is the key of its translation (gettext's msgid), so that code and templates read as they are
shown. A catalogue is a gettext PO file in this folder, read when it is first needed; ``make languages`` adds
the texts of the code to it. A text without a translation is shown in English.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from cvai.languages.po import Entry, read_entries

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = MappingProxyType({ENGLISH: "English", "de": "Deutsch"})
"""Their names for themselves by ISO 639-1 code."""


def msgid(text: str) -> str:
    """The text itself: marks one that is translated where it is shown, so that catalogues get it."""
    return text


@cache
def translator(language: str) -> Callable[[str], str]:
    """Turns English texts into those of a language of ``LANGUAGES``; unknown texts are returned as they are.

    >>> translator("en")("Worklist"), translator("de")("no such text")
    ('Worklist', 'no such text')
    """
    if language == ENGLISH:
        return msgid
    known = {entry.msgid: entry.msgstr for entry in entries(language) if entry.msgstr}
    return lambda text: known.get(text, text)


@cache
def entries(language: str) -> tuple[Entry, ...]:
    """The catalogue of a language other than English."""
    text = resources.files(__package__).joinpath(f"{language}.po").read_text(encoding="utf-8")
    return tuple(read_entries(text))
