"""Loops in which the model sees no apical view are read by hand, in a real browser."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread

from cvai.dicom.write.result_json import read_entry
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.review.series import STILL_PX
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_pdf import run
from tests.review.site import PATIENCE_MS, Site, new_site, open_study, reader_at, running, violations

pytestmark = [pytest.mark.servers, pytest.mark.browser]
expect.set_options(timeout=PATIENCE_MS)

EF = '.headline [data-value="lv_ef"]'


def brighten_blood(folder: Path) -> None:
    """Bright blood and dark wall, in which the model sees no apical view."""
    for path in folder.iterdir():
        image = dcmread(path)
        frames = image.pixel_array
        image.PixelData = ((255 - frames) * frames.any(axis=0)).astype(np.uint8).tobytes()
        image.save_as(path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = new_site(tmp_path_factory.mktemp("by-hand-loops"))
    with running(made):
        write_echo_phantom_study(made.root, acquisition=LoopAcquisition(n_frames=24, seed=3))
        folder = made.root / DICOM_FOLDER
        brighten_blood(folder)
        shutil.move(folder, made.settings.inbox_folder / ".echo")
        (made.settings.inbox_folder / ".echo").rename(made.settings.inbox_folder / "echo")
        made.jobs(1)
        yield made


def draw(page: Page, view: str, key: str, radii: tuple[float, float]) -> None:
    """Half an ellipse that stands on the mitral plane, as a closed stroke; in shares of the canvas."""
    page.keyboard.press("d")
    page.keyboard.press(key)
    box = page.locator(f'[data-view="{view}"] canvas').bounding_box()
    assert box is not None
    angles = np.linspace(0, math.pi, 25)
    points = [
        (
            box["x"] + box["width"] * (0.52 - radii[0] * math.cos(angle)),
            box["y"] + box["height"] * (0.58 - radii[1] * math.sin(angle)),
        )
        for angle in angles
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in (*points[1:], points[0]):
        page.mouse.move(*point)
    page.mouse.up()


def draw_ventricle(page: Page, view: str, scale: float) -> None:
    """Outside, then inside, whose width is scaled."""
    draw(page, view, "2", (0.17, 0.33))
    draw(page, view, "1", (0.11 * scale, 0.27))


def newest(site: Site, n: int) -> JobRecord:
    return max(site.jobs(n), key=lambda record: record.job.choice.at.timestamp() if record.job.choice else 0)


def state_views(page: Page, **views: int) -> None:
    """Read by hand with these views stated of the loops at these places of the list."""
    for view, place in views.items():
        page.locator("[data-view-of]").nth(place).select_option(view)
    with page.expect_navigation():
        page.click("[data-by-hand]")
    page.wait_for_selector("body[data-all-frames-ms]")


def code_of(page: Page, site: Site, record: JobRecord, stated: tuple[str, str]) -> str:
    """Why these views of the two loops cannot be stated."""
    uids = [option.get_attribute("data-view-of") for option in page.locator("[data-view-of]").all()]
    answer = page.request.post(
        f"{site.url}/api/studies/{record.job.job_id}/by-hand",
        data={"views": dict(zip(uids, stated, strict=True))},
        headers={"X-CSRF-Token": page.get_attribute('meta[name="csrf"]', "content") or ""},
    )
    return str(answer.json()["code"])


def sign(page: Page) -> None:
    page.click("#accept")
    page.click("#accept-dialog button[value=sign]")


def folder_of(site: Site, verdict: str) -> Path:
    """What a reading of this verdict wrote."""
    files = (site.settings.data_folder / "results").rglob("report.pdf")
    (folder,) = (path.parent for path in files if f"-{verdict}-" in str(path))
    return folder


def test_refused_loops_are_stated_drawn_on_measured_and_signed(
    browser: Browser, site: Site, dciodvfy: str
) -> None:
    (refused,) = site.jobs(1)
    assert (refused.outcome.state, refused.outcome.code) == (JobState.REFUSED, "no_apical_view")
    with reader_at(browser, site, site.add_reader("hart")) as page:
        page.goto(f"{site.url}/studies/{refused.job.job_id}")
        assert violations(page) == []
        expect(page.locator(".left-out img").first).to_have_js_property("naturalWidth", STILL_PX)
        page.click("[data-by-hand]")
        expect(page.locator("#series-problem")).to_contain_text("not stated which loop shows which view")
        for stated in (("a4c", "a4c"), ("a4c", "plax")):
            assert code_of(page, site, refused, stated) == "views_not_stated"
        state_views(page, a4c=0)
        alone = newest(site, 2)
        assert (alone.outcome.state, alone.outcome.objects) == (JobState.ANALYSED, ())

        page.locator("details", has_text="series excluded").locator("summary").click()
        state_views(page, a2c=0)
        opened = newest(site, 3)
        assert opened.job.choice is not None
        assert [view for _, view in opened.job.choice.views] == ["a4c", "a2c"]
        expect(page.locator("#findings")).to_contain_text("The software refused this study (no_apical_view)")
        expect(page.locator("#findings")).to_contain_text("stated on")
        expect(page.locator("#reject")).to_be_hidden()
        assert violations(page) == []

        draw_ventricle(page, "a4c", 1.0)
        page.keyboard.press("End")
        draw_ventricle(page, "a4c", 0.7)
        expect(page.locator(EF)).not_to_have_text("–")
        assert float(page.inner_text(EF)) == pytest.approx(100 * (1 - 0.7**2), abs=2)
        expect(page.locator("#findings")).to_contain_text("Only an apical four-chamber view was measured")
        expect(page.locator("#findings")).to_contain_text("Single frames alone are drawn")

        page.keyboard.press("Home")
        draw_ventricle(page, "a2c", 1.0)
        expect(page.locator("#findings")).to_contain_text(
            "Not drawn: Left ventricle at end-systole (apical two-chamber view)"
        )
        expect(page.locator(EF)).to_have_text("–")
        sign(page)
        expect(page.locator("#saved")).to_contain_text("cannot be measured in what is drawn")

        page.keyboard.press("End")
        draw_ventricle(page, "a2c", 0.8)
        expect(page.locator("#findings")).not_to_contain_text("Not drawn")
        shown = float(page.inner_text(EF))
        assert shown == pytest.approx(100 * (1 - 0.7 * 0.8), abs=2)
        page.click("#accept")
        expect(page.locator("#accept-what")).to_contain_text("4 images drawn")
        page.click("#accept-dialog button[value=sign]")
        expect(page.locator("#holds")).to_contain_text("stored in the archive")
        expect(page.locator("#reject")).to_be_visible()
        page.goto(site.url)
        row = page.locator(f'[data-job="{opened.job.job_id}"]')
        expect(row).to_contain_text(f"{shown:.0f}")
        expect(row.locator(".number")).to_contain_text("drawn by hand")

    folder = folder_of(site, "changed")
    entry = read_entry(folder / "result.json")
    assert (entry["view"], entry["model"]["name"]) == ("biplane", "by hand")
    assert {"read_by_hand", "view_stated_by_reader"} <= {finding["code"] for finding in entry["findings"]}
    for name in ("seg_a4c.dcm", "seg_a2c.dcm"):
        segments = dcmread(folder / name).SegmentSequence
        assert {segment.SegmentAlgorithmType for segment in segments} == {"MANUAL"}
        assert complaints(dciodvfy, folder / name) == []
    said = [
        str(e.value)
        for e in dcmread(folder / "sr.dcm").iterall()
        if e.keyword in ("TextValue", "CodeMeaning")
    ]
    assert any("no_apical_view" in text for text in said)
    assert "no_apical_view" in run("pdftotext", folder / "report.pdf", "-")
    assert "Manual Processing" in said
    assert "Artificial Intelligence" not in said
    assert complaints(dciodvfy, folder / "sr.dcm") == []


def test_what_was_read_by_hand_is_rejected_once_it_is_signed(
    browser: Browser, site: Site, dciodvfy: str
) -> None:
    """After the test above."""
    opened = newest(site, 3)
    with reader_at(browser, site, site.add_reader("moor", person="Moor^Ben")) as page:
        open_study(page, site, opened.job.job_id)
        expect(page.locator("#holds")).to_contain_text("Hart")
        expect(page.locator(EF)).not_to_have_text("–")
        page.click("#reject")
        expect(page.locator("#reject-dialog")).to_contain_text("withdraws the objects signed before")
        assert violations(page) == []
        page.fill("#reason", "Drawn on the wrong loop")
        page.click("#reject-dialog button[value=reject]")
        expect(page.locator('#holds[data-verdict="rejected"][data-stored="stored"]')).to_be_visible()
        expect(page.locator("#reject")).to_be_hidden()
        open_study(page, site, opened.job.job_id)
        expect(page.locator("#holds")).to_contain_text("Drawn on the wrong loop")
        expect(page.locator(EF)).to_have_text("–")
        page.goto(site.url)
        row = page.locator(f'[data-job="{opened.job.job_id}"]')
        expect(row).to_contain_text("rejected", ignore_case=True)
        expect(row.locator(".value")).to_have_count(0)

    folder, signed = folder_of(site, "rejected"), folder_of(site, "changed")
    assert complaints(dciodvfy, folder / "rejection.dcm") == []
    named = {
        str(e.value)
        for e in dcmread(folder / "rejection.dcm").iterall()
        if e.keyword == "ReferencedSOPInstanceUID"
    }
    assert {dcmread(path).SOPInstanceUID for path in signed.glob("*.dcm")} <= named
    message = (folder / "oru.hl7").read_text()
    assert "Drawn on the wrong loop" in message
    stated = [line.split("|") for line in message.splitlines() if line.startswith("OBX|")]
    assert {fields[11] for fields in stated if "ejection fraction" in fields[3]} == {"X"}
    report = run("pdftotext", folder / "report.pdf", "-")
    assert "Drawn on the wrong loop" in report
    assert "These numbers are not to be used" in report
