"""Late enhancement beside its cine, and an angiography run, in a real browser."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pydicom import dcmread

from cvai.dicom.write.result_json import read_entry
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.jobs.ledger import JobRecord
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.coronary.run import RunParameters, write_angiography_phantom_study
from cvai.phantom.late_enhancement.study import write_enhancement_study
from cvai.phantom.parameters import PhantomAcquisition
from tests.process import all_jobs_at, ended_by_kind, sqlite_of
from tests.review.site import (
    PATIENCE_MS,
    Site,
    forget_draft,
    new_site,
    open_study,
    reader_at,
    running,
    violations,
)

pytestmark = pytest.mark.servers

SMALL = PhantomAcquisition(n_phases=8, rows=160, columns=160, spacing_x_mm=2.2, spacing_y_mm=2.0, seed=7)
RUN = RunParameters(n_frames=14, beat_frames=8)
LESION = "lesion_1_stenosis"
INFARCT, EDGES, RIGHT_ARTERY = (240, 228, 66), (240, 228, 66), (86, 180, 233)

SLOW_PREVIEWS = """() => {
  const { fetch } = window;
  window.fetch = async (...sent) => {
    const answer = await fetch(...sent);
    if (String(sent[0]).endsWith("/preview")) await new Promise((shown) => setTimeout(shown, 300));
    return answer;
  };
}"""


@dataclass(frozen=True)
class Read:
    """A service, and the job of each analysis that it made of two studies."""

    site: Site
    token: str
    jobs: dict[str, JobRecord]

    def value(self, kind: str, name: str) -> float:
        """As the analysis measured it."""
        result = self.site.settings.results_folder / self.jobs[kind].outcome.result
        return float(next(m["value"] for m in read_entry(result)["measurements"] if m["name"] == name))

    def signed(self, modality: str, kind: str = "late_enhancement") -> list[Any]:
        """Signed objects in the archive."""
        folder = self.site.settings.archive_folder / self.jobs[kind].job.study_uid
        headers = [dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm")]
        return [h for h in headers if h.Modality == modality and "signed" in h.get("SeriesDescription", "")]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    site = new_site(tmp_path_factory.mktemp("site"))
    with running(site):
        heart = write_enhancement_study(site.root / "mr", None, SMALL, with_cine=True)
        tree = write_angiography_phantom_study(site.root / "xa", (RUN,))
        for modality in ("mr", "xa"):
            hidden = site.settings.inbox_folder / f".{modality}"
            shutil.move(site.root / modality / DICOM_FOLDER, hidden)
            hidden.rename(site.settings.inbox_folder / modality)
        data = site.settings.data_folder
        jobs = {
            **ended_by_kind(data, heart.study_uid, {"cine_sax", "late_enhancement"}),
            **ended_by_kind(data, tree.study_uid, {"coronary"}),
        }
        yield Read(site, site.add_reader("hart"), jobs)


def count_of(page: Page, canvas: str, colour: tuple[int, int, int]) -> int:
    """Pixels of about this colour on a canvas."""
    return page.evaluate(
        """([where, colour]) => {
          const canvas = document.querySelector(where);
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let i = 0; i < data.length; i += 4)
            if (colour.every((c, k) => Math.abs(data[i + k] - c) < 50)) found++;
          return found;
        }""",
        [canvas, colour],
    )


def shown_segments(page: Page, title: str) -> list[str]:
    """Name and number of each segment of a bullseye."""
    bullseye = page.locator("#wall figure").filter(has=page.locator(f'figcaption:text-is("{title}")'))
    return [segment.text_content() or "" for segment in bullseye.locator("g > title").all()]


def test_late_enhancement_has_no_heartbeat_and_leads_to_its_cine(browser: Browser, read: Read) -> None:
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, read.jobs["late_enhancement"].job.job_id)
        share = read.value("late_enhancement", "infarct_share")
        assert float(page.inner_text('.headline [data-value="infarct_share"]')) == pytest.approx(
            share, abs=0.051
        )
        assert "phase" not in page.inner_text("#where")
        for part in ("#curve", "#play", "#set-ed", "#copy"):
            assert not page.is_visible(part)
        assert count_of(page, "#image", INFARCT) > 20
        worst = read.value("late_enhancement", "infarct_share_mid_anterolateral")
        assert f"12 mid anterolateral: {worst:.0f}" in shown_segments(page, "Infarct (%)")
        page.click('[data-analysis="cine_sax"]')
        page.wait_for_selector("body[data-all-frames-ms]")
        assert page.is_visible("#curve")
        assert page.inner_text(".bar").count("Late enhancement MR") == 1


def test_an_erased_infarct_lowers_the_share_and_is_signed(browser: Browser, read: Read) -> None:
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, read.jobs["late_enhancement"].job.job_id)
        number = page.locator('.headline [data-value="infarct_share"]')
        before = float(number.inner_text())
        page.click('[data-layer="infarct"]')
        page.click("#drop")
        expect(number).not_to_have_text(f"{before:.1f}", timeout=PATIENCE_MS)
        expect(number).not_to_have_class("waits", timeout=PATIENCE_MS)
        after = float(number.inner_text())
        assert after < before
        expect(page.locator("#wall-shown")).to_contain_text("Measured anew on the corrected contours")
        assert len(shown_segments(page, "Infarct (%)")) == len(WALL_SEGMENTS) + 1
        page.click("#accept")
        page.click("#sign")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
    (report,) = read.signed("SR")
    assert report.VerificationFlag == "VERIFIED"
    (segmentation,) = read.signed("SEG")
    assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_a_run_opens_at_the_frame_that_was_measured(browser: Browser, read: Read) -> None:
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, read.jobs["coronary"].job.job_id)
        assert page.inner_text("[data-corner=where]").endswith("measured")
        assert not page.is_visible("#curve")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        canvas = '[data-view="run1"] canvas'
        assert count_of(page, canvas, EDGES) > 20
        assert count_of(page, canvas, RIGHT_ARTERY) > 20
        page.keyboard.press("ArrowRight")
        assert not page.inner_text("[data-corner=where]").endswith("measured")
        page.keyboard.press("Home")
        assert page.inner_text("[data-corner=where]").endswith("measured")
        assert page.locator("[data-tool], #set-ed, #drop").count() == 0, "vessels are not drawn by hand"


def row_of(page: Page, lesion: str) -> Locator:
    return page.locator(f'#scores-shown [data-of="{lesion}"]')


def test_a_lesion_is_numbered_beside_the_vessel_and_linked_to_its_row(browser: Browser, read: Read) -> None:
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, read.jobs["coronary"].job.job_id)
        number = page.get_by_role("button", name=re.compile(r"^1: \d+ %, "))
        expect(number).to_have_text("1", timeout=PATIENCE_MS)
        percent = round(read.value("coronary", LESION))
        said = rf"^Lumen Diameter Stenosis, .* right coronary artery: {percent} %, \w+; .* mm long\.\n1 warn"
        expect(page.locator("#impression")).to_have_value(re.compile(said))
        number.hover()
        expect(row_of(page, LESION)).to_have_class(re.compile("lit"))
        expect(page.locator(".mark-handle")).to_have_count(6)
        page.locator('[data-view="run1"] canvas').click(position={"x": 5, "y": 400})
        expect(page.locator(".mark-handle")).to_have_count(0)
        row_of(page, LESION).hover()
        expect(number).to_have_class(re.compile("lit"))
        page.keyboard.press("ArrowRight")
        expect(number).to_have_count(0)


def test_an_edge_is_dragged_and_every_number_follows(browser: Browser, read: Read) -> None:
    job = read.jobs["coronary"].job.job_id
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, job)
        row_of(page, LESION).hover()
        largest, shown = page.locator('.headline [data-value="max_stenosis"]'), row_of(page, LESION)
        before = largest.inner_text()
        page.locator('[data-handle="minimum_left"]').hover()  # which waits until it stands still
        at = centre_of(page.locator('[data-handle="minimum_left"]'))
        page.mouse.down()
        page.mouse.move(at[0] + 25, at[1] + 25, steps=4)
        expect(largest).not_to_have_text(before, timeout=PATIENCE_MS)
        page.mouse.up()
        expect(shown).to_contain_text("given", timeout=PATIENCE_MS)
        expect(page.locator("#impression")).to_have_value(re.compile(f": {largest.inner_text()} %, "))
        expect(page.locator("#remarks")).to_contain_text("Measured where a reader has drawn them: lesion 1")
        page.keyboard.press("Control+z")
        expect(largest).to_have_text(before, timeout=PATIENCE_MS)
        page.evaluate(SLOW_PREVIEWS)  # each shows the handle where it was a step before
        page.locator('[data-handle="end"]').focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(200)
        longer_mm = read.value("coronary", "lesion_1_length") + 5 * RUN.spacing_mm
        expect(shown).to_contain_text(f"{longer_mm:.1f} mm long", timeout=PATIENCE_MS)
        expect(page.locator("#saved")).to_contain_text("Draft saved", timeout=PATIENCE_MS)
        open_study(page, read.site, job)
        expect(shown).to_contain_text(f"{longer_mm:.1f} mm long", timeout=PATIENCE_MS)
        forget_draft(page, read.site, job)


def centre_of(part: Locator) -> tuple[float, float]:
    """Where it is on the screen."""
    box = part.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_missed_lesion_is_added_by_two_clicks_on_the_vessel(browser: Browser, read: Read) -> None:
    job, added = read.jobs["coronary"].job.job_id, "lesion_2_stenosis"
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, job)
        address = f"{read.site.url}/api/studies/{job}"
        vessel = max(page.request.get(address).json()["loops"][0]["courses"], key=len)
        (lesion,) = page.request.get(f"{address}/measured").json()["marks"]["run1"]
        handles = {handle["name"]: handle for handle in lesion["handles"]}
        row_of(page, LESION).hover()

        # The ends of the lesion tell where the image lies on the screen.
        begin, end = (
            handles[name]["track"][int(handles[name]["value"] - handles[name]["span"][0])]
            for name in ("begin", "end")
        )
        at_begin, at_end = (centre_of(page.locator(f'[data-handle="{name}"]')) for name in ("begin", "end"))
        scale = math.dist(at_begin, at_end) / math.dist(begin, end)

        page.click("[data-add]")
        expect(page.locator("[data-adding]")).to_contain_text("Click where the lesion begins")
        assert centre_of(page.locator('[data-handle="begin"]')) == at_begin, "the image stays where it was"
        for share in (0.1, 0.25):
            x, y = vessel[int(share * len(vessel))]
            page.mouse.click(at_begin[0] + scale * (x - begin[0]), at_begin[1] + scale * (y - begin[1]))
        expect(row_of(page, added)).to_contain_text("mm long", timeout=PATIENCE_MS)
        expect(page.locator("[data-adding]")).to_be_hidden()
        expect(page.locator("#remarks")).to_contain_text("lesion 2", timeout=PATIENCE_MS)
        page.keyboard.press("Control+z")
        expect(row_of(page, added)).to_have_count(0, timeout=PATIENCE_MS)


def test_frames_that_are_measured_as_found_take_no_other_beats(browser: Browser, read: Read) -> None:
    job = read.jobs["coronary"].job.job_id
    with reader_at(browser, read.site, read.token) as page:
        told = {"X-CSRF-Token": page.get_attribute('meta[name="csrf"]', "content") or ""}
        address = f"{read.site.url}/api/studies/{job}"
        (found,) = page.request.get(address).json()["loops"][0]["beats"]

        def sent(beat: dict[str, int], chosen: dict[str, float]) -> Any:
            body = {**beat, "beats": {"run1": [beat]}, "chosen": chosen}
            return page.request.put(f"{address}/draft", data=body, headers=told)

        refused = sent({"ed": 0, "es": 1}, {})
        assert not refused.ok
        assert "beats are not chosen here" in refused.text()
        assert not sent(found, {f"{LESION}:end": 1e9}).ok
        assert not sent(found, {f"{LESION}:width": 1.0}).ok
        assert sent(found, {f"{LESION}:end": 340.0}).ok
        forget_draft(page, read.site, job)


def test_a_stenosis_is_given_and_signed(browser: Browser, read: Read) -> None:
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, read.jobs["coronary"].job.job_id)
        largest = page.locator('.headline [data-value="max_stenosis"]')
        before = largest.inner_text()
        page.select_option(f'[data-score="{LESION}"]', label="no stenosis")
        expect(page.locator("#scores-shown")).to_contain_text("taken out, given, AI", timeout=PATIENCE_MS)
        expect(largest).not_to_have_text(before, timeout=PATIENCE_MS)
        page.keyboard.press("Control+z")
        expect(largest).to_have_text(before, timeout=PATIENCE_MS)
        page.select_option(f'[data-score="{LESION}"]', label="90 %, severe")
        expect(largest).to_have_text("90", timeout=PATIENCE_MS)
        expect(page.locator("#scores-shown")).to_contain_text("90 %, severe, given", timeout=PATIENCE_MS)
        open_study(page, read.site, read.jobs["coronary"].job.job_id)
        expect(largest).to_have_text("90", timeout=PATIENCE_MS)
        page.click("#accept")
        assert "1 stenosis given" in page.inner_text("#accept-what")
        page.click("#sign")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
    (report,) = read.signed("SR", "coronary")
    assert report.VerificationFlag == "VERIFIED"
    texts = [str(e.value) for e in report.iterall() if e.keyword == "TextValue"]
    assert any("90 % (measured" in text for text in texts)
    assert read.signed("SEG", "coronary")


def test_another_frame_of_a_run_is_measured(browser: Browser, read: Read, tmp_path: Path) -> None:
    first = read.jobs["coronary"]
    with reader_at(browser, read.site, read.token) as page:
        open_study(page, read.site, first.job.job_id)
        measure = page.locator("#measure-frame")
        expect(measure).to_be_disabled()
        page.keyboard.press("ArrowRight")
        frame = int(re.findall(r"\d+", page.inner_text('[data-corner="where"]'))[0]) - 1
        page.screenshot(path=tmp_path / "other_frame.png")
        with page.expect_navigation():
            measure.click()
        assert "This page shows it when it is done." in page.inner_text("#waiting")
        assert violations(page) == []
        job_id = page.url.rsplit("/", 1)[1]
        assert job_id != first.job.job_id
        page.wait_for_selector("body[data-all-frames-ms]")  # without being loaded again by the reader
        records = all_jobs_at(sqlite_of(read.site.settings.data_folder))
        record = next(record for record in records if record.job.job_id == job_id)
        entry = read_entry(read.site.settings.results_folder / record.outcome.result)
        assert list(entry["key_frames"].values()) == [frame]
        assert [chosen for _, chosen in entry["series_chosen"]["frames"]] == [frame]
        expect(page.locator(".panel")).to_contain_text("Frame chosen by Hart, Ada on")
        expect(page.locator('[data-corner="where"]')).to_contain_text(f"Frame {frame + 1} of")
        page.screenshot(path=tmp_path / "chosen.png")
