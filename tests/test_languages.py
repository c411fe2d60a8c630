"""Catalogues have every text that readers see, translated, with the same values in it, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from benchmarks.languages import catalogue, shown_texts
from cvai.languages import ENGLISH, LANGUAGES, entries, translator
from cvai.languages.po import Entry, po_text, read_entries
from tests.conftest import ROOT

OTHERS = sorted(LANGUAGES.keys() - {ENGLISH})
IN_BRACES, TAGS = re.compile(r"\{(\w*)[^}]*\}"), re.compile(r"</?\w+>")


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_the_texts_of_the_code_sorted_and_no_others(language: str) -> None:
    made = po_text(language, catalogue(entries(language), shown_texts()))
    assert (ROOT / "cvai" / "languages" / f"{language}.po").read_text(encoding="utf-8") == made, (
        "make languages"
    )


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_with_the_same_values_and_marks(language: str) -> None:
    known = entries(language)
    assert [e.msgid for e in known if not e.msgstr or e.flags] == []
    for part in (IN_BRACES, TAGS):
        assert [e for e in known if set(part.findall(e.msgid)) != set(part.findall(e.msgstr))] == []
    assert [e for e in known if e.msgid.endswith(".") and not e.msgstr.endswith(".")] == []


@pytest.mark.parametrize("language", OTHERS)
def test_gettext_takes_a_catalogue(language: str) -> None:
    if (msgfmt := shutil.which("msgfmt")) is None:
        pytest.skip("needs msgfmt (Debian package gettext)")
    command = [msgfmt, "--check", "--output-file=/dev/null", ROOT / "cvai" / "languages" / f"{language}.po"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_text_without_translation_stays_english() -> None:
    assert translator("de")("Worklist") == "Arbeitsliste"
    assert translator("de")("no such text") == "no such text"
    assert translator(ENGLISH)("Worklist") == "Worklist"


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry('"a"\n\n\\b', "ä\tö", ("a.py", "b.js"), ("fuzzy",))
    assert tuple(read_entries(po_text("de", [entry]))) == (entry,)
