"""gettext's PO files, as far as the catalogues here go: no plural forms, no contexts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEADER = """# Texts of cvai, see docs/howto/languages.md; entries are made by `make languages`.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A text and its translation.

    Args:
        msgid: in English.
        msgstr: translated; empty where it is not yet.
        places: files of the source that show it.
        flags: such as ``fuzzy``.
    """

    msgid: str
    msgstr: str = ""
    places: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def read_entries(text: str) -> Iterator[Entry]:
    r"""Entries of a PO file but its header.

    >>> list(read_entries('#: a.py b.html\nmsgid "Sign"\nmsgstr "Sig"\n"nieren"\n'))
    [Entry(msgid='Sign', msgstr='Signieren', places=('a.py', 'b.html'), flags=())]
    """
    for block in text.split("\n\n"):
        entry = _entry(block)
        if entry.msgid:
            yield entry


def _entry(block: str) -> Entry:
    found: dict[str, list[str]] = {"#:": [], "#,": [], "msgid": [], "msgstr": []}
    key = ""
    for line in block.splitlines():
        if line.startswith('"'):
            found[key].append(json.loads(line))
            continue
        key, _, rest = line.partition(" ")
        if key in ("#:", "#,"):
            found[key] += rest.replace(",", " ").split()
        elif key in found:
            found[key].append(json.loads(rest))
    return Entry("".join(found["msgid"]), "".join(found["msgstr"]), tuple(found["#:"]), tuple(found["#,"]))


def po_text(language: str, entries: Iterable[Entry]) -> str:
    """A PO file of entries, sorted by their text."""
    blocks = [HEADER.format(language=language), *map(_block, sorted(entries, key=lambda entry: entry.msgid))]
    return "\n".join(blocks)


def _block(entry: Entry) -> str:
    lines = [f"#: {' '.join(entry.places)}"] if entry.places else []
    lines += [f"#, {', '.join(entry.flags)}"] if entry.flags else []
    lines += [f"{key} {json.dumps(text, ensure_ascii=False)}" for key, text in _texts(entry)]
    return "\n".join(lines) + "\n"


def _texts(entry: Entry) -> tuple[tuple[str, str], ...]:
    return ("msgid", entry.msgid), ("msgstr", entry.msgstr)
