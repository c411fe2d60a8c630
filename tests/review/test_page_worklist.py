"""The worklist in a real browser: searched, sorted and turned page by page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from cvai.jobs.job import JobState
from cvai.review.listing import PAGE_ROWS
from cvai.review.sign_in.accounts import Role
from tests.review.light_page import LightPage, light_page
from tests.review.site import TABLET, Site, reader_at
from tests.review.test_analyses import Jobs
from tests.review.test_listing import N, study

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightPage]:
    summaries = [study(number) for number in range(N)]
    summaries += [study(N, JobState.REFUSED), study(N + 1, JobState.NOTHING_TO_DO)]
    with light_page(tmp_path_factory.mktemp("light")) as made:
        cast("Any", made.page.worklist)._listing.put(summaries)
        cast("Any", made.page.worklist)._ledger = Jobs([summary.record for summary in reversed(summaries)])
        made.page.worklist.look()
        yield made


@pytest.fixture(scope="module")
def token(light: LightPage) -> str:
    return light.page.accounts.add("hart", Role.REVIEWER, "Hart^Ada")


def at(browser: Browser, light: LightPage, token: str, size: Any = None) -> Any:
    return reader_at(browser, cast("Site", light), token, size)


def shown(page: Page) -> list[str]:
    return [row.get_attribute("data-job") or "" for row in page.locator("tr[data-job]").all()]


def test_every_page_is_reached_and_the_tabs_count_all(browser: Browser, light: LightPage, token: str) -> None:
    with at(browser, light, token) as page:
        assert page.inner_text('[data-count="unread"]') == str(N)
        assert page.inner_text('[data-count="all"]') == str(N + 1)
        assert len(shown(page)) == PAGE_ROWS
        page.click("nav.pages >> text=Last")
        expect(page.locator("nav.pages")).to_contain_text(f"{4 * PAGE_ROWS + 1}–{N + 1} of {N + 1}")
        assert shown(page)[-1] == study(0).job_id
        page.reload()
        assert shown(page)[-1] == study(0).job_id
        page.click("nav.pages >> text=Previous")
        expect(page.locator("tr[data-job]")).to_have_count(PAGE_ROWS)


def test_a_search_is_no_part_of_the_address_and_stays_on_the_way_back(
    browser: Browser, light: LightPage, token: str
) -> None:
    with at(browser, light, token) as page:
        page.keyboard.press("/")
        page.keyboard.type("doe jörg 197")
        expect(page.locator("tr[data-job]")).to_have_count(1)
        assert shown(page) == [study(197).job_id]
        assert "doe" not in page.url.lower()
        page.click("tr[data-job] a")
        page.wait_for_selector("text=Worklist")
        page.click("text=Worklist")
        expect(page.locator("#search")).to_have_value("doe jörg 197")
        expect(page.locator("tr[data-job]")).to_have_count(1)
        page.fill("#search", "nobody")
        expect(page.locator(".empty")).to_contain_text("this search")
        page.fill("#search", "")
        expect(page.locator("tr[data-job]")).to_have_count(PAGE_ROWS)


def test_a_click_on_a_column_sorts_by_it_and_another_turns_it_round(
    browser: Browser, light: LightPage, token: str
) -> None:
    with at(browser, light, token) as page:
        page.click("th >> text=Study")
        expect(page.locator('th[aria-sort="descending"]')).to_contain_text("Study")
        newest = max((study(number) for number in range(N + 2)), key=lambda s: s.identity.study_date)
        assert shown(page)[0] == newest.job_id
        page.click("th >> text=Study")
        expect(page.locator('th[aria-sort="ascending"]')).to_contain_text("Study")
        assert shown(page)[0] == study(0).job_id
        page.click('label:has(input[value="unread"])')
        expect(page.locator('th[aria-sort="ascending"]')).to_contain_text("Study")


@pytest.mark.parametrize("size", [None, TABLET], ids=["desktop", "tablet"])
def test_the_worklist_has_no_serious_accessibility_violation(
    browser: Browser, light: LightPage, token: str, size: dict[str, int] | None, tmp_path: Path
) -> None:
    with at(browser, light, token, size) as page:
        page.screenshot(path=tmp_path / "worklist.png")
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
