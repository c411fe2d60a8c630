"""A coronary run in which the software sees no filling is read by hand, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread

from cvai.dicom.write.result_json import read_entry
from cvai.domain.vessels.centreline import vessel_paths
from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.coronary.run import RunParameters, make_run, write_angiography_phantom_study
from cvai.phantom.coronary.vessels import PhantomLesion
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_pdf import run
from tests.review.site import PATIENCE_MS, Site, new_site, open_study, reader_at, running, violations
from tests.review.test_page_base import wait_until_saved

pytestmark = [pytest.mark.servers, pytest.mark.browser]
expect.set_options(timeout=PATIENCE_MS)

PERCENT, FRAME = 65.0, 5
RUN = RunParameters(n_frames=14, beat_frames=8, lesions={2: (PhantomLesion(0.5, 8.0, PERCENT),)})
SEGMENT, LESION = CoronarySegment.SEGMENT_2, "lesion_1_stenosis"
STENOSIS = '.headline [data-value="max_stenosis"]'


def stop_filling(folder: Path) -> None:
    """The same filled tree in every frame, as where a run was recorded late."""
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    image = dcmread(path)
    frames = image.pixel_array
    image.PixelData = np.repeat(frames[RUN.r_waves[-1]][None], len(frames), axis=0).tobytes()
    image.save_as(path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = new_site(tmp_path_factory.mktemp("by-hand-runs"))
    with running(made):
        write_angiography_phantom_study(made.root / "xa", (RUN,))
        folder = made.root / "xa" / DICOM_FOLDER
        stop_filling(folder)
        hidden = made.settings.inbox_folder / ".xa"
        shutil.move(folder, hidden)
        hidden.rename(made.settings.inbox_folder / "xa")
        made.jobs(1)
        yield made


def along_vessel(page: Page) -> list[tuple[float, float]]:
    """Points of the true segment on the screen, 25 pixels apart along it."""
    labels = make_run(RUN).labels
    points = vessel_paths(labels > 0)[0].points
    own = points[labels[tuple(points.round().astype(int).T)] == CORONARY_LABELS[SEGMENT]][::25]
    box = page.locator("#stage canvas").bounding_box()
    assert box is not None
    scale = min(box["width"] / labels.shape[1], box["height"] / labels.shape[0])
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    centre = (labels.shape[1] - 1) / 2, (labels.shape[0] - 1) / 2
    return [(middle[0] + scale * (x - centre[0]), middle[1] + scale * (y - centre[1])) for y, x in own]


def draw_line(page: Page, points: list[tuple[float, float]]) -> None:
    for point in points:
        page.mouse.click(*point)
    page.keyboard.press("Enter")


def newest(site: Site, n: int) -> JobRecord:
    return max(site.jobs(n), key=lambda record: record.job.choice.at.timestamp() if record.job.choice else 0)


def opened_job(page: Page) -> str:
    page.wait_for_selector("body[data-all-frames-ms]")
    return page.url.rsplit("/", 1)[1]


def folder_of(site: Site, verdict: str) -> Path:
    """What a reading of this verdict wrote."""
    files = (site.settings.data_folder / "results").rglob("report.pdf")
    (folder,) = (path.parent for path in files if f"-{verdict}-" in str(path))
    return folder


def said_in(path: Path) -> list[str]:
    return [str(e.value) for e in dcmread(path).iterall() if e.keyword in ("TextValue", "CodeMeaning")]


def test_a_refused_run_is_drawn_on_in_a_chosen_frame_measured_and_signed(
    browser: Browser, site: Site, dciodvfy: str
) -> None:
    (refused,) = site.jobs(1)
    assert (refused.outcome.state, refused.outcome.code) == (JobState.REFUSED, "no_contrast")
    with reader_at(browser, site, site.add_reader("hart")) as page:
        page.goto(f"{site.url}/studies/{refused.job.job_id}")
        assert violations(page) == []
        with page.expect_navigation():
            page.click("[data-by-hand]")
        first = opened_job(page)
        expect(page.locator("#findings")).to_contain_text("The software refused this study (no_contrast)")
        expect(page.locator("#findings")).to_contain_text("click along the vessel")
        expect(page.locator(STENOSIS)).to_have_text("–")
        expect(page.locator("#reject")).to_be_hidden()

        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#stage")).to_contain_text(f"Frame {FRAME + 1} of 14")
        with page.expect_navigation():
            page.click("#measure-frame")
        opened = opened_job(page)
        assert opened != first
        record = next(r for r in site.jobs(3) if r.job.job_id == opened)
        assert record.job.is_read_by_hand
        assert record.job.choice is not None
        assert [frame for _, frame in record.job.choice.frames] == [FRAME]
        assert (record.outcome.state, record.outcome.objects) == (JobState.ANALYSED, ())
        expect(page.locator("#stage")).to_contain_text(f"Frame {FRAME + 1} of 14")

        page.click("[data-add]")
        draw_line(page, along_vessel(page))
        expect(page.locator("[data-named]")).to_be_focused()
        expect(page.locator(f'[data-of="{LESION}"]')).to_have_count(0)
        page.select_option("[data-named]", str(CORONARY_LABELS[CoronarySegment.SEGMENT_1]))
        assert violations(page) == []
        page.keyboard.press("Enter")
        row = page.locator(f'[data-of="{LESION}"]')
        expect(row).to_contain_text("mm long")
        expect(page.locator(STENOSIS)).not_to_have_text("–")
        assert float(page.inner_text(STENOSIS)) == pytest.approx(PERCENT, abs=5)
        expect(row).to_contain_text("roximal right coronary artery")
        page.select_option(f'[data-score="{LESION}:segment"]', str(CORONARY_LABELS[SEGMENT]))
        expect(row).to_contain_text("id right coronary artery")
        assert violations(page) == []

        handle = page.locator('[data-handle="minimum_left"]')
        before = float(page.inner_text(STENOSIS))
        handle.focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        wait_until_saved(page)
        shown = float(page.inner_text(STENOSIS))
        assert shown > before
        page.click("#accept")
        expect(page.locator("#accept-what")).to_contain_text("1 stenosis given")
        page.click("#accept-dialog button[value=sign]")
        expect(page.locator("#holds")).to_contain_text("stored in the archive")
        expect(page.locator("#reject")).to_be_visible()
        page.goto(site.url)
        listed = page.locator(f'[data-job="{opened}"]')
        expect(listed.locator(".number")).to_contain_text("drawn by hand")

    folder = folder_of(site, "changed")
    entry = read_entry(folder / "result.json")
    assert (entry["view"], entry["model"]["name"]) == ("coronary_right", "by hand")
    assert {"read_by_hand", "series_chosen_by_reader"} <= {finding["code"] for finding in entry["findings"]}
    values = {m["name"]: m["value"] for m in entry["measurements"]}
    assert round(values["max_stenosis"]) == pytest.approx(shown, abs=1)
    seg = dcmread(folder / "seg_run_1.dcm")
    assert {segment.SegmentAlgorithmType for segment in seg.SegmentSequence} == {"MANUAL"}
    said = said_in(folder / "sr.dcm")
    assert "Manual Processing" in said
    assert "Artificial Intelligence" not in said
    assert any("no_contrast" in text for text in said)
    assert any("a reader has drawn" in text for text in said)
    assert "no_contrast" in run("pdftotext", folder / "report.pdf", "-")
    for name in ("seg_run_1.dcm", "sr.dcm"):
        assert complaints(dciodvfy, folder / name) == []


def test_what_was_drawn_along_a_vessel_is_rejected_once_it_is_signed(browser: Browser, site: Site) -> None:
    """After the test above."""
    opened = newest(site, 3)
    with reader_at(browser, site, site.add_reader("moor", person="Moor^Ben")) as page:
        open_study(page, site, opened.job.job_id)
        expect(page.locator("#holds")).to_contain_text("Hart")
        expect(page.locator(f'[data-of="{LESION}"]')).to_contain_text("id right coronary artery")
        page.click("#reject")
        page.fill("#reason", "Drawn on the wrong vessel")
        page.click("#reject-dialog button[value=reject]")
        expect(page.locator('#holds[data-verdict="rejected"][data-stored="stored"]')).to_be_visible()
        open_study(page, site, opened.job.job_id)
        expect(page.locator(STENOSIS)).to_have_text("–")
    folder, signed = folder_of(site, "rejected"), folder_of(site, "changed")
    named = {
        str(e.value) for e in dcmread(folder / "rejection.dcm").iterall() if e.keyword.endswith("InstanceUID")
    }
    assert {dcmread(path).SOPInstanceUID for path in signed.glob("*.dcm")} <= named
    stated = [
        line.split("|") for line in (folder / "oru.hl7").read_text().splitlines() if line.startswith("OBX|")
    ]
    assert {fields[11] for fields in stated if "Lumen Diameter Stenosis" in fields[3]} == {"X"}
