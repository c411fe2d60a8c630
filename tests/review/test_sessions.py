"""A session that ends while its reader is at work, and a role that does not reach, in a real browser."""

from __future__ import annotations

import hashlib

from playwright.sync_api import Browser, Page, expect

from cvai.review.access import COOKIE
from cvai.review.database import Database
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Role
from tests.review.site import PATIENCE_MS, Site, open_study, reader_at, shown_ef
from tests.review.test_page import drag, edge_of_the_cavity


def expire(site: Site, page: Page) -> None:
    """Let the reader's session be older than any may be."""
    (key,) = (c["value"] for c in page.context.cookies() if c["name"] == COOKIE)
    database = Database(site.settings.data_folder / DATABASE_NAME)
    try:
        with database.transaction() as rows:
            ended = rows.execute(
                "UPDATE sessions SET begun_s = 0 WHERE key_sha256 = ?",
                (hashlib.sha256(key.encode()).hexdigest(),),
            )
        assert ended.rowcount == 1
    finally:
        database.close()


def test_a_session_that_ends_in_mid_edit_is_told_and_the_draft_is_there_after_signing_in_again(
    browser: Browser, site: Site, job_ids: list[str]
) -> None:
    token = site.add_reader("reed", Role.REVIEWER, "Reed^Eve")
    with reader_at(browser, site, token) as page:
        open_study(page, site, job_ids[0])
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page), (30, 0))
        page.wait_for_selector("#saved:has-text('Draft saved')")
        saved = shown_ef(page)
        expire(site, page)
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page), (10, 10))
        page.wait_for_selector("#saved:has-text('Your session has ended')")
        page.goto(f"{site.url}/studies/{job_ids[0]}")
        page.fill("#token", token)
        page.click("button[type=submit]")
        page.wait_for_selector("#rows")
        open_study(page, site, job_ids[0])
        assert shown_ef(page) == saved, "what had been saved before the session ended"
        page.request.delete(
            f"{site.url}/api/studies/{job_ids[0]}/draft",
            headers={"X-CSRF-Token": page.locator("meta[name=csrf]").get_attribute("content") or ""},
            data="{}",
        )


def test_a_worklist_left_open_says_that_its_session_has_ended(
    browser: Browser, site: Site, guest: str
) -> None:
    with reader_at(browser, site, guest) as page:
        expire(site, page)
        expect(page.locator("body")).to_contain_text("Your session has ended", timeout=PATIENCE_MS)


def test_who_may_not_see_how_readers_agree_is_told_so(browser: Browser, site: Site, hart: str) -> None:
    with reader_at(browser, site, hart) as page:
        assert page.locator("text=Agreement").count() == 0
        page.goto(f"{site.url}/agreement")
        expect(page.locator("h1")).to_have_text("This needs the role admin; yours is reviewer.")
