"""Catalogues have every text that readers see, translated, with the same values in it, and nothing else."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from benchmarks.languages import catalogue, shown_texts
from cvai.languages import ENGLISH, LANGUAGES, entries, translator
from cvai.languages.po import Entry, po_text, read_entries
from tests.conftest import ROOT

TEMPLATES = sorted((ROOT / "cvai" / "review" / "templates").glob("*.html"))
OTHERS = sorted(LANGUAGES.keys() - {ENGLISH})
FIELDS = re.compile(r"\{\w*:[^}]*\}")
IN_BRACES, TAGS = re.compile(r"\{(\w*)[^}]*\}"), re.compile(r"</?\w+>")


@pytest.mark.slow
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


WORD = re.compile(r"[A-Za-z]{2}")
CODE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
MARKUP = re.compile(r"<(code|kbd)\b.*?</\1>|<[^>]*>", re.DOTALL)
ATTRIBUTE = re.compile(r'(?:title|aria-label|placeholder)="([^"]*)"')
MACRO = re.compile(r"\{% macro (?:address|order).*?\{% endmacro %\}", re.DOTALL)
"""Parts of addresses and attributes."""
BLOCK = re.compile(r"\{% block kind %\}\w*\{% endblock %\}")
SAME_IN_EVERY_LANGUAGE = {"cvai", "CSV", "ED", "ES", "hart", "Family^Given"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_translates_every_text(path: Path) -> None:
    html = CODE.sub(" ", MACRO.sub("", BLOCK.sub("", unescape(path.read_text(encoding="utf-8")))))
    texts = ATTRIBUTE.findall(html) + MARKUP.sub("\n", html).splitlines()
    shown = {text.strip(" ·") for text in texts if WORD.search(text)}
    assert shown - SAME_IN_EVERY_LANGUAGE == set()


SAID = {
    "Finding": (2,),
    "Excluded": (1,),
    "Outcome": (2, 3),
    **dict.fromkeys(
        ("Refused", "FileRefused", "StudyRefused", "GeometryRefused", "HeartRefused", "CineNotFound"), (1, 2)
    ),
}
"""Arguments that readers are shown."""


def plain_sentences(path: Path) -> Iterator[str]:
    """Messages of a module that are no ``Message``, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        values: list[ast.expr] = []
        if isinstance(node, ast.Call):
            places = SAID.get(getattr(node.func, "id", ""), ())
            values = [node.args[place] for place in places if place < len(node.args)]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("message", "reason"):
            values = [node.value]
        for value in values:
            if isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and value.value):
                yield f"{path.relative_to(ROOT)}:{value.lineno}"


@pytest.mark.parametrize("folder", ["domain", "dicom", "analyses", "jobs"])
def test_findings_and_refusals_are_said_so_that_they_can_be_translated(folder: str) -> None:
    paths = sorted((ROOT / "cvai" / folder).rglob("*.py"))
    assert [found for path in paths for found in plain_sentences(path)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_numbers_have_the_same_digits_in_every_language(language: str) -> None:
    differing = [
        e.msgid
        for e in entries(language)
        if sorted(set(FIELDS.findall(e.msgid))) != sorted(set(FIELDS.findall(e.msgstr)))
    ]
    assert differing == []


def test_a_text_without_translation_stays_english() -> None:
    assert translator("de")("Worklist") == "Arbeitsliste"
    assert translator("de")("no such text") == "no such text"
    assert translator(ENGLISH)("Worklist") == "Worklist"


def test_an_entry_is_read_as_it_was_written() -> None:
    entry = Entry('"a"\n\n\\b', "ä\tö", ("a.py", "b.js"), ("fuzzy",))
    assert tuple(read_entries(po_text("de", [entry]))) == (entry,)
