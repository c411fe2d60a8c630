"""A real ``cvai serve`` with its reader's page on loopback, and readers who open it in a real browser."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect
from pydicom import Dataset, dcmread

from cvai.archive.folder.archive import FolderArchive
from cvai.cli.page import session_limits
from cvai.jobs.ledger import JobRecord
from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.review.database import Database
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Accounts, Role
from cvai.review.sign_in.first_token import FILE_NAME as FIRST_TOKEN
from cvai.review.viewers.cine import META, CinePack
from cvai.settings import load_settings
from tests.conftest import ROOT
from tests.once import made_once
from tests.orthanc import free_port
from tests.process import Process, ended_jobs, eventually

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The shell draws no window around a page; a window of chromium costs more than signing in does."""

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, TABLET = {"width": 1280, "height": 800}, {"width": 820, "height": 1180}
WIDE = {"width": 2560, "height": 1440}
ORGANIZATION = "St Elsewhere"
PATIENCE_MS = 120_000
"""A browser on a busy machine; a page that works answers long before."""


@dataclass
class Site:
    """A service, its folders, and who may sign in."""

    root: Path
    port: int

    def __post_init__(self) -> None:
        self.config = self.root / "service.toml"
        self.config.write_text(
            f'data_folder = "{self.root / "data"}"\npoll_interval_s = 0.1\nshutdown_grace_s = 2\n'
            f'[folder]\nsettle_s = 0.3\n[review]\naddress = "127.0.0.1:{self.port}"\n'
            f'organization = "{ORGANIZATION}"\n'
        )
        self.settings = load_settings(self.config)
        self.archive = FolderArchive(self.settings.archive_folder)
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What the service printed for people."""
        return (self.root / "out.log").read_text()

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.root / "err.log").read_text()

    @property
    def first_token(self) -> str:
        return (self.settings.data_folder / FIRST_TOKEN).read_text().strip()

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/sign-in", timeout=5).ok
        except requests.ConnectionError:
            return False

    def add_reader(self, name: str, role: Role = Role.REVIEWER, person: str = "Hart^Ada") -> str:
        database = Database(self.settings.data_folder / DATABASE_NAME)
        try:
            return Accounts(database, session_limits(self.settings)).add(name, role, person)
        finally:
            database.close()

    def deliver(
        self,
        seed: int,
        ef_percent: float,
        n_phases: int = 8,
        n_slices: int | None = None,
        n_pixels: int = 160,
        *,
        with_long_axes: bool = False,
        before: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """Drop a phantom into the inbox; ``before`` is called with the folder of its files."""
        made = self.root / f"phantom-{seed}"
        acquisition = PhantomAcquisition(
            n_slices=n_slices,
            n_phases=n_phases,
            rows=n_pixels,
            columns=n_pixels,
            spacing_x_mm=352 / n_pixels,
            spacing_y_mm=320 / n_pixels,
            seed=seed,
        )
        write_phantom_study(
            made, PhantomHeart.drawn(seed, ef_percent), acquisition, with_long_axes=with_long_axes
        )
        before(made / DICOM_FOLDER)
        shutil.copytree(made / DICOM_FOLDER, self.settings.inbox_folder / f".phantom-{seed}")
        (self.settings.inbox_folder / f".phantom-{seed}").rename(
            self.settings.inbox_folder / f"phantom-{seed}"
        )

    def jobs(self, n: int) -> list[JobRecord]:
        """The jobs that have ended, oldest first, once they are ``n``."""
        return ended_jobs(self.settings.data_folder, n, timeout_s=240)[::-1]

    def pack(self, job_id: str) -> CinePack:
        """The images and labels the page shows."""
        folder = self.settings.data_folder / "cines" / job_id
        eventually((folder / META).exists, "the images to lie ready")
        return CinePack(folder, json.loads((folder / META).read_text()))


LOST_PHASES = slice(5, 7)


def lose_heart(folder: Path) -> None:
    """Noise in the place of some phases; the others show the heart as before."""
    slices: dict[tuple[float, ...], list[tuple[float, Path, Dataset]]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        image = dcmread(path)
        slices.setdefault(tuple(image.ImagePositionPatient), []).append((image.TriggerTime, path, image))
    rng = np.random.default_rng(7)
    for frames in slices.values():
        for _, path, image in sorted(frames, key=lambda frame: frame[0])[LOST_PHASES]:
            pixels = image.pixel_array
            noise = rng.normal(pixels.mean(), pixels.std() / 4, pixels.shape).clip(0)
            image.PixelData = noise.astype(pixels.dtype).tobytes()
            image.save_as(path)


@contextmanager
def running(site: Site, tree: Path = ROOT) -> Iterator[Site]:
    """The service as a process of its own, of the package in a tree, stopped by its id."""
    command = [sys.executable, "-m", "cvai", "serve", "--config", site.config]
    process = Process(command, site.root / "err.log", site.root / "out.log", tree)
    try:
        eventually(lambda: site.answers() or process.died() is not None, "the page to answer", 120)
        assert process.died() is None, site.log
        yield site
    finally:
        process.stop()


def new_site(root: Path) -> Site:
    return Site(root, free_port())


PHANTOMS = ((1, 45.0, True), (2, 60.0, False))
"""Seed, ejection fraction in percent and whether with long axes, of the studies of ``measured_site``."""


def measured_site(tmp_path_factory: pytest.TempPathFactory, name: str, n_studies: int = 1) -> Site:
    """A site to be served whose first studies have been measured and shown before, once for all tests."""
    site = new_site(tmp_path_factory.mktemp(name))
    shutil.copytree(_measured(tmp_path_factory, n_studies), site.settings.data_folder)
    return site


def _measured(tmp_path_factory: pytest.TempPathFactory, n_studies: int) -> Path:
    """Data folder of a service that has stopped after so many studies; it names no folder in its files."""

    def make(root: Path) -> None:
        site = new_site(root)
        if n_studies > 1:
            shutil.copytree(_measured(tmp_path_factory, n_studies - 1), site.settings.data_folder)
        seed, ef_percent, with_long_axes = PHANTOMS[n_studies - 1]
        with running(site):
            site.deliver(seed, ef_percent, with_long_axes=with_long_axes)
            for record in site.jobs(n_studies):
                site.pack(record.job.job_id)

    return made_once(tmp_path_factory, f"measured-{n_studies}", make) / "data"


def launch(playwright: Playwright, program: str | None = CHROMIUM) -> Browser:
    return playwright.chromium.launch(executable_path=program, args=FLAGS)


@contextmanager
def reader_at(browser: Browser, site: Site, token: str, size: dict[str, int] | None = None) -> Iterator[Page]:
    """A reader who has signed in; the page must not complain, nor ask anybody else for anything."""
    context = browser.new_context(viewport=size or DESKTOP)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if is_complaint(line) else None)
    page.on("request", lambda asked: None if asked.url.startswith(site.url) else complaints.append(asked.url))
    try:
        page.goto(site.url)
        page.fill("#token", token)
        page.click("button[type=submit]")
        page.wait_for_selector("#rows")
        page.wait_for_load_state("load")  # by then its script listens to the keyboard
        yield page
        if not page.is_closed():
            # A change that waits is sent when the page closes, and would come after the next test has begun.
            expect(page.locator(SAVING)).to_have_count(0, timeout=PATIENCE_MS)
        assert complaints == []
    finally:
        context.close()


def is_complaint(line: ConsoleMessage) -> bool:
    """Whether the browser complains of the page; a request that was refused is the page's own business."""
    return line.type == "error" and "the server responded with a status of 4" not in line.text


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """Serious and critical findings of axe-core, with the first elements of each."""
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    return [(v["id"], [node["html"] for node in v["nodes"]][:3]) for v in serious]


def open_study(page: Page, site: Site, job_id: str) -> None:
    """Open a study and wait for all of its images."""
    page.goto(f"{site.url}/studies/{job_id}")
    page.wait_for_selector("body[data-all-frames-ms]")


EF = '.headline [data-value="lv_ef"]'
SAVING = "#saved:text-matches('Saving|Wird gespeichert')"


def forget_draft(page: Page, site: Site, job_id: str) -> None:
    """Forget what the reader has changed and not signed, in this test or an earlier one."""
    told = {"X-CSRF-Token": page.get_attribute('meta[name="csrf"]', "content") or ""}
    page.request.delete(f"{site.url}/api/studies/{job_id}/draft", data={}, headers=told)


def shown_ef(page: Page) -> float:
    return float(page.inner_text(EF))
