"""The wall on the reader's page: grades that a reader gives, and bullseyes that follow the phase shown."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset, dcmread

from cvai.domain.ventricles.wall_motion import INDEX
from tests.process import eventually
from tests.review.site import Site, forget_draft, open_study, reader_at

pytestmark = pytest.mark.servers

NAME = "lv_wall_motion_mid_anterior"
CURVE = '[data-curve="thickening_mid_anterior_percent"]'


def measured(page: Page, job_id: str) -> dict[str, dict[str, Any]]:
    """What the server measures of the contours and grades as they were saved last."""
    answer: dict[str, dict[str, Any]] = page.evaluate(
        "id => fetch(`/api/studies/${id}/measured`).then((r) => r.json())", job_id
    )
    return answer


def index_of(page: Page, job_id: str) -> float:
    """The score index; contours that an earlier test has signed count."""
    return float(measured(page, job_id)["measurements"][INDEX])


def test_bullseyes_follow_the_phase_that_is_shown(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        number = page.locator(f"{CURVE} text")
        page.keyboard.press("Home")
        expect(number).to_have_text("0")
        lightest = page.get_attribute(f"{CURVE} path", "fill")
        page.keyboard.press("End")
        curves = measured(page, job_ids[0])["curves"]
        shown = int(page.inner_text("#where").split("phase ")[1].split(" ")[0]) - 1
        expect(number).to_have_text(f"{curves['thickening_mid_anterior_percent'][shown]:.0f}")
        assert page.get_attribute(f"{CURVE} path", "fill") != lightest
        page.emulate_media(media="print")
        expect(page.locator("[data-plays]").first).to_be_hidden()


def test_a_grade_that_a_reader_gives_is_kept_and_signed(
    browser: Browser, site: Site, job_ids: list[str], hart: str, guest: str
) -> None:
    job_id, study_uid = job_ids[0], job_ids[0].split("-")[0]
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_id)
        forget_draft(page, site, job_id)
        open_study(page, site, job_id)
        proposed = index_of(page, job_id)
        page.click("#scores summary")
        page.select_option(f'[data-score="{NAME}"]', label="dyskinetic")
        page.wait_for_selector("#scores-shown :text('dyskinetic, given')")
        graded = index_of(page, job_id)
        assert graded > proposed
        expect(page.locator("#wall-shown")).to_contain_text(f"Wall motion score index: {graded:.2f}")
        assert page.is_visible(f'[data-score="{NAME}"]'), "the list stays open"
        page.keyboard.press("Control+z")
        expect(page.locator("#scores-shown :text('dyskinetic, given')")).to_have_count(0)
        page.select_option(f'[data-score="{NAME}"]', label="dyskinetic")
        page.wait_for_selector("#scores-shown :text('dyskinetic, given')")
        open_study(page, site, job_id)
        page.wait_for_selector("#scores-shown :text('dyskinetic, given')", state="attached")
        page.click("#accept")
        assert "1 grade given" in page.inner_text("#accept-what")
        page.click("#sign")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
    with reader_at(browser, site, guest) as page:
        open_study(page, site, job_id)
        assert page.is_disabled(f'[data-score="{NAME}"]')
        page.wait_for_selector("#scores-shown :text('dyskinetic, given')", state="attached")
    remark = "Wall motion as a reader has graded it: mid anterior dyskinetic."
    eventually(lambda: remarked(site, study_uid, remark), "the signed report to be in the archive", 60)
    (signed,) = remarked(site, study_uid, remark)
    assert signed.VerificationFlag == "VERIFIED"
    assert signed.VerifyingObserverSequence[0].VerifyingObserverName == "Hart^Ada"


def remarked(site: Site, study_uid: str, remark: str) -> list[Dataset]:
    """Structured reports in the archive that have this text."""
    paths = (site.settings.archive_folder / study_uid).glob("*.dcm")
    documents = [d for path in paths if (d := dcmread(path)).Modality == "SR"]
    return [d for d in documents if remark in (e.value for e in d.iterall() if e.keyword == "TextValue")]
