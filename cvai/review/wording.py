"""Rendering of the page's templates, and how values are worded on it."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from cvai import __version__
from cvai.analyses.registry import ANALYSES
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write.report.bounds import MARKS
from cvai.dicom.write.report.document import readable_date, readable_time
from cvai.domain.findings import NO_FINDINGS
from cvai.domain.measurement import Measurement, Normality

NORMALITY_WORDS = {Normality.LOW: "below normal", Normality.NORMAL: "normal", Normality.HIGH: "above normal"}
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
    outside = normality is not None and normality is not Normality.NORMAL
    return f"{NORMALITY_WORDS[normality]} for either sex" if normality is not None and outside else ""


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
    return "" if bounds is None else f"{bounds[0]:.{decimals}f}–{bounds[1]:.{decimals}f}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cvai.review"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        date=readable_date,
        moment=readable_time,
        person=readable_name,
        beyond=beyond_text,
        interval=interval_text,
        mark=mark_text,
        normal=normal_text,
        number=number_text,
        unit=unit_text,
    )
    environment.globals.update(
        version=__version__,
        no_findings=NO_FINDINGS,
        normality_words=NORMALITY_WORDS,
        view_words=VIEW_WORDS,
    )
    return environment


_TEMPLATES = _environment()


def render(template: str, **values: Any) -> str:
    """A template as HTML; every value is escaped."""
    return _TEMPLATES.get_template(template).render(**values)


def static_folder() -> str:
    """Where styles and scripts lie."""
    return str(resources.files("cvai.review").joinpath("static"))
