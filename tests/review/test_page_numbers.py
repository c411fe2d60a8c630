"""The measurements of a study in a real browser: decimals, marks, and cells that stay in few lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from cvai.analyses.former import FORMER_KINDS
from cvai.analyses.registry import analysis_of
from cvai.domain.measurement import Measurement
from cvai.domain.normals import with_normal_ranges
from cvai.domain.subject import Subject
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.review.sign_in.accounts import Role
from tests.review.light_page import LightPage, light_page
from tests.review.site import reader_at
from tests.review.test_analyses import Jobs, record

pytestmark = pytest.mark.servers

(VIEW,) = analysis_of(FORMER_KINDS[0]).views
BSA_M2 = 1.9
VOLUMES = {"lv_edv": 262.4, "lv_esv": 162.0, "lv_sv": 100.4, "rv_edv": 301.0, "rv_esv": 190.0, "rv_sv": 111.0}
OTHERS = {"lv_co": (6.52, "L/min"), "rv_co": (7.1, "L/min"), "lv_mass": (231.0, "g")}
CONVENTION = "as here: papillary muscles in the cavity"
FRACTIONS = {"lv_ef": 38.3, "rv_ef": 36.9}


def measured(subject: Subject) -> list[Measurement]:
    absolute = [Measurement(n, v, "mL", (v - 12, v + 12)) for n, v in VOLUMES.items()]
    absolute += [Measurement(name, value, unit) for name, (value, unit) in OTHERS.items()]
    indexed = [Measurement(f"{m.name}_index", m.value / BSA_M2, f"{m.unit}/m2") for m in absolute]
    fractions = [Measurement(n, v, "%", (v - 5, v + 5)) for n, v in FRACTIONS.items()]
    return list(with_normal_ranges([*absolute, *indexed, *fractions], subject))


def origin_of(measurement: Measurement) -> dict[str, Any] | None:
    if measurement.interval is None:
        return None
    return {"of": "site", "studies": 64, "on": "2026-11-30", "factor": 1.5}


def other(
    name: str, value: float, unit: str, *, within: bool | None, maker: str = "Echo Works 95"
) -> dict[str, Any]:
    """A value of another report, as result.json has it."""
    stated = {"name": name, "title": name, "value": value, "unit": unit, "one_of": 1}
    how = {"method": "method of discs, biplane", "view": "", "mode": "2D mode", "derivation": ""}
    compared = {"compared": within is not None, "within_interval": within}
    return stated | how | compared | {"source": {"maker": maker, "title": "Echo report", "verified": False}}


def analysed(
    results: Path, study_uid: str, subject: Subject, sex: str, others: list[dict[str, Any]] | None = None
) -> JobRecord:
    made = record(FORMER_KINDS[0], JobState.ANALYSED, 0, study_uid)
    path = results / made.job.job_id / "result.json"
    path.parent.mkdir(parents=True)
    values = [
        {"name": m.name, "meaning": m.name, "value": m.value, "unit": m.unit}
        | {"interval": m.interval, "normal": m.normal, "interval_from": origin_of(m)}
        for m in measured(subject)
    ]
    entry = {
        "kind": FORMER_KINDS[0],
        "view": VIEW,
        "measurements": values,
        "findings": [],
        "others": others or [],
        "body": {"from_report": ["height", "blood pressure"]},
        "excluded": [],
        "model": {
            "name": "sax",
            "version": "1",
            "sha256": "ab" * 32,
            "provider": "cpu",
            "convention": CONVENTION,
        },
    }
    patient = {"name": "Doe^Jane", "patient_id": "P-1", "sex": sex}
    told = {"schema": "cvai.result/2", "study_uid": study_uid, "patient": patient, "unreadable": []}
    path.write_text(json.dumps({**told, "analyses": [entry]}))
    return replace(made, outcome=replace(made.outcome, result=str(path.relative_to(results))))


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightPage]:
    folder = tmp_path_factory.mktemp("numbers")
    with light_page(folder) as made:
        known = analysed(folder / "results", "1.2.1", Subject("M", 55), "M")
        unknown = analysed(folder / "results", "1.2.2", Subject(), "")
        others = [
            other("lv_ef", 21.0, "%", within=False),
            other("lv_edv", 260.5, "mL", within=True),
            other("systolic_pressure", 128.0, "mm[Hg]", within=None, maker="<b>&Works"),
        ]
        reported = analysed(folder / "results", "1.2.3", Subject("M", 55), "M", others)
        cast("Any", made.page.worklist)._ledger = Jobs([known, unknown, reported])
        made.page.worklist.look()
        yield made


@pytest.fixture(scope="module")
def token(light: LightPage) -> str:
    return light.page.accounts.add("hart", Role.REVIEWER, "Hart^Ada")


def open_numbers(page: Page, light: LightPage, study_uid: str) -> None:
    """The study's page without its images, which there are none of."""
    page.route("**/static/study.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    (found,) = (r for r in cast("Any", light.page.worklist)._ledger.records if r.job.study_uid == study_uid)
    page.goto(f"{light.url}/studies/{found.job.job_id}")


def test_values_have_their_decimals_and_marks_and_no_cell_breaks(
    browser: Browser, light: LightPage, token: str, tmp_path: Path
) -> None:
    with reader_at(browser, cast("Any", light), token) as page:
        open_numbers(page, light, "1.2.1")
        page.screenshot(path=tmp_path / "numbers.png", full_page=True)
        assert page.inner_text('[data-value="lv_co_index"]') == "3.4"
        assert f"Contours {CONVENTION}." in page.inner_text("section[aria-labelledby=source-title]")
        note = page.inner_text("#interval-note")
        assert note == "90 % intervals: from 64 studies of this site (2026-11-30)."
        assert page.inner_text('[data-value="lv_edv_index"]') == "138"
        for found in measured(Subject("M", 55)):
            if found.normality is not None:
                shown = page.text_content(f'.numbers [data-mark="{found.name}"]')
                words = {"low": "▼below normal", "normal": "", "high": "▲above normal"}
                assert shown == words[found.normality], found.name
        lines = page.evaluate(
            """() => Math.max(...[...document.querySelectorAll("table.numbers td")].map((cell) =>
              cell.getBoundingClientRect().height / parseFloat(getComputedStyle(cell).lineHeight)))"""
        )
        assert lines < 4
        assert page.evaluate("document.querySelector('.panel').scrollWidth") <= page.evaluate(
            "document.querySelector('.panel').clientWidth"
        )
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []


def test_a_low_ejection_fraction_is_marked_where_no_sex_is_stated(
    browser: Browser, light: LightPage, token: str
) -> None:
    with reader_at(browser, cast("Any", light), token) as page:
        rows = page.inner_text("#rows")
        assert "below normal for either sex" in rows
        open_numbers(page, light, "1.2.2")
        assert page.inner_text('[data-either-sex="lv_ef"]') == "below normal for either sex"
        assert "Normal, either sex" in page.inner_text(".headline")
        room = page.evaluate("document.querySelector('.panel').clientWidth")
        assert page.evaluate("document.querySelector('.panel').scrollWidth") <= room


def test_an_address_without_a_page_is_told_as_a_page(browser: Browser, light: LightPage, token: str) -> None:
    with reader_at(browser, cast("Any", light), token) as page:
        answer = page.goto(f"{light.url}/nowhere")
        assert answer is not None
        assert answer.status == 404
        assert "There is no page at this address." in page.inner_text("h1")
        page.click("a.button")
        page.wait_for_selector("#rows")


def test_a_viewer_is_told_that_others_correct_and_sign(browser: Browser, light: LightPage) -> None:
    viewer = light.page.accounts.add("guest", Role.VIEWER, "Guest^Cy")
    with reader_at(browser, cast("Any", light), viewer) as page:
        open_numbers(page, light, "1.2.1")
        assert "a reviewer corrects and signs it" in page.inner_text("#decide")


def test_a_phone_shows_the_page_without_scrolling_sideways(
    browser: Browser, light: LightPage, token: str
) -> None:
    with reader_at(browser, cast("Any", light), token, {"width": 390, "height": 800}) as page:
        for address in (light.url, ""):
            if address:
                page.goto(address)
            else:
                open_numbers(page, light, "1.2.2")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_other_reports_state_stands_beside_what_was_measured(
    browser: Browser, light: LightPage, token: str, tmp_path: Path
) -> None:
    with reader_at(browser, cast("Any", light), token) as page:
        open_numbers(page, light, "1.2.1")
        assert page.locator("#others").count() == 0
        open_numbers(page, light, "1.2.3")
        page.locator("#others").screenshot(path=tmp_path / "others.png")
        names = ("lv_ef", "lv_edv", "systolic_pressure")
        rows = {name: page.inner_text(f'[data-other="{name}"]') for name in names}
        for expected in ("≠", "21", "38.3", "33.3–43.3", "method of discs, biplane, 2D mode"):
            assert expected in rows["lv_ef"]
        assert "≠" not in rows["lv_edv"]
        assert "mmHg" in rows["systolic_pressure"]
        assert "<b>&Works" in rows["systolic_pressure"]
        assert "The images do not state height, blood pressure" in page.inner_text("#others")
        right = "(of) => document.querySelector(of).getBoundingClientRect().right"
        assert page.evaluate(right, "#others table") <= page.evaluate(right, "#others") + 0.5
        violations = Axe().run(page).response["violations"]
        assert [v["id"] for v in violations if v["impact"] in ("serious", "critical")] == []
