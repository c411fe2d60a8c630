"""The impression on the page: proposed from the numbers, edited, kept with who wrote it, and signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset, dcmread

from cvai.review.sign_in.accounts import Role
from tests.process import eventually
from tests.review.site import PATIENCE_MS, Site, measured_site, open_study, reader_at, running

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)
TEXT = "Normal size of both ventricles.\nNo sign of scar."


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: what is signed here is signed."""
    with running(measured_site(tmp_path_factory, "impression")) as made:
        yield made


def job_of(site: Site) -> str:
    return site.jobs(1)[0].job.job_id


def send(page: Page, site: Site, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    """Write an impression as the page would."""
    told = {"X-CSRF-Token": page.get_attribute('meta[name="csrf"]', "content") or ""}
    answer = page.request.put(f"{site.url}/api/studies/{job_of(site)}/impression", data=body, headers=told)
    return answer.status, answer.json()


def test_a_proposal_follows_the_numbers_until_a_reader_writes(browser: Browser, own: Site) -> None:
    with reader_at(browser, own, own.add_reader("hart", Role.REVIEWER, "Hart^Ada")) as page:
        open_study(page, own, job_of(own))
        place = page.locator("#impression")
        ef = round(float(page.inner_text('.headline [data-value="lv_ef"]')))
        assert place.input_value().startswith(f"Left ventricle: ejection fraction {ef} %")
        assert "Proposed" in page.inner_text("#impression-origin")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+D")
        expect(page.locator("#findings")).to_contain_text("Judged anew")
        changed = round(float(page.inner_text('.headline [data-value="lv_ef"]')))
        assert changed != ef
        assert place.input_value().startswith(f"Left ventricle: ejection fraction {changed} %")
        page.keyboard.press("Control+z")
        expect(page.locator("#findings")).not_to_contain_text("Judged anew")
        assert Axe().run(page).violations_count == 0


def test_what_a_reader_writes_is_kept_and_shown_to_others(browser: Browser, own: Site) -> None:
    job_id = job_of(own)
    with reader_at(browser, own, own.add_reader("lung", Role.REVIEWER, "Lung^Ben")) as page:
        open_study(page, own, job_id)
        page.fill("#impression", TEXT)
        page.keyboard.press("Tab")
        expect(page.locator("#impression-origin")).to_contain_text("Written by Lung, Ben")
        open_study(page, own, job_id)
        assert page.input_value("#impression") == TEXT
        status, told = send(page, own, {"after": 0, "text": "Other."})
        assert (status, told["code"]) == (409, "stated_meanwhile")
        assert send(page, own, {"after": 1, "text": "x" * 2001})[0] == 422


def test_a_viewer_reads_it_alone(browser: Browser, own: Site) -> None:
    with reader_at(browser, own, own.add_reader("guest", Role.VIEWER, "Guest^Cy")) as page:
        open_study(page, own, job_of(own))
        assert page.input_value("#impression") == TEXT
        assert page.get_attribute("#impression", "readonly") is not None
        assert send(page, own, {"after": 1, "text": "No."})[0] == 403


def test_it_is_signed_with_the_numbers_under_the_name_of_who_wrote_it(browser: Browser, own: Site) -> None:
    job_id = job_of(own)
    with reader_at(browser, own, own.add_reader("pulse", Role.REVIEWER, "Pulse^Eve")) as page:
        open_study(page, own, job_id)
        page.click("#accept")
        expect(page.locator("#accept-impression")).to_have_text(TEXT)
        page.click("#sign")
        expect(page.locator("#holds")).to_contain_text("stored in the archive")
        text = page.request.get(f"{own.url}/studies/{job_id}/report.pdf").body()
    assert text.startswith(b"%PDF")
    (document,) = (d for d in signed(own, job_id) if d.Modality == "SR")
    section = document.ContentSequence[-1]
    assert section.ContentSequence[0].TextValue == TEXT.replace("\n", "\r\n")
    assert section.ContentSequence[1].TextValue.startswith("Written by Lung, Ben")
    assert document.VerifyingObserverSequence[0].VerifyingObserverName == "Pulse^Eve"
    results = list(own.settings.results_folder.glob(f"{job_id}-accepted-*/*/result.json"))
    entry = json.loads(results[0].read_text())["analyses"][0]
    assert entry["impression"]["author"] == "Lung^Ben"


def signed(site: Site, job_id: str) -> list[Dataset]:
    folder: Path = site.settings.archive_folder / job_id.split("-", maxsplit=1)[0]
    eventually(lambda: any("signed" in dcmread(p).SeriesDescription for p in folder.glob("*.dcm")), "objects")
    headers = [dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm")]
    return [h for h in headers if "signed" in h.get("SeriesDescription", "")]
