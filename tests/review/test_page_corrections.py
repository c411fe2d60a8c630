"""What follows a correction in a real browser: findings judged anew, and what each tool changes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.review.site import PATIENCE_MS, Site, open_study, reader_at

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)


def test_findings_are_judged_again_after_a_correction(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        found = page.locator('#findings [data-code="key_phase_not_extreme"]')
        expect(found).to_have_count(0)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+S")
        expect(found).to_contain_text("End-systole is phase 2")
        expect(page.locator("#findings")).to_contain_text("Judged anew on the corrected contours.")
        page.keyboard.press("Home")
        found.get_by_role("button").click()
        assert "phase 2 of" in page.inner_text("#where"), "a finding judged anew leads to its place"
        page.keyboard.press("Control+z")
        expect(found).to_have_count(0)


def test_a_pull_that_misses_every_contour_changes_nothing(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        page.keyboard.press("p")
        before = page.inner_text("#window-level")
        box = page.locator("#image").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 30, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 90, box["y"] + 90, steps=4)
        page.mouse.up()
        assert page.inner_text("#window-level") == before
        assert page.is_disabled("#undo")
