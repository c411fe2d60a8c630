"""What decides the base of the heart, in a real browser: both phases side by side, and all slices at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from cvai.dicom.write.result_json import read_entry
from tests.review.site import PATIENCE_MS, Site, open_study, reader_at

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)


def image_of(page: Page, canvas: str) -> list[int]:
    """Sum of red, green and blue of what a canvas shows."""
    sums: list[int] = page.evaluate(
        """(id) => {
          const canvas = document.getElementById(id);
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const sums = [0, 0, 0];
          data.forEach((value, i) => { if (i % 4 < 3) sums[i % 4] += value; });
          return sums;
        }""",
        canvas,
    )
    return sums


def test_end_diastole_and_end_systole_of_a_slice_stand_side_by_side(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        beside = page.locator(".stage").nth(1)
        expect(beside).to_be_hidden()
        page.keyboard.press("b")
        expect(page.locator("#where")).to_contain_text("end-diastole")
        expect(beside.locator(".corner").first).to_contain_text("end-systole")
        assert image_of(page, "image") != image_of(page, "image-beside")
        page.keyboard.press("ArrowUp")
        slices = [text.split(" of")[0] for text in page.locator(".stage .top-left").all_inner_texts()]
        assert slices[0] == slices[1], "both show one slice"
        page.keyboard.press("b")
        expect(beside).to_be_hidden()


def test_keys_refer_to_the_phase_that_was_chosen_of_the_two(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        page.keyboard.press("b")
        page.keyboard.press("End")
        page.keyboard.press("Delete")
        beside = page.locator(".stage").nth(1)
        expect(beside.locator(".corner").first).to_contain_text("corrected")
        expect(page.locator("#where")).not_to_contain_text("corrected")
        page.click("#image", position={"x": 40, "y": 200})
        page.keyboard.press("Control+z")
        expect(beside.locator(".corner").first).not_to_contain_text("corrected")


def test_zoom_and_window_are_those_of_both_images(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        page.keyboard.press("b")
        page.keyboard.press("c")
        before = image_of(page, "image-beside")
        page.keyboard.press("+")
        assert image_of(page, "image-beside") != before
        page.keyboard.press("0")
        assert image_of(page, "image-beside") == before


def test_the_grid_shows_all_slices_at_both_phases_and_leads_to_them(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    n_slices = site.pack(job_ids[0]).meta["n_slices"]
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        page.keyboard.press("g")
        cells = page.locator("#grid button")
        expect(cells).to_have_count(2 * n_slices)
        here = page.locator('#grid [aria-current="true"]')
        expect(here).to_contain_text("ED")
        page.keyboard.press("ArrowUp")
        expect(here).to_have_count(1)
        page.get_by_role("button", name="Slice 3, end-systole").click()
        expect(page.locator("#grid")).to_be_hidden()
        expect(page.locator("#where")).to_contain_text("Slice 3 of")
        expect(page.locator("#where")).to_contain_text("end-systole")
        page.keyboard.press("g")
        page.keyboard.press("Escape")
        expect(page.locator("#grid")).to_be_hidden()


def test_page_up_goes_to_the_first_slice_with_contours(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        page.keyboard.press("PageDown")
        last = page.inner_text("#where")
        page.keyboard.press("PageUp")
        first = page.inner_text("#where")
    (result,) = (r.outcome.result for r in site.jobs(2) if r.job.job_id == job_ids[0])
    phases = list(read_entry(site.settings.data_folder / "results" / result)["key_frames"].values())
    drawn = site.pack(job_ids[0]).read_labels()[phases].any(axis=(0, 2, 3)).nonzero()[0]
    ends = {int(text.split()[1]) - 1 for text in (first, last)}
    assert ends == {int(drawn[0]), int(drawn[-1])}
