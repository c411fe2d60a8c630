"""A reader looks at an ultrasound study in a real browser: both loops, their discs, and what is said."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from cvai.dicom.write.result_json import read_entry
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from tests.review.site import TABLET, Site, new_site, open_study, reader_at, running, shown_ef

pytestmark = pytest.mark.servers

LESS_THAN_A_BEAT = LoopAcquisition(n_frames=18, seed=3)
"""Up to end-systole and a little beyond, so that there is a finding."""

DISCS, CAVITY, ATRIUM = (240, 228, 66), (255, 122, 26), (86, 180, 233)


@dataclass(frozen=True)
class Reading:
    """A service with one measured ultrasound study, and who may sign."""

    site: Site
    token: str
    job_id: str
    result: dict[str, object]


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    site = new_site(tmp_path_factory.mktemp("echo"))
    with running(site):
        write_echo_phantom_study(site.root, acquisition=LESS_THAN_A_BEAT)
        shutil.move(site.root / DICOM_FOLDER, site.settings.inbox_folder / ".echo")
        (site.settings.inbox_folder / ".echo").rename(site.settings.inbox_folder / "echo")
        (record,) = site.jobs(1)
        result = site.settings.data_folder / "results" / record.outcome.result
        yield Reading(site, site.add_reader("hart"), record.job.job_id, read_entry(result))


def count_of(page: Page, view: str, colour: tuple[int, int, int]) -> int:
    """Pixels of about this colour on a view's canvas."""
    return page.evaluate(
        """([view, colour]) => {
          const canvas = document.querySelector(`[data-view="${view}"] canvas`);
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let i = 0; i < data.length; i += 4)
            if (colour.every((c, k) => Math.abs(data[i + k] - c) < 50)) found++;
          return found;
        }""",
        [view, colour],
    )


def where(page: Page, view: str) -> str:
    return page.inner_text(f'[data-view="{view}"] [data-corner="where"]')


