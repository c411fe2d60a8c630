"""One service with two read studies for all tests of the page, and a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from cvai.review.sign_in.accounts import Role
from tests.review.site import CHROMIUM, Site, launch, measured_site, running


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(measured_site(tmp_path_factory, "site", n_studies=2)) as made:
        yield made


@pytest.fixture(scope="session")
def job_ids(site: Site) -> list[str]:
    """Jobs of the measured studies."""
    return [record.job.job_id for record in site.jobs(2)]


@pytest.fixture(scope="session")
def hart(site: Site) -> str:
    """Token of a reader who may sign."""
    return site.add_reader("hart", Role.REVIEWER, "Hart^Ada")


@pytest.fixture(scope="session")
def lung(site: Site) -> str:
    """Token of another one."""
    return site.add_reader("lung", Role.REVIEWER, "Lung^Ben")


@pytest.fixture(scope="session")
def guest(site: Site) -> str:
    """Token of one who may only look."""
    return site.add_reader("guest", Role.VIEWER, "Guest^Cy")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; while it is open Playwright keeps an event loop in this thread, which DBOS does not bear."""
    if CHROMIUM is None:
        pytest.skip("needs chromium (Debian package chromium-headless-shell or chromium)")
    with sync_playwright() as playwright:
        launched = launch(playwright)
        yield launched
        launched.close()
