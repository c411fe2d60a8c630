"""In which language a reader sees the page."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Annotated

from fastapi import Depends, Request

from cvai.languages import ENGLISH, LANGUAGES, entries
from cvai.review.audited import page_of

LANGUAGE_COOKIE = "cvai_language"
"""What a reader has chosen in the page's header; it says nothing of who they are."""


def language_of(request: Request) -> str:
    """What the reader has chosen, else the site's language."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else page_of(request).options.language


TheLanguage = Annotated[str, Depends(language_of)]


@cache
def words_of_scripts(language: str) -> str:
    """JSON object of what the page's modules say, translations by English text; empty for English."""
    known = () if language == ENGLISH else entries(language)
    of_scripts = {e.msgid: e.msgstr for e in known if any(place.endswith(".js") for place in e.places)}
    return json.dumps(of_scripts, ensure_ascii=False)


@cache
def words_address(language: str) -> str:
    """Where ``words_of_scripts`` lie: another address for other words, so that browsers may keep them."""
    digest = hashlib.sha256(words_of_scripts(language).encode()).hexdigest()
    return f"/languages/{language}?{digest[:12]}"
