"""The page in another language: chosen in the header, kept, and without English of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, expect

from cvai.jobs.job import JobState
from cvai.languages import entries
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.coronary.run import RunParameters, write_angiography_phantom_study
from cvai.phantom.coronary.vessels import PhantomLesion
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.phantom.late_enhancement.study import write_enhancement_study
from cvai.review.sign_in.accounts import Role
from tests.process import all_jobs_at, eventually, sqlite_of
from tests.review.light_page import LightPage, light_page
from tests.review.site import DESKTOP, Site, new_site, open_study, reader_at, running, violations
from tests.review.test_analyses import Jobs
from tests.review.test_listing import study

pytestmark = pytest.mark.browser

LOOP = LoopAcquisition(n_frames=18, seed=3)
RUN = RunParameters(n_frames=12, beat_frames=8, lesions={2: (PhantomLesion(0.5, 8.0, 65.0),)})
MEASURED = {
    "cine_sax": "Linker Ventrikel: Ejektionsfraktion ",
    "echo_apical": "Linker Ventrikel: Ejektionsfraktion ",
    "coronary": "Durchmesserstenose",
    "late_enhancement": "Late Enhancement: Infarkt, ",
}
"""Kinds of analyses, and how their impressions begin."""

FIELD = re.compile(r"\{[^}]*\}")
PHONE = {"width": 390, "height": 844}
TEXTS = """() => {
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
  const found = [document.title];
  while (walker.nextNode()) {
    const { parentElement, data } = walker.currentNode;
    const foreign = "script, style, code, kbd, textarea, [data-reader] td";
    if (!parentElement.closest(foreign)) found.push(data);
  }
  for (const name of ["title", "aria-label", "placeholder", "aria-valuetext"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) found.push(element.getAttribute(name));
  }
  return found.map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""


def english_left(page: Page) -> list[str]:
    """Texts of the page that a translation is known for and is not shown."""
    german = {entry.msgstr for entry in entries("de")}
    english = [entry.msgid for entry in entries("de") if entry.msgid not in german]
    exact = {text for text in english if not FIELD.search(text)}
    long = [text for text in english if len(re.sub(r"\W", "", FIELD.sub("", text))) > 12]
    within = re.compile("|".join(rf"\b{_pattern(text)}" for text in long))
    return [text for text in page.evaluate(TEXTS) if text in exact or within.search(text)]


def _pattern(text: str) -> str:
    return ".+".join(map(re.escape, FIELD.split(re.sub(r"</?\w+>", "", text))))


def rows_of_tools(page: Page) -> int:
    """In how many rows the tools above the images are."""
    tops = page.evaluate(
        "[...document.querySelectorAll('.tools button')].map((b) => b.offsetParent && b.offsetTop)"
    )
    return len(set(filter(None, tops)))


def choose(page: Page, language: str) -> None:
    page.wait_for_load_state("load")  # by then its script listens
    with page.expect_navigation():
        page.select_option("#language", language)
    expect(page.locator("html")).to_have_attribute("lang", language)


def cut_off(page: Page) -> list[str]:
    """Texts that reach beyond the window, or beyond an element that hides what is wider."""
    return cast(
        "list[str]",
        page.evaluate(
            """() => [...document.querySelectorAll("button, a, label, h1, h2, th, td, dt, dd, p, li")]
              .filter((element) => !element.closest("details, .strip, .hidden") && element.offsetParent)
              .filter((element) => {
                const hides = getComputedStyle(element).overflowX !== "visible";
                const isWider = hides && element.scrollWidth > element.clientWidth + 1;
                return isWider || element.getBoundingClientRect().right > innerWidth + 1;
              })
              .map((element) => element.textContent)"""
        ),
    )


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightPage]:
    states = [JobState.ANALYSED, JobState.REFUSED, JobState.FAILED, JobState.QUEUED, JobState.NOTHING_TO_DO]
    summaries = [study(number, state) for number, state in enumerate(states)]
    with light_page(tmp_path_factory.mktemp("light"), language="de") as made:
        cast("Any", made.page.worklist)._listing.put(summaries)
        cast("Any", made.page.worklist)._ledger = Jobs([summary.record for summary in reversed(summaries)])
        made.page.worklist.look()
        yield made


@pytest.fixture(scope="module")
def token(light: LightPage) -> str:
    return light.page.accounts.add("hart", Role.ADMIN, "Hart^Ada")


@pytest.mark.parametrize("size", [None, PHONE], ids=["desktop", "phone"])
def test_a_site_begins_in_its_own_language_and_a_reader_changes_it(
    browser: Browser, light: LightPage, token: str, size: Any, tmp_path: Path
) -> None:
    with reader_at(browser, cast("Site", light), token, size) as page:
        assert page.inner_text("h1") == "Arbeitsliste"
        assert violations(page) == []
        assert "nicht auswertbar" in page.locator(".state").all_inner_texts()
        page.screenshot(path=tmp_path / "worklist.png")
        assert english_left(page) == []
        assert cut_off(page) == []
        choose(page, "en")
        assert page.inner_text("h1") == "Worklist"
        page.reload()
        assert page.inner_text("h1") == "Worklist"
        page.goto(f"{light.url}/no-such-page")
        assert "There is no page" in page.inner_text("h1")
        page.goto(light.url)
        choose(page, "de")
        page.goto(f"{light.url}/no-such-page")
        assert page.inner_text("h1") == "Unter dieser Adresse gibt es keine Seite."
        assert english_left(page) == []


