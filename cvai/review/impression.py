"""The impression: what the page proposes, what a reader has written, and what is signed of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cvai.analyses.page import Number, Statement
from cvai.analyses.shown import Scores
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.read.header.text import lines, one_line
from cvai.dicom.write.report.document import readable_time
from cvai.domain.impression import Impression
from cvai.domain.measurement import Measurement
from cvai.languages import ENGLISH, translator
from cvai.review.page import Json, Page
from cvai.review.sign_in.accounts import Reader
from cvai.review.statements import Written
from cvai.review.summary import Summary
from cvai.review.wording import NORMALITY_WORDS, name_by_parts, normal_text, number_text, unit_text

Translate = Callable[[str], str]

IMPRESSION = "impression"
"""What statements of this kind are called in the database."""


def proposed_text(
    statements: Sequence[Statement],
    measurements: Sequence[Measurement],
    findings: Sequence[Mapping[str, Any]],
    language: str = ENGLISH,
    scored: Sequence[str] = (),
) -> str:
    """An impression from the numbers: values, where they stand against their normal range, and warnings.

    Args:
        statements: of the analysis.
        measurements: as they stand.
        findings: as in result.json.
        language: of the page, since the impression is what its reader says.
        scored: sentences of what a reader may score, see ``scored_sentences``.

    >>> statement = Statement("Cavity", (Number("mass", "mass", 0), Number("none", "not measured")))
    >>> found = Measurement("mass", 40.2, "g", normal=(52.0, 72.0))
    >>> proposed_text([statement], [found], [])
    'Cavity: mass 40 g (below normal, 52–72).'
    """
    if not statements and not scored:
        return ""
    _ = translator(language)
    by_name = {m.name: m for m in measurements}
    sentences = [*(_sentence(statement, by_name, _) for statement in statements), *scored]
    warnings = sum(finding["severity"] != "info" for finding in findings)
    if warnings > 1:
        several = _("{n} warnings speak against relying on these numbers, see the findings.")
        sentences.append(several.format(n=warnings))
    elif warnings:
        sentences.append(_("1 warning speaks against relying on these numbers, see the findings."))
    return "\n".join(filter(None, sentences))


def scored_sentences(scores: Scores, meaning: Callable[[str], str], language: str) -> tuple[str, ...]:
    """A sentence for each score as it stands, where the impression states them.

    Args:
        scores: as they stand.
        meaning: what a measurement is, by its name.
        language: of the page.
    """
    if not scores.concludes:
        return ()
    name = name_by_parts(language)
    return tuple(f"{name(s.title or meaning(s.name))}: {name(s.shown)}." for s in scores.scores)


def _sentence(statement: Statement, by_name: Mapping[str, Measurement], translate: Translate) -> str:
    made = [
        _value(number, by_name[number.name], by_name.get(f"{number.name}_index"), translate)
        for number in statement.numbers
        if number.name in by_name
    ]
    return f"{translate(statement.subject)}: {', '.join(made)}." if made else ""


def _value(number: Number, found: Measurement, index: Measurement | None, translate: Translate) -> str:
    by_surface = "" if index is None else f", {_stated(index, number.decimals, translate)}"
    return f"{translate(number.title)} {_stated(found, number.decimals, translate)}{by_surface}"


def _stated(found: Measurement, decimals: int, translate: Translate) -> str:
    value = f"{number_text(found.value, decimals)} {unit_text(found.unit)}"
    if found.normality is None:
        return value
    return f"{value} ({translate(NORMALITY_WORDS[found.normality])}, {normal_text(found)})"


def impression_json(page: Page, summary: Summary) -> Json:
    """What a reader has written last; ``number`` is 0 and the text empty where nothing stands."""
    written = page.statements.last(summary.job_id, IMPRESSION)
    text = "" if written is None else written.body["text"]
    told = {"number": 0 if written is None else written.number, "text": text}
    if written is None or not text:
        return {**told, "by": "", "at": ""}
    return {**told, "by": readable_name(written.person_name), "at": readable_time(written.at)}


def write_impression(page: Page, summary: Summary, reader: Reader, text: str, after: int) -> None:
    """Keep what a reader has written, an empty text for the proposal; see ``Statements.add`` for errors."""
    page.statements.add(summary.job_id, IMPRESSION, reader, {"text": lines(text).strip()}, after)


def signed_impression(
    text: str, proposed: str, written: Written | None, reader: Reader, at: datetime
) -> Impression | None:
    """The impression as it is signed; None where there is no text.

    Args:
        text: as the signing reader sees it.
        proposed: what the page proposes for the numbers that are signed.
        written: what stands of a reader.
        reader: who signs.
        at: when.
    """
    text = lines(text).strip()
    if not text:
        return None
    if written is not None and written.body["text"] == text:
        return Impression(text, written.person_name, written.at)
    if text == lines(proposed).strip():
        return Impression(text, "", at)
    return Impression(text, one_line(reader.person_name), at)
