"""The report in another language: everything of its own in it, names and numbers as they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cvai.dicom.write.analysis import Analysed, Verification
from cvai.dicom.write.fhir import fhir_bundle
from cvai.domain.findings import Finding, Severity
from cvai.domain.impression import Impression
from cvai.domain.message import translated
from cvai.domain.ventricles.quality import quality_findings
from cvai.domain.volumes import volume_curves_ml
from cvai.languages import entries, translator
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import CREATED, FULLY_KNOWN, context_of, make_analysis
from tests.dicom.write.test_pdf import run

NUMBERS = re.compile(r"\d+(?:\.\d+)?")
FIELD = re.compile(r"\\\{\w+(?::[^}]*)?\\\}")


def english_left(text: str) -> list[str]:
    """Texts of the catalogue that stand in English in a German text."""
    german = {entry.msgstr for entry in entries("de")}
    english = [entry.msgid for entry in entries("de") if entry.msgid not in german]
    words = [text for text in english if len(re.sub(r"\{[^}]*\}", "", text)) > 8]
    return [w for w in words if re.search(rf"(?<!\w){FIELD.sub('.{1,60}?', re.escape(w))}(?!\w)", text)]


def judged_cine(folder: Path) -> Analysed:
    """A cine with what is found on its labels, of a patient with normal ranges."""
    del folder
    analysis = make_analysis((6, 4, 30, 46), subject=FULLY_KNOWN)
    curves_ml = volume_curves_ml(analysis.segmentation)
    findings = quality_findings(analysis.segmentation, analysis.phases, curves_ml)
    assert len(findings) > 2
    model = replace(analysis.model, convention=None)  # of its card, which is in English
    return replace(analysis, findings=findings, model=model)


def signed_cine(folder: Path) -> Analysed:
    at = CREATED.astimezone()
    impression = Impression("Gut.", "", at)
    signer = Verification("Hart^Ada", "Haus", at, changed=True, digest="ab", impression=impression)
    return replace(judged_cine(folder), verification=signer)


@pytest.fixture(params=[judged_cine, signed_cine, echo_analysis])
def analysis(request: pytest.FixtureRequest, tmp_path: Path) -> Analysed:
    make: Callable[[Path], Analysed] = request.param
    return make(tmp_path)


def printed(analysis: Analysed, language: str, folder: Path) -> str:
    context = replace(context_of(analysis), language=language)
    path = folder / f"{language}.pdf"
    path.write_bytes(context.plan.report(context))
    return " ".join(run("pdftotext", path, "-").split())


def test_nothing_of_the_report_s_own_is_left_in_english(analysis: Analysed, tmp_path: Path) -> None:
    text = printed(analysis, "de", tmp_path)
    assert "NICHT FÜR DEN KLINISCHEN GEBRAUCH" in text
    assert english_left(text) == []
    english = printed(analysis, "en", tmp_path)
    assert len(english_left(english)) > 20


def test_numbers_of_a_german_report_are_those_of_the_english_one(analysis: Analysed, tmp_path: Path) -> None:
    german, english = (printed(analysis, language, tmp_path) for language in ("de", "en"))
    assert sorted(NUMBERS.findall(german)) == sorted(NUMBERS.findall(english))


def test_a_german_report_is_one_page(analysis: Analysed, tmp_path: Path) -> None:
    printed(analysis, "de", tmp_path)
    assert "Pages:           1" in run("pdfinfo", tmp_path / "de.pdf")


def test_findings_say_the_same_numbers_in_german(tmp_path: Path) -> None:
    for finding in judged_cine(tmp_path).findings:
        german = translated(finding.message, translator("de"))
        assert german != finding.message
        assert sorted(NUMBERS.findall(german)) == sorted(NUMBERS.findall(finding.message))


def test_a_patient_s_name_that_is_a_word_of_the_report_is_not_translated(tmp_path: Path) -> None:
    analysis = make_analysis((6, 4, 30, 46))
    named = replace(analysis, patient=replace(analysis.patient, name="Impression^Phase"))
    assert "Impression, Phase" in printed(named, "de", tmp_path)


def test_what_other_systems_read_stays_in_english(tmp_path: Path) -> None:
    finding = Finding("torn", Severity.WARNING, judged_cine(tmp_path).findings[0].message)
    analysis = replace(make_analysis((6, 4, 30, 46)), findings=(finding,))
    contexts = (replace(context_of(analysis), language=language) for language in ("en", "de"))
    first, second = (fhir_bundle(context) for context in contexts)
    assert first == second
