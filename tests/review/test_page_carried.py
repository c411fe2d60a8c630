"""A correction carried on to other phases and slices, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.process import eventually
from tests.review.site import EF, PATIENCE_MS, Site, forget_draft, open_study, reader_at
from tests.review.test_page import drag, edge_of_the_cavity

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)


def open_without_draft(page: Page, site: Site, job_id: str) -> None:
    open_study(page, site, job_id)
    forget_draft(page, site, job_id)
    open_study(page, site, job_id)


def saved_frames(page: Page, site: Site, job_id: str) -> list[dict[str, Any]]:
    """What the draft holds once it has been saved."""
    expect(page.locator("#saved")).to_contain_text("Draft saved")
    # By the browser, which asks again where the service has just closed an idle connection.
    study = page.evaluate(
        "url => fetch(url).then((answer) => answer.json())", f"{site.url}/api/studies/{job_id}"
    )
    frames: list[dict[str, Any]] = study["draft"]["frames"]
    return frames


def test_a_correction_is_carried_on_to_phases_as_a_preview_and_in_one_step(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    job_id, shown = job_ids[0], "#carry-on"
    with reader_at(browser, site, hart) as page:
        open_without_draft(page, site, job_id)
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page), (40, 0))
        (by_hand,) = saved_frames(page, site, job_id)
        expect(page.locator(".waits")).to_have_count(0)
        ef = page.inner_text(EF)
        page.keyboard.press("t")
        expect(page.locator(shown)).to_contain_text("on to other phases?")
        near = page.inner_text('[data-carried="reach"]')
        page.keyboard.press("]")
        expect(page.locator('[data-carried="reach"]')).not_to_have_text(near)
        page.keyboard.press("ArrowRight")
        expect(page.locator(shown)).to_be_visible()
        expect(page.locator("#where")).not_to_contain_text("carried on")
        assert page.inner_text(EF) == ef, "nothing has been changed yet"
        page.keyboard.press("Escape")
        expect(page.locator(shown)).to_be_hidden()
        page.keyboard.press("Home")
        page.keyboard.press("t")
        expect(page.locator('[data-carried="accept"]')).to_be_visible()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#where")).to_contain_text("carried on")
        eventually(lambda: len(saved_frames(page, site, job_id)) > 1, "the draft to hold what was carried on")
        frames = saved_frames(page, site, job_id)
        place = [by_hand["t"], by_hand["z"]]
        origins = {frame["t"]: frame["carried_from"] for frame in frames}
        assert origins.pop(by_hand["t"]) is None
        assert len(origins) >= 2
        assert all(origin == place for origin in origins.values())
        open_study(page, site, job_id)
        page.keyboard.press("ArrowRight")
        expect(page.locator("#where")).to_contain_text("carried on")
        forget_draft(page, site, job_id)


def test_what_was_carried_on_is_undone_in_one_step_and_corrected_by_hand_on_top(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    job_id = job_ids[0]
    with reader_at(browser, site, hart) as page:
        open_without_draft(page, site, job_id)
        page.keyboard.press("3")
        page.keyboard.press("Delete")
        page.keyboard.press("Shift+T")
        expect(page.locator("#carry-on")).to_contain_text("on to other slices?")
        expect(page.locator('[data-carried="accept"]')).to_be_visible()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowUp")
        expect(page.locator("#where")).to_contain_text("carried on")
        page.keyboard.press("1")
        page.keyboard.press("Delete")
        expect(page.locator("#where")).to_contain_text("corrected")
        page.keyboard.press("Control+z")
        expect(page.locator("#where")).to_contain_text("carried on")
        page.keyboard.press("Control+z")
        expect(page.locator("#where")).not_to_contain_text("carried on")
        page.keyboard.press("Control+z")
        expect(page.locator("#undo")).to_be_disabled()
        expect(page.locator("#saved")).not_to_contain_text("Saving")


def test_an_image_without_a_correction_has_nothing_to_carry_on(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_without_draft(page, site, job_ids[0])
        page.get_by_role("button", name="To phases").click()
        expect(page.locator("#carry-on")).to_contain_text("This image has no correction.")
        expect(page.locator('[data-carried="accept"]')).to_be_hidden()
        page.keyboard.press("Escape")
        expect(page.locator("#carry-on")).to_be_hidden()


def test_who_may_only_look_carries_nothing_on(
    browser: Browser, site: Site, job_ids: list[str], guest: str
) -> None:
    with reader_at(browser, site, guest) as page:
        open_study(page, site, job_ids[0])
        expect(page.locator("[data-carry]")).to_have_count(0)
        page.keyboard.press("t")
        expect(page.locator("#carry-on")).to_be_hidden()
