"""Texts that readers see, collected from the code into the catalogues of cvai/languages.

``python -m benchmarks.languages`` adds new texts to each catalogue without a translation and takes out those
that are shown no more. A test compares, and asks for every translation.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from jinja2 import Environment
from jinja2.ext import extract_from_ast

from cvai.analyses import cine_sax, echo_apical, late_enhancement
from cvai.analyses.coronary.codes import coronary_coding
from cvai.analyses.echo_apical.codes import echo_coding
from cvai.analyses.late_enhancement.codes import enhancement_coding
from cvai.analyses.registry import ANALYSES
from cvai.dicom.read.reports.quantities import BODY, QUANTITIES
from cvai.dicom.write.codes import CardiacPhase, measurement_coding
from cvai.dicom.write.entered import ENTERED_CODINGS
from cvai.domain.anatomy import Structure
from cvai.domain.ventricles.circumferential import Layer
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level
from cvai.domain.ventricles.wall_motion import MotionGrade
from cvai.domain.vessels.narrowings import Grade
from cvai.domain.vessels.segments import CoronarySegment
from cvai.jobs.job import JobState
from cvai.jobs.reading import Verdict
from cvai.languages import ENGLISH, LANGUAGES, entries
from cvai.languages.po import Entry, po_text
from cvai.models.card import load_card
from cvai.review.decisions import LookVerdict
from cvai.review.listing import RowState
from cvai.review.sign_in.accounts import Role
from cvai.review.viewers.bullseye import CAP
from cvai.review.wording import parts_of

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "cvai"

Shown = Mapping[str, tuple[int | str, ...]]
"""Which arguments of which calls in Python are shown to readers, by place or name."""

ARGUMENTS_SHOWN: Shown = {
    "msgid": (0,),
    "_": (0,),
    "say": (0,),
    "term": (0,),
    "Bullseye": (0,),
    "Wall": ("title", "columns", "missing", "scores_title"),
}

ERRORS_SHOWN: Shown = dict.fromkeys(
    ("AccessDenied", "Outdated", "RequestInvalid", "TemporarilyUnavailable"), (1, 2)
)
"""The same of errors that the page raises."""

IN_TEMPLATES = ("_", "_html")
IN_SCRIPTS = re.compile(r'\b_\(\s*("(?:[^"\\\n]|\\.)*")')
SHOWN_FIELDS = frozenset(("columns", "crossings", "missing", "note", "reasons", "short", "subject", "title"))
"""Of the values that describe an analysis and its page."""

SHOWN_NAMES: tuple[type[StrEnum], ...] = (JobState, LookVerdict, Role, RowState, Verdict)
"""Kinds of states and the like that are shown as they are called, with spaces."""

with (SOURCE / "domain" / "normals.csv").open(encoding="utf-8", newline="") as table:
    _NORMALS = list(csv.DictReader(table))
_CARDS = [tomllib.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("models/*/card.toml")]
NAMES_SAID: Mapping[str, Iterable[str]] = {
    "cvai/domain/anatomy.py": [structure.display_name for structure in Structure],
    "cvai/domain/vessels/segments.py": [segment.display_name for segment in CoronarySegment],
    "cvai/domain/ventricles/segments.py": [
        *Level,
        *(segment.display_name for segment in WALL_SEGMENTS),
    ],
    "cvai/domain/ventricles/wall_motion.py": [grade.display_name for grade in MotionGrade],
    "cvai/domain/ventricles/circumferential.py": [layer.display_name for layer in Layer],
    "cvai/dicom/write/entered.py": [coding.title for coding in ENTERED_CODINGS.values()],
    "cvai/domain/normals.csv": [row[name] for row in _NORMALS for name in ("limits", "ethnicity", "caveat")],
    "models": [card["convention"] for card in _CARDS],
    "cvai/domain/vessels/narrowings.py": list(Grade),
    "cvai/dicom/write/codes.py": [phase.capitalize() for phase in CardiacPhase],
    "cvai/analyses": [
        title for spec in ANALYSES for title in (spec.results.title, spec.results.title.lower())
    ],
    "cvai/dicom/read/reports/quantities.py": [
        quantity.title for quantity in (*QUANTITIES.values(), *BODY.values())
    ],
}
"""Names of tables that messages say."""

Places = dict[str, set[str]]
"""Files by the text that they show."""


def shown_texts() -> Places:
    """Every text that is translated where it is shown, and where it is from."""
    places: Places = defaultdict(set)
    for folder, pattern, texts in (
        (SOURCE, "*.py", in_python),
        (SOURCE / "review", "*.py", in_errors),
        (SOURCE, "*.html", in_template),
        (SOURCE, "*.js", in_script),
    ):
        for path in folder.rglob(pattern):
            for text in texts(path.read_text(encoding="utf-8")):
                places[text].add(path.relative_to(ROOT).as_posix())
    for spec in ANALYSES:
        for text in of_analysis((spec.title, spec.views, spec.headline, spec.page)):
            places[text].add(f"cvai/analyses/{spec.kind}")
    for name in names_shown():
        for part in parts_of(name):
            if any(map(str.isalpha, part)):
                places[part].add("cvai/domain")
    for file, names in NAMES_SAID.items():
        for name in filter(None, names):
            places[name].add(file)
    for kind in SHOWN_NAMES:
        for member in kind:
            places[member.replace("_", " ")].add(f"{kind.__module__.replace('.', '/')}.py")
    return places


def names_shown() -> Iterator[str]:
    """Names of measurements that are listed or compared, and of what they are of."""
    yield from (segment.display_name for segment in (*WALL_SEGMENTS, *CoronarySegment))
    yield from (grade.display_name for grade in MotionGrade)
    yield CAP
    yield from (measurement_coding(name).meaning for name in cine_sax.SPEC.compared)
    yield from (enhancement_coding(name).meaning for name in late_enhancement.SPEC.compared)
    for view in echo_apical.SPEC.views:
        yield from (echo_coding(view)(name).meaning for name in echo_apical.SPEC.compared)
    lesion = ("stenosis", "minimal_diameter", "reference_diameter", "length")
    for name in ("max_stenosis", *(f"lesion_1_{what}" for what in lesion)):
        yield coronary_coding(name, {1: CoronarySegment.SEGMENT_1}).meaning
    yield from (load_card(path.parent).convention for path in ROOT.glob("models/*/card.toml"))


def in_python(source: str) -> Iterator[str]:
    """Literals that are marked as shown."""
    return of_calls(source, ARGUMENTS_SHOWN)


def in_errors(source: str) -> Iterator[str]:
    """Literals of the errors that a module of the page raises."""
    return of_calls(source, ERRORS_SHOWN)


def of_calls(source: str, shown: Shown) -> Iterator[str]:
    """Literals in the arguments ``shown`` of calls."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        arguments = {**dict(enumerate(call.args)), **named}
        for argument in shown.get(getattr(call.func, "id", ""), ()):
            if argument in arguments and not isinstance(arguments[argument], ast.JoinedStr):
                yield from literals(arguments[argument])


