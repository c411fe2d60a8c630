"""Strain and timing on the reader's page, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.review.site import Site, open_study, reader_at

pytestmark = pytest.mark.servers


def test_strain_is_drawn_beside_its_numbers_and_its_curve_leads_to_a_phase(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        chart = page.locator("[data-recorded] svg")
        assert chart.locator("polyline").count() == 2
        assert "Circumferential strain" in str(chart.get_attribute("aria-label"))
        endo, mid = (float(page.inner_text(f'[data-value="lv_gcs_{layer}"]')) for layer in ("endo", "mid"))
        assert -40 < endo < mid < -3
        chart.click(position={"x": 37, "y": 40})
        assert "phase 1 of" in page.inner_text("#where")


def test_the_server_measures_strain_of_the_contours_that_stand(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[0])
        answer = page.evaluate("id => fetch(`/api/studies/${id}/measured`).then((r) => r.json())", job_ids[0])
        endo = answer["curves"]["gcs_endo_percent"]
        assert min(endo) == pytest.approx(answer["measurements"]["lv_gcs_endo"])
        assert len(endo) == len(answer["curves"]["lv_ml"])
