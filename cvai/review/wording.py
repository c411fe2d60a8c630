"""Rendering of the page's templates, and how values are worded on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from cvai import __version__
from cvai.analyses.registry import ANALYSES
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write.report.bounds import MARKS
from cvai.dicom.write.report.document import readable_date, readable_time
from cvai.dicom.write.result_json import stated_message, stated_remarks
from cvai.domain.findings import NO_FINDINGS
from cvai.domain.measurement import Measurement, Normality, bounds_text
from cvai.domain.message import translated
from cvai.languages import ENGLISH, LANGUAGES, msgid, translator
from cvai.review.language import words_address

NORMALITY_WORDS = {
    Normality.LOW: msgid("below normal"),
    Normality.NORMAL: msgid("normal"),
    Normality.HIGH: msgid("above normal"),
}
BEYOND_WORDS = {
    Normality.LOW: msgid("below normal for either sex"),
    Normality.HIGH: msgid("above normal for either sex"),
}
VIEW_WORDS = {view: words for spec in ANALYSES for view, words in spec.views.items()}


def number_text(value: float | None, decimals: int = 0) -> str:
    """A number, a dash where there is none.

    >>> number_text(54.27, 1), number_text(-0.2), number_text(None)
    ('54.3', '0', '–')
    """
    return "–" if value is None else f"{value:z.{decimals}f}"


def unit_text(ucum: str) -> str:
    """A UCUM unit as people write it; a score has none.

    >>> unit_text("mL/m2"), unit_text("mm[Hg]"), unit_text("{score}")
    ('mL/m²', 'mmHg', '')
    """
    return ucum.replace("m2", "m²").replace("mm[Hg]", "mmHg").replace("{score}", "")


def mark_text(measurement: Measurement) -> str:
    """The mark beside a value outside its normal range, as in the report; empty beside others.

    >>> mark_text(Measurement("mass", 40.0, "%", normal=(52.0, 72.0)))
    '▼'
    """
    normality = measurement.normality
    return "" if normality is None else MARKS.get(normality, "")


def beyond_text(measurement: Measurement, bounds: tuple[float, float] | None) -> str:
    """In words where a value lies beyond bounds that hold for either sex; empty where it does not.

    >>> beyond_text(Measurement("mass", 40.0, "%"), (46.0, 75.0))
    'below normal for either sex'
    """
    normality = None if bounds is None else replace(measurement, normal=bounds).normality
    return "" if normality is None else BEYOND_WORDS.get(normality, "")


def interval_text(measurement: Measurement, decimals: int = 0) -> str:
    """Bounds of a measurement's interval; empty where there is none.

    >>> interval_text(Measurement("mass", 55.0, "%", interval=(49.6, 61.2)))
    '50–61'
    """
    return _bounds(measurement.interval, decimals)


def normal_text(measurement: Measurement) -> str:
    """Bounds of a measurement's normal range; empty where there is none."""
    return _bounds(measurement.normal, 0)


def _bounds(bounds: tuple[float, float] | None, decimals: int) -> str:
    return "" if bounds is None else bounds_text(bounds, f".{decimals}f")


def parts_of(name: str) -> list[str]:
    """A name cut at commas and around numbers, with what is between its parts.

    >>> parts_of("lesion 1, left main")
    ['lesion', ' 1', ', ', 'left main']
    """
    return [part for part in re.split(r"(, | ?\b\d+\b ?)", name) if part]


def _saying(language: str) -> tuple[Callable[..., str], Callable[..., Markup]]:
    """``_`` and ``_html`` of the templates: a text translated, with values in the places of their {names}.

    ``_`` takes a message too, which has its values already.
    The text of ``_html`` holds markup of its own, and is a literal of the template; its values are escaped.
    """
    translate = translator(language)

    def say(text: str, **values: object) -> str:
        return translate(text).format(**values) if values else translated(text, translate)

    def say_html(text: str, **values: object) -> Markup:
        return Markup(translate(text)).format(**values)  # noqa: S704 - see above

    return say, say_html


def _within(language: str) -> Callable[[str], str]:
    """Turns a title into what stands for it within a sentence: German and others keep its first letter."""
    translate = translator(language)
    return lambda title: title.lower() if language == ENGLISH else translate(title)


def name_by_parts(language: str) -> Callable[[str], str]:
    """Translates a name of several parts, each by itself, such as ``1 basal anterior``; see ``parts_of``."""
    translate = translator(language)

    def name(text: str) -> str:
        whole = translated(text, translate)
        return whole if whole != text else "".join(map(translate, parts_of(text)))

    return name


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("cvai.review"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    say, say_html = _saying(language)
    environment.filters.update(
        in_words=say,
        within=_within(language),
        by_parts=name_by_parts(language),
        date=readable_date,
        moment=readable_time,
        person=readable_name,
        beyond=beyond_text,
        interval=interval_text,
        mark=mark_text,
        normal=normal_text,
        stated=stated_message,
        stated_remarks=stated_remarks,
        number=number_text,
        unit=unit_text,
    )
    environment.globals.update(
        _=say,
        _html=say_html,
        language=language,
        languages=LANGUAGES,
        words_address=words_address(language),
        version=__version__,
        no_findings=NO_FINDINGS,
        normality_words=NORMALITY_WORDS,
        view_words=VIEW_WORDS,
    )
    return environment


def render(template: str, language: str = ENGLISH, /, **values: Any) -> str:
    """A template as HTML in a language; every value is escaped."""
    return _environment(language).get_template(template).render(**values)


def static_folder() -> str:
    """Where styles and scripts lie."""
    return str(resources.files("cvai.review").joinpath("static"))
