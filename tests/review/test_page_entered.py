"""Size, blood pressure and haematocrit entered by hand on the page: indexed at once, signed, and marked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from cvai.domain.body import body_surface_area_m2
from cvai.review.sign_in.accounts import Role
from tests.process import eventually
from tests.review.site import PATIENCE_MS, Site, measured_site, open_study, reader_at, running
from tests.review.test_requests import words

pytestmark = pytest.mark.servers
expect.set_options(timeout=PATIENCE_MS)
SURFACE_M2 = body_surface_area_m2(height_m=1.75, weight_kg=80.0)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of its own: what is entered here stands."""
    with running(measured_site(tmp_path_factory, "entered")) as made:
        yield made


@pytest.fixture(scope="module")
def ada(own: Site) -> str:
    return own.add_reader("hart", Role.REVIEWER, "Hart^Ada")


@pytest.fixture(scope="module")
def session(own: Site, ada: str) -> requests.Session:
    made = requests.Session()
    made.post(f"{own.url}/sign-in", data={"token": ada}, timeout=60).raise_for_status()
    made.headers.update(words(own, made))
    return made


def job_of(site: Site) -> str:
    return site.jobs(1)[0].job.job_id


def number(page: Page, name: str) -> float:
    return float(page.inner_text(f'.numbers [data-value="{name}"]'))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"height_m": 175.0}, "height_m must lie"),
        ({"height_m": 1.75, "weight_kg": 9.0}, "not those of one person"),
        ({"systolic_mmhg": 120.0}, "a systolic and a diastolic"),
        ({"heart_rate_bpm": 60.0}, "is stated by the study itself"),
    ],
)
def test_what_cannot_be_or_is_stated_already_is_refused(
    own: Site, session: requests.Session, body: dict[str, float], why: str
) -> None:
    url = f"{own.url}/api/studies/{job_of(own)}/entered"
    answer = session.put(url, json={"after": 0, **body}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (422, "entry_invalid")
    assert why in answer.json()["message"]


def test_numbers_by_body_surface_follow_what_is_entered(browser: Browser, own: Site, ada: str) -> None:
    with reader_at(browser, own, ada) as page:
        open_study(page, own, job_of(own))
        assert page.locator('[data-value="lv_edv_index"]').count() == 0
        edv = number(page, "lv_edv")
        page.click("#enter")
        page.fill("#enter-height_m", "175")
        page.fill("#enter-weight_kg", "8")
        page.click("#enter-save")
        expect(page.locator("#enter-problem")).to_contain_text("not those of one person")
        page.fill("#enter-weight_kg", "80")
        page.fill("#enter-haematocrit_percent", "41.5")
        page.click("#enter-save")
        expect(page.locator("#patient")).to_contain_text("Entered by Hart, Ada")
        page.wait_for_selector("body[data-all-frames-ms]")
        assert number(page, "lv_edv_index") == pytest.approx(edv / SURFACE_M2, abs=0.8)
        assert "Height 175 cm by hand, Weight 80.0 kg by hand" in page.inner_text("#patient")
        assert "entered by hand by Hart, Ada" in page.inner_text("#findings").lower().replace(
            "hart, ada", "Hart, Ada"
        )
        assert f"{number(page, 'lv_edv_index'):.0f} mL/m²" in page.input_value("#impression")
        assert Axe().run(page).violations_count == 0


def test_a_correction_is_measured_with_what_was_entered(browser: Browser, own: Site, ada: str) -> None:
    with reader_at(browser, own, ada) as page:
        open_study(page, own, job_of(own))
        before = number(page, "lv_edv_index")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+D")
        expect(page.locator("#findings")).to_contain_text("Judged anew")
        assert number(page, "lv_edv_index") != before
        assert "Entered by hand" in page.inner_text("#findings")
        page.keyboard.press("Control+z")
        expect(page.locator("#findings")).not_to_contain_text("Judged anew")


def test_it_is_signed_and_marked_in_the_results(browser: Browser, own: Site, ada: str) -> None:
    job_id = job_of(own)
    with reader_at(browser, own, ada) as page:
        open_study(page, own, job_id)
        index = number(page, "lv_edv_index")
        page.click("#accept")
        page.click("#sign")
        expect(page.locator("#holds")).to_contain_text("stored in the archive")
    results = own.settings.results_folder
    eventually(lambda: list(results.glob(f"{job_id}-accepted-*/*/result.json")) != [], "the signed results")
    (found,) = results.glob(f"{job_id}-accepted-*/*/result.json")
    (entry,) = json.loads(found.read_text())["analyses"]
    values = {m["name"]: m["value"] for m in entry["measurements"]}
    assert values["lv_edv_index"] == pytest.approx(index, abs=0.51)
    assert values["bsa"] == pytest.approx(SURFACE_M2)
    assert entry["body"]["entered"]["by"] == "Hart^Ada"
    assert entry["body"]["entered"]["values"] == {
        "height_m": 1.75,
        "weight_kg": 80.0,
        "haematocrit_percent": 41.5,
    }


def test_an_entry_is_taken_back_by_an_empty_one(own: Site, session: requests.Session) -> None:
    address = f"{own.url}/api/studies/{job_of(own)}"
    last = session.get(address, timeout=60).json()["entry"]["number"]
    stale = session.put(f"{address}/entered", json={"after": 0}, timeout=60)
    assert (stale.status_code, stale.json()["code"]) == (409, "stated_meanwhile")
    session.put(f"{address}/entered", json={"after": last}, timeout=60).raise_for_status()
    told_now = session.get(address, timeout=60).json()
    assert "bsa" not in {m["name"] for m in told_now["result"]["measurements"]}
    assert told_now["result"]["body"]["entered"] is None
