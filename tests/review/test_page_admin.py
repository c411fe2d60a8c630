"""Administrators in a real browser: readers and tokens, the queue, and the worklist as a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from pydicom import dcmread

from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.review.sign_in.accounts import Role
from cvai.review.worklist_table import COLUMNS
from tests.process import eventually
from tests.review.site import PATIENCE_MS, Site, measured_site, reader_at, running
from tests.review.test_requests import words

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: what is uploaded and done again here is not what other tests expect."""
    with running(measured_site(tmp_path_factory, "administered")) as made:
        yield made


@pytest.fixture(scope="module")
def job_id(site: Site) -> str:
    return site.jobs(1)[0].job.job_id


@pytest.fixture(scope="module")
def chief(site: Site) -> str:
    return site.add_reader("chief", Role.ADMIN, "Chief^Dee")


def may_sign_in(site: Site, token: str) -> bool:
    return requests.post(f"{site.url}/sign-in", data={"token": token}, timeout=60).ok


def test_a_reader_is_added_given_a_new_token_and_removed(browser: Browser, site: Site, chief: str) -> None:
    with reader_at(browser, site, chief) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("text=Administration")
        page.wait_for_url("**/admin")
        assert Axe().run(page).violations_count == 0
        row = page.locator('[data-reader="newcomer"]')
        page.fill("[name=name]", "newcomer")
        page.fill("[name=person]", "Comer^New")
        page.click("text=Add reader")
        expect(page.locator("#told")).to_contain_text("Token of newcomer")
        first = page.inner_text("#told").split()[-1]
        expect(row).to_contain_text("never")
        assert may_sign_in(site, first)
        row.get_by_role("button", name="New token").click()
        expect(page.locator("#told")).not_to_contain_text(first)
        expect(page.locator("#told")).to_contain_text("Token of newcomer")
        second = page.inner_text("#told").split()[-1]
        assert re.search(r"20\d\d-\d\d-\d\d", row.inner_text()), "the last sign-in"
        assert (may_sign_in(site, first), may_sign_in(site, second)) == (False, True)
        row.get_by_role("button", name="Remove").click()
        expect(row).to_have_count(0)
        assert not may_sign_in(site, second)
    trail = site.settings.audit_file.read_text()
    assert trail.count("User Security Attributes Changed") == 3


def test_a_reader_is_not_sent_in_the_address_before_the_script_listens(
    browser: Browser, site: Site, chief: str
) -> None:
    with reader_at(browser, site, chief) as page:
        page.route("**/admin*.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
        page.goto(f"{site.url}/admin")
        page.fill("[name=name]", "newcomer")
        page.fill("[name=person]", "Comer^New")
        page.press("[name=person]", "Enter")
        expect(page.get_by_role("button", name="Add reader")).to_be_disabled()
        assert page.url == f"{site.url}/admin"


def test_what_an_administrator_cannot_do_is_said(site: Site, chief: str) -> None:
    session = requests.Session()
    session.post(f"{site.url}/sign-in", data={"token": chief}, timeout=60).raise_for_status()
    told, address = words(site, session), f"{site.url}/api/admin"
    own = session.delete(f"{address}/readers/chief", json={}, headers=told, timeout=60)
    assert (own.status_code, own.json()["code"]) == (409, "reader_is_yourself")
    twice = {"name": "chief", "person": "Chief^Dee", "role": "admin"}
    again = session.post(f"{address}/readers", json=twice, headers=told, timeout=60)
    assert (again.status_code, again.json()["code"]) == (409, "reader_exists")
    for wrong in ({"name": "a b"}, {"person": "A\nB"}, {"role": "owner"}):
        answer = session.post(f"{address}/readers", json=twice | wrong, headers=told, timeout=60)
        assert answer.status_code == 422, wrong


def test_the_queue_is_shown_and_a_job_is_done_again(
    browser: Browser, site: Site, job_id: str, chief: str
) -> None:
    with reader_at(browser, site, chief) as page:
        page.goto(f"{site.url}/admin")
        row = page.locator(f'[data-queued="{job_id}"]')
        expect(row).to_contain_text("analysed")
        row.get_by_role("button", name="Retry").click()
        expect(page.locator("#told")).to_contain_text("queued again")
        site.jobs(1)
        page.reload()
        expect(row).to_contain_text("analysed")


def test_the_worklist_is_saved_as_a_table(browser: Browser, site: Site, job_id: str, chief: str) -> None:
    with reader_at(browser, site, chief) as page:
        with page.expect_download() as download:
            page.click("#save-csv")
        rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert list(rows[0]) == list(COLUMNS)
    assert {row["study_uid"] for row in rows} == {job_id.split("-", maxsplit=1)[0]}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    assert all(row["quantity"] == "lv_ef" for row in rows)
    assert "/worklist.csv" not in site.log


def test_dropped_folders_are_delivered_and_measured(
    browser: Browser, site: Site, chief: str, tmp_path: Path
) -> None:
    """The files of a page are chosen, since browsers let no script drop folders; both take the same way."""
    made = tmp_path / "phantom"
    acquisition = PhantomAcquisition(n_phases=8, rows=160, columns=160, spacing_x_mm=2.2, spacing_y_mm=2.0)
    write_phantom_study(made, PhantomHeart.drawn(9, 55.0), acquisition)
    files = sorted((made / DICOM_FOLDER).rglob("*.dcm"))
    with reader_at(browser, site, chief) as page:
        page.goto(f"{site.url}/admin")
        page.set_input_files("#upload-files", files)
        expect(page.locator("#upload-told")).to_contain_text(f"{len(files)} files delivered")
    uid = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    eventually(
        lambda: len(list((site.settings.archive_folder / uid).glob("*.dcm"))) >= len(files), "the study"
    )
    assert "Upload into the inbox" in site.settings.audit_file.read_text()
