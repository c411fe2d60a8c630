"""Studies of one patient side by side in a real browser: values, differences and pictures."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from pydicom import dcmread

from cvai.domain.change import change_between
from cvai.domain.measurement import Measurement
from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.review.sign_in.accounts import Role
from tests.review.site import PATIENCE_MS, Site, new_site, open_study, reader_at, running

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)
DAYS = {"20240105": 60.0, "20250310": 35.0}
"""Ejection fraction of one patient by date."""


def deliver(site: Site, day: str, seed: int, ef_percent: float) -> None:
    """Drop a phantom of the same patient into the inbox."""
    made = site.root / day
    acquisition = PhantomAcquisition(
        n_slices=10, n_phases=8, rows=128, columns=128, spacing_x_mm=2.75, spacing_y_mm=2.5, seed=seed
    )
    write_phantom_study(made, PhantomHeart.drawn(seed, ef_percent), acquisition)
    for path in (made / DICOM_FOLDER).rglob("*.dcm"):
        image = dcmread(path)
        image.PatientID, image.PatientName, image.PatientBirthDate = "P-7", "Doe^Jane", "19610203"
        image.StudyDate = day
        image.save_as(path)
    move(made / DICOM_FOLDER, site.settings.inbox_folder, day)


def move(folder: Path, inbox: Path, name: str) -> None:
    shutil.move(folder, inbox / f".{name}")
    (inbox / f".{name}").rename(inbox / name)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = new_site(tmp_path_factory.mktemp("compared"))
    with running(made):
        for seed, (day, ef_percent) in enumerate(DAYS.items(), start=5):
            deliver(made, day, seed, ef_percent)
        made.jobs(2)
        yield made


def test_values_differences_and_pictures_stand_side_by_side(browser: Browser, own: Site) -> None:
    with reader_at(browser, own, own.add_reader("guest", Role.VIEWER, "Guest^Cy")) as page:
        any_job = own.jobs(2)[0].job.job_id
        priors = page.request.get(f"{own.url}/api/studies/{any_job}/priors").json()
        earlier, later = (prior["job_id"] for prior in priors)
        open_study(page, own, later)
        page.click("text=Side by side")
        expect(page.locator("canvas[data-shown=yes]")).to_have_count(4)
        cells = page.locator('[data-compared="lv_ef"] td')
        expect(cells).to_have_count(2)
        before, now = (float(cells.nth(n).locator(".value").inner_text()) for n in (0, 1))
        told = cells.nth(1).locator("[data-change]")
        assert float(told.inner_text().split()[0]) == pytest.approx(now - before, abs=0.11)
        assert told.get_attribute("data-change") == "beyond"
        assert cells.nth(0).locator("[data-change]").count() == 0
        assert page.inner_text("thead").split().count("2024-01-05") == 1
        assert Axe().run(page).violations_count == 0
        page.click(f'thead a[href="/studies/{earlier}"]')
        page.wait_for_selector("body[data-all-frames-ms]")
        assert page.goto(f"{own.url}/studies/{earlier}/compare") is not None
        expect(page.locator("canvas[data-shown=yes]")).to_have_count(2)


def test_the_comparison_is_audited_with_every_study_that_it_shows(own: Site) -> None:
    jobs = [record.job for record in own.jobs(2)]
    paths = [f"/studies/{job.job_id}/compare" for job in jobs]
    stated = [*paths, *(base64.b64encode(path.encode()).decode() for path in paths)]
    trail = own.settings.audit_file.read_text().splitlines()
    compared = [line for line in trail if any(path in line for path in stated)]
    assert any(all(f'UID="{job.study_uid}"' in line for job in jobs) for line in compared)


def test_measurements_of_different_quantities_have_no_difference() -> None:
    with pytest.raises(ValueError, match="is not"):
        change_between(Measurement("lv_ef", 1.0, "%"), Measurement("lv_edv", 1.0, "mL"))
