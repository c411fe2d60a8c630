"""The page in another language: chosen in the header, kept, and without English of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, expect

from cvai.jobs.job import JobState
from cvai.languages import entries
from cvai.review.sign_in.accounts import Role
from tests.review.light_page import LightPage, light_page
from tests.review.site import Site, reader_at
from tests.review.test_analyses import Jobs
from tests.review.test_listing import study

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
TEXTS = """() => {
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
  const found = [document.title];
  while (walker.nextNode()) {
    const { parentElement, data } = walker.currentNode;
    if (!parentElement.closest("script, style, code, kbd, textarea")) found.push(data);
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
    exact = re.compile("|".join(map(_pattern, english)))
    within = re.compile("|".join(rf"\b{_pattern(text)}" for text in english if len(text) > 15))
    return [text for text in page.evaluate(TEXTS) if exact.fullmatch(text) or within.search(text)]


def _pattern(text: str) -> str:
    return re.sub(r"\\\{\w+\\\}", ".+", re.escape(re.sub(r"</?\w+>", "", text)))


def choose(page: Page, language: str) -> None:
    with page.expect_navigation():
        page.select_option("#language", language)
    expect(page.locator("html")).to_have_attribute("lang", language)


def is_cut_off(page: Page) -> bool:
    """Whether the page is wider than the window."""
    return cast("bool", page.evaluate("document.documentElement.scrollWidth > innerWidth"))


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
        assert "nicht auswertbar" in page.locator(".state").all_inner_texts()
        page.screenshot(path=tmp_path / "worklist.png")
        assert english_left(page) == []
        assert not is_cut_off(page)
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
    choose(page, "en")
    page.fill("#token", "wrong")
    page.click("button[type=submit]")
    expect(page.locator("#wrong")).to_contain_text("This token is not known here.")
    choose(page, "de")
    expect(page.locator("h1")).to_contain_text("Befundungsseite")
    page.close()