def test_both_loops_are_shown_with_contours_and_discs(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        assert "end-systolic volume is that of the discs drawn times" in page.inner_text(".panel")
        assert "height of the longest long axis" in page.inner_text(".panel")
        measured = {m["name"]: m["value"] for m in echo.result["measurements"]}  # type: ignore[attr-defined]
        assert shown_ef(page) == pytest.approx(measured["lv_ef"], abs=0.051)
        first = echo.result["key_frames"]
        for view in ("a4c", "a2c"):
            assert "end-diastole" in where(page, view)
            for colour in (DISCS, CAVITY, ATRIUM):
                assert count_of(page, view, colour) > 20
        assert where(page, "a4c").startswith(f"Frame {first['ed'] + 1} of")  # type: ignore[index]
        page.keyboard.press("d")
        assert [count_of(page, view, DISCS) for view in ("a4c", "a2c")] == [0, 0]
        page.keyboard.press("c")
        assert [count_of(page, view, CAVITY) for view in ("a4c", "a2c")] == [0, 0]


def test_strain_is_drawn_where_it_was_measured_and_else_said_to_be_withheld(
    browser: Browser, echo: Reading
) -> None:
    withheld = {
        place["view"]
        for finding in echo.result["findings"]  # type: ignore[attr-defined]
        if finding["code"] == "strain_withheld"
        for place in finding["where"]
    }
    assert withheld == {"a2c"}, "it has not come back when the loop ends"
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        expect(page.locator("#traces svg")).to_be_visible()
        expect(page.locator("#traces-missing")).to_be_hidden()
        page.keyboard.press("v")
        expect(page.locator("#traces-missing")).to_be_visible()
        expect(page.locator("#traces")).to_be_hidden()


def test_keys_curve_and_findings_lead_to_frames(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        page.keyboard.press("End")
        assert all("end-systole" in where(page, view) for view in ("a4c", "a2c"))
        page.keyboard.press("Home")
        before = where(page, "a2c")
        page.keyboard.press("v")
        assert "two chambers" in page.inner_text("#curve-title")
        page.keyboard.press("ArrowRight")
        assert where(page, "a2c") != before
        assert "end-diastole" in where(page, "a4c"), "only the view that leads goes on"
        box = page.locator("#curve svg").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 37, box["y"] + box["height"] / 2)
        assert where(page, "a2c").startswith("Frame 1 of")
        page.keyboard.press("Space")
        page.wait_for_selector("body[data-frames-per-second]")
        page.keyboard.press("Space")
        page.click('#findings [data-code="less_than_a_beat"] button')
        assert re.match(r"Frame \d+ of 18 · end-diastole", page.inner_text(".leading [data-corner=where]"))


def test_a_reader_has_looked_at_it_or_dismisses_it_and_it_is_unread_no_more(
    browser: Browser, echo: Reading
) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        assert page.inner_text('[data-count="unread"]') == "1"
        open_study(page, echo.site, echo.job_id)
        page.click('[data-look="dismissed"]')
        expect(page.locator("#look-problem")).to_contain_text("A dismissal needs a reason")
        page.fill("#look-reason", "Foreshortened")
        page.click('[data-look="dismissed"]')
        expect(page.locator("#look")).to_contain_text("Dismissed by hart")
        assert "Foreshortened" in page.inner_text("#look")
        page.wait_for_selector("body[data-all-frames-ms]")
        page.click('[data-look="looked at"]')
        expect(page.locator("#look")).to_contain_text("Looked at by hart")
        page.goto(f"{echo.site.url}/?show=signed")
        assert page.inner_text("tr[data-job] .state") == "looked at"
        assert page.inner_text('[data-count="unread"]') == "0"


def test_nothing_can_be_changed_or_signed_and_the_page_says_so(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        assert "nothing is signed" in page.inner_text(".panel")
        assert page.locator("#accept, #reject, [data-tool]").count() == 0
        csrf = page.get_attribute('meta[name="csrf"]', "content")
        address = f"{echo.site.url}/api/studies/{echo.job_id}"
        told = {"X-CSRF-Token": csrf or ""}
        body = {"after": 0, "changes": {"ed": 0, "es": 3, "frames": []}, "reason": ""}
        answer = page.request.post(f"{address}/decision", data=body, headers=told)
        assert answer.json()["code"] == "not_to_be_signed"
        for path in (
            "loops/plax/frames/0",
            "loops/a4c/frames/99",
            "loops/a2c/frames/-1",
            "loops/x/labels",
            "measured",
        ):
            assert page.request.get(f"{address}/{path}").status == 404, path


def test_loops_are_for_readers_only(echo: Reading) -> None:
    for path in ("loops/a4c/frames/0", "loops/a4c/labels", "measured"):
        answer = requests.get(f"{echo.site.url}/api/studies/{echo.job_id}/{path}", timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_needed"), path


@pytest.mark.parametrize("size", [None, TABLET], ids=["desktop", "tablet"])
def test_the_page_of_loops_has_no_serious_accessibility_violation(
    browser: Browser, echo: Reading, size: dict[str, int] | None
) -> None:
    with reader_at(browser, echo.site, echo.token, size) as page:
        open_study(page, echo.site, echo.job_id)
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_images_that_are_gone_are_told_of_and_the_numbers_stay(browser: Browser, echo: Reading) -> None:
    """The last test of this module: it takes the study out of the archive."""
    shutil.rmtree(echo.site.settings.archive_folder / echo.job_id.split("-")[0])
    shutil.rmtree(echo.site.settings.data_folder / "cines" / echo.job_id)
    with reader_at(browser, echo.site, echo.token) as page:
        page.goto(f"{echo.site.url}/studies/{echo.job_id}")
        page.wait_for_selector("#loading.failed")
        assert "The archive does not have this study any more." in page.inner_text("#loading")
        assert page.is_visible("#loading button")
        assert shown_ef(page) > 0
