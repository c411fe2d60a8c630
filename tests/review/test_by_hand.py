"""A study that the software refused is read by hand: drawn on, measured, signed, in a real browser."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread

from cvai.dicom.write.result_json import read_entry
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.review.sign_in.accounts import Role
from tests.process import eventually
from tests.review.site import PATIENCE_MS, Site, lose_heart, new_site, reader_at, running, violations

pytestmark = [pytest.mark.servers, pytest.mark.browser]
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = new_site(tmp_path_factory.mktemp("by-hand"))
    with running(made):
        made.deliver(1, 45.0, n_slices=9, before=lose_heart)
        made.jobs(1)
        yield made


def draw(page: Page, key: str, middle: tuple[float, float], radii: tuple[float, float]) -> None:
    """A closed stroke around the middle of the picture, in shares of its width and height, as a contour."""
    page.keyboard.press("d")
    page.keyboard.press(key)
    box = page.locator("#image").bounding_box()
    assert box is not None
    angles = np.linspace(0, 2 * math.pi, 30)
    points = [
        (
            box["x"] + box["width"] * (middle[0] + radii[0] * math.cos(angle)),
            box["y"] + box["height"] * (middle[1] + radii[1] * math.sin(angle)),
        )
        for angle in angles
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def draw_heart(page: Page, scale: float) -> None:
    """Right ventricle, then the left one: outside, inside."""
    draw(page, "3", (0.42, 0.46), (0.05 * scale, 0.13 * scale))
    draw(page, "2", (0.50, 0.46), (0.068, 0.115))
    draw(page, "1", (0.50, 0.46), (0.052 * scale, 0.09 * scale))


def by_hand(site: Site) -> JobRecord:
    return next(record for record in site.jobs(2) if record.job.is_read_by_hand)


def test_a_refused_study_is_drawn_on_measured_and_signed(browser: Browser, site: Site) -> None:
    (refused,) = site.jobs(1)
    assert (refused.outcome.state, refused.outcome.code) == (JobState.REFUSED, "heart_lost")
    token = site.add_reader("hart")
    with reader_at(browser, site, token) as page:
        page.goto(f"{site.url}/studies/{refused.job.job_id}")
        assert violations(page) == []
        page.click("[data-by-hand]")
        page.wait_for_selector("body[data-all-frames-ms]")
        opened = by_hand(site)
        assert opened.outcome.state is JobState.ANALYSED
        assert opened.outcome.objects == (), "nothing of a model is stored"
        expect(page.locator(".headline")).to_contain_text("–")
        expect(page.locator("#findings")).to_contain_text("The software refused this study (heart_lost)")
        expect(page.locator("#reject")).to_be_hidden()
        assert violations(page) == []

        draw_heart(page, 1.0)
        expect(page.locator("#findings")).to_contain_text("Not drawn: Left ventricular cavity at end-systole")
        expect(page.locator('[data-value="lv_edv"]')).not_to_have_text("")
        expect(page.locator('.headline [data-value="lv_ef"]')).to_have_text("–")
        page.click("#accept")
        page.click("#accept-dialog button[value=sign]")
        expect(page.locator("#saved")).to_contain_text("cannot be measured in what is drawn")

        page.keyboard.press("End")
        draw_heart(page, 0.8)
        ef = page.locator('.headline [data-value="lv_ef"]')
        expect(ef).not_to_have_text("–")
        expect(page.locator("#findings")).to_contain_text("The left ventricle is drawn in 2 of 8 phases")
        shown = float(ef.inner_text())
        assert shown == pytest.approx(100 * (1 - 0.8**2), abs=4)
        page.click("#accept")
        expect(page.locator("#accept-what")).to_contain_text("2 images drawn")
        page.click("#accept-dialog button[value=sign]")
        expect(page.locator("#holds")).to_contain_text("stored in the archive")

        page.goto(site.url)
        row = page.locator(f'[data-job="{opened.job.job_id}"]')
        expect(row).to_contain_text(f"{shown:.0f}")
        expect(row).to_contain_text("drawn by hand")

    signed = site.settings.data_folder / "results"
    folders = [path.parent for path in signed.rglob("result.json") if "-changed-" in str(path)]
    (folder,) = folders
    entry = read_entry(folder / "result.json")
    assert entry["model"]["name"] == "by hand"
    assert "read_by_hand" in {finding["code"] for finding in entry["findings"]}
    segments = dcmread(folder / "seg_cine.dcm").SegmentSequence
    assert {segment.SegmentAlgorithmType for segment in segments} == {"MANUAL"}
    assert not any("SegmentationAlgorithmIdentificationSequence" in segment for segment in segments)
    document = dcmread(folder / "sr.dcm")
    said = [str(e.value) for e in document.iterall() if e.keyword in ("TextValue", "CodeMeaning")]
    assert any("no model has drawn any of them" in text for text in said)
    assert "Manual Processing" in said
    assert "Artificial Intelligence" not in said


def test_only_what_was_refused_for_its_contours_is_read_by_hand(site: Site) -> None:
    token = site.add_reader("moor", Role.REVIEWER, "Moor^Ben")
    session = requests.Session()
    session.post(f"{site.url}/sign-in", data={"token": token}, timeout=60).raise_for_status()
    text = session.get(site.url, timeout=60).text
    session.headers["X-CSRF-Token"] = text.split('name="csrf" content="')[1].split('"')[0]
    site.deliver(2, 60.0, n_slices=9)
    eventually(lambda: len(site.jobs(3)) == 3, "the second study to be measured", 240)
    measured = site.jobs(3)[-1]
    assert measured.outcome.state is JobState.ANALYSED
    answer = session.post(f"{site.url}/api/studies/{measured.job.job_id}/by-hand", timeout=60)
    assert answer.json()["code"] == "not_read_by_hand"