def test_a_language_may_be_chosen_before_signing_in(browser: Browser, light: LightPage) -> None:
    page = browser.new_page()
    page.goto(f"{light.url}/sign-in")
    assert english_left(page) == []
    assert violations(page) == []
    choose(page, "en")
    page.fill("#token", "wrong")
    page.click("button[type=submit]")
    expect(page.locator("#wrong")).to_contain_text("This token is not known here.")
    choose(page, "de")
    expect(page.locator("h1")).to_contain_text("Befundungsseite")
    page.close()


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A German site with a measured study of every kind."""
    made = new_site(tmp_path_factory.mktemp("german"))
    made.config.write_text(f'{made.config.read_text()}language = "de"\n')
    with running(made):
        made.deliver(1, 45.0, n_pixels=128, with_long_axes=True)
        _deliver(made, "echo", lambda folder: write_echo_phantom_study(folder, acquisition=LOOP))
        _deliver(made, "coronary", lambda folder: write_angiography_phantom_study(folder, (RUN,)))
        _deliver(made, "enhancement", lambda folder: write_enhancement_study(folder, with_cine=False))
        eventually(lambda: all(map(partial(job_of, made), MEASURED)), "every kind to be measured")
        yield made


def _deliver(site: Site, name: str, write: Callable[[Path], object]) -> None:
    """A study appears in the inbox whole."""
    write(site.root)
    shutil.move(site.root / DICOM_FOLDER, site.settings.inbox_folder / f".{name}")
    (site.settings.inbox_folder / f".{name}").rename(site.settings.inbox_folder / name)


def job_of(site: Site, kind: str) -> str:
    """The job that measured a study of a kind, empty while there is none."""
    records = all_jobs_at(sqlite_of(site.settings.data_folder))
    found = (r.job.job_id for r in records if r.job.kind == kind and r.outcome.state is JobState.ANALYSED)
    return next(found, "")


@pytest.fixture(scope="module")
def chief(german: Site) -> str:
    return german.add_reader("chief", Role.ADMIN, "Chief^Cem")


@pytest.mark.servers
@pytest.mark.parametrize("size", [None, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("kind", MEASURED)
def test_a_study_is_read_in_german(
    browser: Browser, german: Site, chief: str, tmp_path: Path, *, kind: str, size: Any
) -> None:
    with reader_at(browser, german, chief, size) as page:
        open_study(page, german, job_of(german, kind))
        page.wait_for_selector("#impression-origin:not(:empty)")
        assert page.input_value("#impression").startswith(MEASURED[kind])
        assert page.inner_text("#play") == "Start"
        page.screenshot(path=tmp_path / "study.png")
        assert english_left(page) == []
        assert cut_off(page) == []
        assert violations(page) == []
        if size is None:
            assert rows_of_tools(page) <= 2
        page.click("#help")
        page.screenshot(path=tmp_path / "keys.png")
        assert cut_off(page) == []
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.click("#accept")
        expect(page.locator("#accept-what")).to_have_text("Wie vom Modell gemessen.")
        page.screenshot(path=tmp_path / "accept.png")
        assert violations(page) == []
        assert english_left(page) == []
        assert cut_off(page) == []


@pytest.mark.servers
def test_a_choice_on_a_study_holds_for_every_page(browser: Browser, german: Site, chief: str) -> None:
    job_id = job_of(german, "cine_sax")
    with reader_at(browser, german, chief, DESKTOP) as page:
        open_study(page, german, job_id)
        choose(page, "en")
        page.wait_for_selector("body[data-all-frames-ms]")
        assert page.inner_text("#play") == "Play"
        page.goto(f"{german.url}/admin")
        assert page.inner_text("h1") == "Administration"
        choose(page, "de")
        assert english_left(page) == []
        assert violations(page) == []
        for path in ("agreement", f"studies/{job_id}/compare"):
            page.goto(f"{german.url}/{path}")
            assert english_left(page) == []
            assert cut_off(page) == []
            assert violations(page) == []


@pytest.mark.servers
def test_a_request_that_is_refused_says_so_in_german(browser: Browser, german: Site, chief: str) -> None:
    job_id = job_of(german, "cine_sax")
    with reader_at(browser, german, chief) as page:
        told = {"X-CSRF-Token": page.get_attribute('meta[name="csrf"]', "content") or ""}
        address = f"{german.url}/api/studies/{job_id}/decision"
        answer = page.request.post(address, data={"after": 0, "changes": None}, headers=told).json()
        assert answer["code"] == "reason_missing"
        assert answer["message"] == "Eine Ablehnung braucht einen Grund."


@pytest.mark.servers
@pytest.mark.parametrize("size", [None, PHONE], ids=["desktop", "phone"])
def test_a_study_is_signed_in_german(
    browser: Browser, german: Site, chief: str, tmp_path: Path, *, size: Any
) -> None:
    with reader_at(browser, german, chief, size) as page:
        open_study(page, german, job_of(german, "coronary"))
        page.click("#accept")
        page.click("#sign")
        expect(page.locator("#holds")).to_contain_text("Übernommen von Cem Chief")
        page.screenshot(path=tmp_path / "signed.png")
        assert violations(page) == []
        assert english_left(page) == []
        assert cut_off(page) == []
