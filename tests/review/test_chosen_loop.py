"""Another loop of an ultrasound study is measured since a reader chose it, in a real browser and service."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from cvai.dicom.write.result_json import read_entry
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.review.series import STILL_PX
from tests.conftest import ROOT
from tests.review.site import PATIENCE_MS, Site, new_site, open_study, reader_at, running

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)


def add_loop(ds: Dataset, folder: Path, name: str, frames: np.ndarray, **stated: str) -> str:
    """Another loop of the study; its SOPInstanceUID."""
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name])
    ds.PixelData = frames.astype(np.uint8).tobytes()
    for keyword, value in stated.items():
        setattr(ds, keyword, value)
    ds.save_as(folder / f"{name}.dcm")
    return str(ds.SOPInstanceUID)


def inverted(frames: np.ndarray) -> np.ndarray:
    """(t, y, x) with bright blood and dark wall, in which the model sees no apical view."""
    return np.asarray((255 - frames) * frames.any(axis=0))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = new_site(tmp_path_factory.mktemp("loops"))
    with running(made):
        write_echo_phantom_study(made.root, acquisition=LoopAcquisition(n_frames=24, seed=3))
        folder = made.root / DICOM_FOLDER
        first = dcmread(folder / "a4c.dcm")
        frames = first.pixel_array
        add_loop(dcmread(folder / "a4c.dcm"), folder, "darker", 0.8 * frames)
        other = dcmread(folder / "a2c.dcm")
        add_loop(other, folder, "other", inverted(other.pixel_array))
        add_loop(first, folder, "still", np.repeat(frames[:1], len(frames), axis=0), StageName="PEAK")
        shutil.move(folder, made.settings.inbox_folder / ".echo")
        (made.settings.inbox_folder / ".echo").rename(made.settings.inbox_folder / "echo")
        made.jobs(1)
        yield made


def choose(page: Page, site: Site, job_id: str, text: str) -> str:
    """Open a study and choose the loop of which this is said; id of the new job."""
    open_study(page, site, job_id)
    page.locator("details", has_text="series excluded").locator("summary").click()
    entry = page.locator(".left-out li", has_text=text)
    expect(entry.get_by_role("button", name="Measure this loop instead")).to_be_visible()
    with page.expect_navigation():
        entry.get_by_role("button", name="Measure this loop instead").click()
    return page.url.rsplit("/", 1)[1]


def ended(site: Site, n: int, job_id: str) -> JobRecord:
    return next(record for record in site.jobs(n) if record.job.job_id == job_id)


def test_a_reader_has_another_loop_measured_and_a_refusal_leaves_the_result(
    browser: Browser, site: Site
) -> None:
    (first,) = site.jobs(1)
    entry = read_entry(site.settings.results_folder / first.outcome.result)
    left = {p["loop"]["view"]: p["loop"] for p in entry["excluded"] if p["loop"]}
    assert left.keys() == {"a4c", "other", ""}
    token = site.add_reader("hart")
    with reader_at(browser, site, token) as page:
        open_study(page, site, first.job.job_id)
        page.locator("details", has_text="series excluded").locator("summary").click()
        still = page.locator(".left-out li", has_text="Echo, four chambers").locator("img")
        expect(still).to_have_js_property("naturalWidth", STILL_PX)
        expect(page.locator(".left-out")).to_contain_text("Echo, four chambers 24 frames")

        refused_id = choose(page, site, first.job.job_id, "View unknown")
        refused = ended(site, 2, refused_id)
        assert (refused.outcome.state, refused.outcome.code) == (JobState.REFUSED, "chosen_loop_not_measured")
        open_study(page, site, first.job.job_id)
        expect(page.locator(".panel")).to_contain_text("Nothing moves in the 24 frames")
        expect(page.locator(".panel")).to_contain_text("This result stays.")

        chosen_id = choose(page, site, first.job.job_id, "Echo, four chambers")
        chosen = ended(site, 3, chosen_id)
        assert chosen.outcome.state is JobState.ANALYSED
        entry = read_entry(site.settings.results_folder / chosen.outcome.result)
        assert entry["view"] == "biplane"
        assert entry["series_chosen"]["by"] == "Hart^Ada"
        assert entry["series_chosen"]["loops"] == [left["a4c"]["sop_instance_uid"]]
        assert left["a4c"]["sop_instance_uid"] not in {
            p["loop"]["sop_instance_uid"] for p in entry["excluded"] if p["loop"]
        }
        open_study(page, site, chosen_id)
        expect(page.locator(".panel")).to_contain_text("Loop chosen by Hart, Ada on")
        page.goto(site.url)
        expect(page.locator(f'[data-job="{chosen_id}"]')).to_have_count(1)
        expect(page.locator(f'[data-job="{first.job.job_id}"]')).to_have_count(0)


def cvai(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cvai", *words, "--config", str(site.config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_command_names_a_loop_and_keeps_the_one_that_was_chosen_before(site: Site) -> None:
    """After the test above: its choice is kept for its view."""
    before = next(r for r in site.jobs(3) if r.job.choice and r.outcome.state is JobState.ANALYSED)
    assert before.job.choice is not None
    retry = ("jobs", "retry", before.job.job_id, "--by", "Hart^Ada", "--series", "1.2.3")
    assert "measures no chosen series" in cvai(site, *retry).stderr
    queued = cvai(site, *retry, "--loop", "1.2.3.4")
    record = ended(site, 4, queued.stdout.split()[-1])
    assert record.job.choice is not None
    assert record.job.choice.loops == (*before.job.choice.loops, "1.2.3.4")
    assert record.outcome.code == "chosen_loop_not_measured"


def test_a_loop_without_an_apical_view_is_measured_as_the_one_that_a_reader_states(
    browser: Browser, site: Site
) -> None:
    first, *others = site.jobs(1)
    token = site.add_reader("moor", person="Moor^Ben")
    with reader_at(browser, site, token) as page:
        open_study(page, site, first.job.job_id)
        page.locator("details", has_text="series excluded").locator("summary").click()
        entry = page.locator(".left-out li", has_text="neither an apical")
        expect(entry.locator("img")).to_have_js_property("naturalWidth", STILL_PX)
        with page.expect_navigation():
            entry.get_by_role("button", name="Measure as Apical two-chamber").click()
        job_id = page.url.rsplit("/", 1)[1]
        chosen = ended(site, len(others) + 2, job_id)
        assert chosen.outcome.state is JobState.ANALYSED, chosen.outcome
        entry_json = read_entry(site.settings.results_folder / chosen.outcome.result)
        assert "view_stated_by_reader" in {finding["code"] for finding in entry_json["findings"]}
        assert [view for _, view in entry_json["series_chosen"]["views"]] == ["a2c"]
        open_study(page, site, job_id)
        expect(page.locator("#findings")).to_contain_text("Moor Ben stated on")
