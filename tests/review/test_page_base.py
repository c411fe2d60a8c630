"""What decides the base of the heart, in a real browser: both phases, all slices, a slice in or out."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from cvai.dicom.write.result_json import read_entry
from cvai.domain.anatomy import SAX_LABELS, Structure
from tests.review.site import EF, PATIENCE_MS, Site, open_study, reader_at, shown_ef

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


def wait_until_saved(page: Page) -> None:
    """So that no draft is left to the next test."""
    expect(page.locator("#saved")).not_to_contain_text("Saving")


def key_frames(site: Site, job_id: str) -> dict[str, int]:
    """End-diastole and end-systole as result.json has them."""
    (result,) = (r.outcome.result for r in site.jobs(2) if r.job.job_id == job_id)
    frames: dict[str, int] = read_entry(site.settings.data_folder / "results" / result)["key_frames"]
    return frames


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
        page.keyboard.press("ArrowUp")  # another test may have signed a change of the first one
        page.keyboard.press("End")
        page.keyboard.press("Delete")
        beside = page.locator(".stage").nth(1)
        expect(beside.locator(".corner").first).to_contain_text("corrected")
        expect(page.locator("#where")).not_to_contain_text("corrected")
        page.click("#image", position={"x": 40, "y": 200})
        page.keyboard.press("Control+z")
        expect(beside.locator(".corner").first).not_to_contain_text("corrected")
        wait_until_saved(page)


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
    phases = list(key_frames(site, job_ids[0]).values())
    drawn = site.pack(job_ids[0]).read_labels()[phases].any(axis=(0, 2, 3)).nonzero()[0]
    ends = {int(text.split()[1]) - 1 for text in (first, last)}
    assert ends == {int(drawn[0]), int(drawn[-1])}


def numbers_shown(page: Page) -> dict[str, list[float]]:
    """What a proposal says: every number with the slice and without it."""
    rows = page.locator("#proposal tbody tr").all()
    return {
        row.locator("th").inner_text().rsplit(" ", 1)[0]: [
            float(text) for text in row.locator("td").all_inner_texts()
        ]
        for row in rows
    }


def test_taking_a_slice_out_is_measured_both_ways_before_it_is_accepted_and_can_be_undone(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        first_ef = shown_ef(page)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("End")
        page.keyboard.press("l")
        expect(page.locator("#proposal h2")).to_contain_text("Take LV out of slice")
        ef = numbers_shown(page)["EF"]
        assert ef[0] == first_ef
        assert ef[1] > first_ef, "less blood is left at end-systole"
        assert shown_ef(page) == first_ef, "nothing has been changed yet"
        page.keyboard.press("Escape")
        expect(page.locator("#proposal")).to_be_hidden()
        expect(page.locator("#where")).not_to_contain_text("corrected")
        page.keyboard.press("l")
        page.keyboard.press("Enter")
        expect(page.locator("#where")).to_contain_text("corrected")
        expect(page.locator(EF)).to_have_text(f"{ef[1]:.1f}")
        expect(page.locator("#saved")).to_contain_text("Draft saved")
        expect(page.locator(".waits")).to_have_count(0)
        expect(page.locator(EF)).to_have_text(f"{ef[1]:.1f}")
        page.keyboard.press("l")
        expect(page.locator("#proposal")).to_contain_text("The contour is the model's.")
        page.keyboard.press("Enter")
        expect(page.locator("#where")).not_to_contain_text("corrected")
        page.keyboard.press("Control+z")
        expect(page.locator(EF)).to_have_text(f"{ef[1]:.1f}")
        page.keyboard.press("Control+z")
        expect(page.locator(EF)).to_have_text(f"{first_ef:.1f}")
        assert page.is_disabled("#undo")
        wait_until_saved(page)


def test_a_slice_without_contours_gets_those_of_the_slice_beside_it(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    pack, ed = site.pack(job_ids[1]), key_frames(site, job_ids[1])["ed"]
    drawn = (pack.read_labels()[ed] == SAX_LABELS[Structure.RV_CAVITY]).any(axis=(1, 2)).nonzero()[0]
    beside = int(drawn[-1]) + 1 if drawn[-1] + 1 < pack.meta["n_slices"] else int(drawn[0]) - 1
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[1])
        page.get_by_role("option", name=f"Slice {beside + 1}", exact=True).click()
        page.keyboard.press("r")
        expect(page.locator("#proposal h2")).to_contain_text("Put RV into slice")
        expect(page.locator("#proposal")).to_contain_text("The contour is that of")
        with_it, without = numbers_shown(page)["EDV"]
        assert with_it > without
        page.keyboard.press("ArrowRight")
        expect(page.locator("#proposal")).to_be_hidden()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#where")).not_to_contain_text("corrected")


def test_who_may_only_look_puts_nothing_in_or_out(
    browser: Browser, site: Site, job_ids: list[str], guest: str
) -> None:
    with reader_at(browser, site, guest) as page:
        open_study(page, site, job_ids[0])
        expect(page.locator("[data-slice-part]")).to_have_count(0)
        page.keyboard.press("l")
        expect(page.locator("#proposal")).to_be_hidden()


def test_an_outline_goes_through_a_plane_at_points_between_its_own(browser: Browser, site: Site) -> None:
    page = browser.new_page()
    page.goto(f"{site.url}/sign-in")
    points = page.evaluate(
        """async () => {
          const {crossings} = await import("/static/crossings.js");
          const square = [{x: 0, y: 0}, {x: 10, y: 0}, {x: 10, y: 10}, {x: 0, y: 10}];
          return crossings({distance_mm: [2, 0, -5], to_pixel: [[0, 3, 1], [1, 0, 7]]}, square);
        }"""
    )
    page.close()
    assert points == [{"x": 1, "y": 9.5}, {"x": 31, "y": 9.5}]


def test_long_axes_stand_beside_the_stack_and_lead_to_its_slices(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with_views = next(job_id for job_id in job_ids if site.pack(job_id).meta["crossings"])
    with reader_at(browser, site, hart) as page:
        open_study(page, site, with_views)
        planes = page.locator("#crossings .stage")
        expect(planes).to_have_count(2)
        expect(planes.first).to_contain_text("4-chamber")
        canvas = planes.first.locator("canvas")
        canvas.evaluate("canvas => canvas.id = 'plane'")
        page.wait_for_function("document.getElementById('plane').width > 1")
        middle = image_of(page, "plane")
        assert sum(middle) > 0
        page.keyboard.press("ArrowUp")
        moved = image_of(page, "plane")
        assert moved != middle, "the line of the slice has moved"
        page.keyboard.press("PageUp")
        page.keyboard.press("ArrowUp")
        without = image_of(page, "plane")
        page.keyboard.press("l")
        assert image_of(page, "plane") != without, "a contour that is proposed has its points"
        page.keyboard.press("Escape")
        assert image_of(page, "plane") == without
        slices = set()
        box = canvas.bounding_box()
        assert box is not None
        for share in (0.3, 0.5, 0.7):
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + share * box["height"])
            slices.add(page.inner_text("#where").split(" of")[0])
        assert len(slices) == 3, "clicks along the heart lead to different slices"
        page.keyboard.press("k")
        expect(page.locator("#crossings")).to_be_hidden()
        answer = page.request.get(f"{site.url}/api/studies/{with_views}/crossings/2")
        assert answer.status == 404


def test_a_study_without_long_axes_has_no_place_for_them(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    without = next(job_id for job_id in job_ids if not site.pack(job_id).meta["crossings"])
    with reader_at(browser, site, hart) as page:
        open_study(page, site, without)
        expect(page.locator("#show-crossings")).to_be_hidden()
        page.keyboard.press("k")
        expect(page.locator("#crossings")).to_be_hidden()


WALK = ["ArrowDown", "Enter", "b", "PageUp", "End", "l", "Enter", "Enter", "Tab"]
"""From the worklist to the last question, whose Enter signs; docs/howto/page.md counts these keys."""


def test_a_base_is_corrected_from_the_worklist_with_a_dozen_keys(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        for key in WALK[:2]:
            page.keyboard.press(key)
        page.wait_for_selector("body[data-all-frames-ms]")
        ef = shown_ef(page)
        for key in WALK[2:6]:
            page.keyboard.press(key)
        expect(page.locator("#proposal h2")).to_contain_text("slice")
        page.keyboard.press(WALK[6])
        expect(page.locator(EF)).not_to_have_text(f"{ef:.1f}")
        page.keyboard.press(WALK[7])
        expect(page.locator("#accept-dialog")).to_be_visible()
        expect(page.locator("#accept-what")).to_contain_text("corrected")
        page.keyboard.press(WALK[8])
        expect(page.locator("#sign")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#accept-dialog")).to_be_hidden()
        page.keyboard.press("Control+z")
        expect(page.locator(EF)).to_have_text(f"{ef:.1f}")
        wait_until_saved(page)
    assert len([*WALK, "Enter"]) <= 12