def literals(argument: ast.expr) -> Iterator[str]:
    """Texts in an argument, of which a tuple may have several."""
    for node in ast.walk(argument):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            yield node.value


def in_template(source: str) -> Iterator[str]:
    """Literals that a Jinja template translates."""
    tree = Environment(autoescape=True).parse(source)
    yield from (texts[0] for _, _, texts in extract_from_ast(tree, IN_TEMPLATES, babel_style=False))


def in_script(source: str) -> Iterator[str]:
    """Literals that a module of the page translates."""
    return (json.loads(literal) for literal in IN_SCRIPTS.findall(source))


def of_analysis(value: Any, name: str = "title") -> Iterator[str]:
    """Texts for readers in a description of an analysis, or in the field of one."""
    if isinstance(value, str):
        if value and name in SHOWN_FIELDS:
            yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from of_analysis(getattr(value, field.name), field.name)
    elif isinstance(value, Mapping):
        yield from (text for inner in value.values() for text in of_analysis(inner, name))
    elif isinstance(value, tuple | list):
        yield from (text for inner in value for text in of_analysis(inner, name))


def catalogue(known: Iterable[Entry], places: Places) -> list[Entry]:
    """An entry for every text, translated as it is known."""
    translated = {entry.msgid: entry for entry in known}
    return [
        Entry(
            text,
            translated[text].msgstr if text in translated else "",
            tuple(sorted(files)),
            translated[text].flags if text in translated else (),
        )
        for text, files in places.items()
    ]


def main() -> None:
    places = shown_texts()
    for language in LANGUAGES.keys() - {ENGLISH}:
        made = catalogue(entries(language), places)
        path = SOURCE / "languages" / f"{language}.po"
        path.write_text(po_text(language, made), encoding="utf-8")
        missing = sum(not entry.msgstr for entry in made)
        print(f"{path.relative_to(ROOT)}: {len(made)} texts, {missing} not translated")


if __name__ == "__main__":
    main()
