"""The agreement screen: what readers made of a model, and a second model in shadow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from cvai.jobs.reading import Verdict
from cvai.jobs.shadow import SHADOW_NAME, ShadowRecord, Value
from cvai.review.database import Database
from cvai.review.decisions import Decision, Decisions
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Role
from tests.review.site import Site, reader_at
from tests.review.test_records import decision

MODEL, SHADOW = "sax 7.0.1", "sax 7.0.2"
SCANNER, FINDING = "Imaginary 3T", "base_not_covered"
SIGNED = ((1, 50.0, 50.0), (2, 54.0, 50.0), (3, 48.0, 50.0), (4, 61.0, 60.0))
"""Number, model, reader: differences 0, +4, -2, +1, so bias +0.75 and SD 2.5."""


@contextmanager
def decisions_of(site: Site) -> Iterator[Decisions]:
    database = Database(site.settings.data_folder / DATABASE_NAME)
    try:
        yield Decisions(database)
    finally:
        database.close()


def made() -> list[Decision]:
    """Four readings and a rejection by one scanner, of studies that are nowhere else."""
    signed = [decision(7000 + n, model, reader, MODEL) for n, model, reader in SIGNED]
    rejected = decision(7005, 40.0, 40.0, MODEL)
    rejected = replace(
        rejected,
        reading=replace(rejected.reading, verdict=Verdict.REJECTED, reason="motion"),
        comparison={**rejected.comparison, "measured": {}},
    )
    told = {"scanner": SCANNER, "findings": [FINDING]}
    return [replace(d, comparison={**d.comparison, **told}) for d in (*signed, rejected)]


@pytest.fixture(scope="module")
def chief(site: Site) -> str:
    """Token of an administrator of a site where five studies have been decided on, four also in shadow."""
    with decisions_of(site) as decisions:
        for each in made():
            added = decisions.add("hart", each.reading, each.comparison, after=0)
            decisions.mark_queued(added)  # there is no study to be signed
    for each, (_, model, reader) in zip(made(), SIGNED, strict=False):
        job = each.reading.job
        record = ShadowRecord(
            job.job_id, job.study_uid, SHADOW, MODEL, (Value("lv_ef", "%", model, reader + 1.0),)
        )
        folder = site.settings.results_folder / job.job_id / job.study_uid
        folder.mkdir(parents=True)
        (folder / SHADOW_NAME).write_text(json.dumps(record.to_json()))
    return site.add_reader("chief", Role.ADMIN, "Chief^Dee")


def test_decisions_are_told_by_model_scanner_and_finding_and_drawn(
    browser: Browser, site: Site, chief: str
) -> None:
    with reader_at(browser, site, chief) as page:
        page.goto(f"{site.url}/agreement")
        page.wait_for_selector("#bland-altman svg")
        rows = {row.split("\t")[0]: row.split("\t")[1:] for row in page.locator("tr").all_inner_texts()}
        for group in (MODEL, SCANNER, FINDING):
            assert rows[group] == ["5", "1", "3", "1", "+0.8", "-4.2 … +5.7"], group
        drawn = page.locator("#bland-altman").get_attribute("data-pairs") or ""
        assert {f"{model},{signed}" for _, model, signed in SIGNED} <= {
            pair.rsplit(",", 1)[0] for pair in drawn.split()
        }
        assert page.locator("#bland-altman circle").count() == len(drawn.split())
        serious = [
            v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")
        ]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []


def test_a_model_in_shadow_is_compared_with_results_and_with_readers(site: Site, chief: str) -> None:
    session = requests.Session()
    session.post(f"{site.url}/sign-in", data={"token": chief}, timeout=60)
    text = " ".join(session.get(f"{site.url}/agreement", timeout=60).text.split())
    shadow = text.split('id="shadow"')[1]
    assert f"{SHADOW} in shadow of {MODEL}" in shadow
    assert "4 studies; differences are shadow minus result" in shadow
    assert [cell.split("<")[0] for cell in shadow.split('<td class="number">')[1:5]] == [
        "4",
        "+0.2",
        "2.5",
        "-3.0",
    ]
    beside = text.split('id="shadow-readers"')[1].split("</section>")[0]
    assert f"{MODEL}, as seen" in beside
    assert f"{SHADOW}, in shadow" in beside
    assert "+1.0 … +1.0" in beside, "a constant difference has no spread"


def test_a_day_leaves_out_what_was_signed_before_it(site: Site, chief: str) -> None:
    session = requests.Session()
    session.post(f"{site.url}/sign-in", data={"token": chief}, timeout=60)
    address = f"{site.url}/agreement"
    assert SCANNER in session.get(address, params={"since": "2026-03-01"}, timeout=60).text
    assert SCANNER not in session.get(address, params={"since": "2026-03-02"}, timeout=60).text
