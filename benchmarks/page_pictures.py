"""Pictures of the reader's page for docs/images, of synthetic hearts: ``python -m benchmarks.page_pictures``.

A real ``cvai serve`` in Debian's chromium, for each album one: two studies of one patient and one that is
refused; ultrasound; late enhancement and angiography; one that is drawn by hand. Names of pictures make
those alone:
``python -m benchmarks.page_pictures page-study page-admin``.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from pydicom import dcmread

from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.coronary.run import RunParameters, write_angiography_phantom_study
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.phantom.late_enhancement.study import write_enhancement_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.review.sign_in.accounts import Role
from tests.process import ended_by_kind
from tests.review.site import (
    DESKTOP,
    TABLET,
    WIDE,
    Site,
    forget_draft,
    launch,
    lose_heart,
    new_site,
    open_study,
    reader_at,
    running,
)
from tests.review.test_by_hand import draw_heart
from tests.review.test_page import drag, edge_of_the_cavity

FOLDER = Path("docs/images")
PHASES, SLICES, PIXELS = 12, 10, 160
COLOURS, JPEG_QUALITY = 256, 85


def as_jane(day: str, folder: Path) -> None:
    """Make a study one of the same patient."""
    for path in folder.rglob("*.dcm"):
        image = dcmread(path)
        image.PatientID, image.PatientName, image.PatientBirthDate = "P-7", "Doe^Jane", "19610203"
        image.PatientSex, image.StudyDate = "F", day
        image.save_as(path)


def two_slices_alone(folder: Path) -> None:
    """Leave too little of a study to be measured."""
    heights = {path: float(dcmread(path).ImagePositionPatient[2]) for path in folder.rglob("*.dcm")}
    kept = sorted(set(heights.values()))[:2]
    for path, height in heights.items():
        if height not in kept:
            path.unlink()


def deliver(site: Site) -> list[str]:
    """Jobs of the later and the earlier study of one patient, and of the refused study."""
    studies = (
        (5, 60.0, False, partial(as_jane, "20240105")),
        (6, 35.0, True, partial(as_jane, "20250310")),
        (7, 55.0, False, two_slices_alone),
    )
    found: list[str] = []
    for n, (seed, ef_percent, with_long_axes, before) in enumerate(studies, start=1):
        site.deliver(seed, ef_percent, PHASES, SLICES, PIXELS, with_long_axes=with_long_axes, before=before)
        new = {record.job.job_id for record in site.jobs(n)} - set(found)
        found += new
    earlier, later, refused = found
    return [later, earlier, refused]


def deliver_loops(site: Site) -> list[str]:
    """The job of an ultrasound study."""
    write_echo_phantom_study(site.root / "us", PhantomHeart.drawn(3, 60.0), LoopAcquisition(seed=3))
    drop(site, site.root / "us" / DICOM_FOLDER)
    return [record.job.job_id for record in site.jobs(1)]


def deliver_infarct_and_stenosis(site: Site) -> list[str]:
    """The jobs of late enhancement, which has a cine beside it, and of a run of a coronary artery."""
    small = PhantomAcquisition(n_phases=8, rows=PIXELS, columns=PIXELS, spacing_x_mm=2.0, spacing_y_mm=2.0)
    heart = write_enhancement_study(site.root / "mr", None, small, with_cine=True)
    tree = write_angiography_phantom_study(site.root / "xa", (RunParameters(n_frames=20, beat_frames=10),))
    for modality in ("mr", "xa"):
        drop(site, site.root / modality / DICOM_FOLDER)
    of_heart = ended_by_kind(site.settings.data_folder, heart.study_uid, {"cine_sax", "late_enhancement"})
    of_tree = ended_by_kind(site.settings.data_folder, tree.study_uid, {"coronary"})
    return [of_heart["late_enhancement"].job.job_id, of_tree["coronary"].job.job_id]


def deliver_lost(site: Site) -> list[str]:
    """The job of a study in which the heart is lost in some phases."""
    site.deliver(1, 45.0, n_slices=9, before=lose_heart)
    return [record.job.job_id for record in site.jobs(1)]


def drop(site: Site, images: Path) -> None:
    """Move images into the inbox, where they appear at once."""
    name = images.parent.name
    shutil.move(images, site.settings.inbox_folder / f".{name}")
    (site.settings.inbox_folder / f".{name}").rename(site.settings.inbox_folder / name)


def worklist(page: Page, site: Site, jobs: list[str]) -> None:
    """All studies."""
    del jobs
    page.goto(f"{site.url}/?show=all")
    page.wait_for_selector("tr[data-job]")


def corrected(page: Page, site: Site, jobs: list[str]) -> None:
    """A contour that was pulled, with its numbers."""
    fresh(page, site, jobs[0])
    page.keyboard.press("p")
    drag(page, edge_of_the_cavity(page), (30, 10))
    page.wait_for_selector("#saved:has-text('Draft saved')")
    page.wait_for_selector("#findings:has-text('Judged anew')")


def carried(page: Page, site: Site, jobs: list[str]) -> None:
    """The same, proposed for the phases beside."""
    corrected(page, site, jobs)
    page.keyboard.press("t")
    page.wait_for_selector('[data-carried="accept"]:visible')
    page.keyboard.press("ArrowRight")


def base(page: Page, site: Site, jobs: list[str]) -> None:
    """Both phases of a basal slice, the ventricle proposed to be taken out of one."""
    fresh(page, site, jobs[0])
    for key in ("b", "PageUp", "End", "l"):
        page.keyboard.press(key)
    page.wait_for_selector("#proposal:visible")


def wall(page: Page, site: Site, jobs: list[str]) -> None:
    """Bullseyes, and the patient over time."""
    fresh(page, site, jobs[0])
    page.locator("#wall-shown").scroll_into_view_if_needed()


def impression(page: Page, site: Site, jobs: list[str]) -> None:
    """What is proposed as impression."""
    fresh(page, site, jobs[0])
    page.locator("#impression").scroll_into_view_if_needed()


def compared(page: Page, site: Site, jobs: list[str]) -> None:
    """Two studies side by side."""
    page.goto(f"{site.url}/studies/{jobs[0]}/compare")
    page.locator("canvas[data-shown=yes]").nth(3).wait_for()


def refused(page: Page, site: Site, jobs: list[str]) -> None:
    """Why a study was not measured."""
    page.goto(f"{site.url}/studies/{jobs[2]}")
    page.wait_for_load_state("load")


def admin(page: Page, site: Site, jobs: list[str]) -> None:
    """Readers and jobs."""
    del jobs
    page.goto(f"{site.url}/admin")
    page.wait_for_load_state("load")


def opened(page: Page, site: Site, jobs: list[str]) -> None:
    """A study as it opens."""
    open_study(page, site, jobs[0])


def run(page: Page, site: Site, jobs: list[str]) -> None:
    """A run of a coronary artery, with its lesions."""
    open_study(page, site, jobs[1])
    page.wait_for_selector(".mark-number")


def by_hand(page: Page, site: Site, jobs: list[str]) -> None:
    """A refused study that is drawn on."""
    page.goto(f"{site.url}/studies/{jobs[0]}")
    page.click("[data-by-hand]")
    page.wait_for_selector("body[data-all-frames-ms]")
    draw_heart(page, 1.0)
    page.wait_for_selector("#findings:has-text('1 of 8 phases')")


def keys(page: Page, site: Site, jobs: list[str]) -> None:
    """Its keys."""
    open_study(page, site, jobs[0])
    page.keyboard.press("?")


Pictures = Mapping[str, Callable[[Page, Site, list[str]], None]]
MAIN: Pictures = {
    "page-worklist.png": worklist,
    "page-study.png": corrected,
    "page-carried.png": carried,
    "page-base.jpg": base,
    "page-base-wide.jpg": base,
    "page-wall.png": wall,
    "page-impression.png": impression,
    "page-compared.png": compared,
    "page-refused.png": refused,
    "page-admin.png": admin,
}
LOOPS: Pictures = {"page-echo.png": opened, "page-keys.png": keys, "page-echo-tablet.png": opened}
OTHERS: Pictures = {"page-enhancement.jpg": opened, "page-coronary.jpg": run}
LOST: Pictures = {"page-by-hand.png": by_hand}
ALBUMS = (
    (deliver, MAIN),
    (deliver_loops, LOOPS),
    (deliver_infarct_and_stenosis, OTHERS),
    (deliver_lost, LOST),
)
SIZES = {"tablet": TABLET, "wide": WIDE}
"""Of windows, by the end of a picture's name; all others are a desktop's."""


def fresh(page: Page, site: Site, job_id: str) -> None:
    """Open a study without a draft."""
    open_study(page, site, job_id)
    forget_draft(page, site, job_id)
    open_study(page, site, job_id)


def save(path: Path, shown: bytes) -> None:
    """As a palette or as JPEG: small enough for a repository."""
    picture = Image.open(io.BytesIO(shown)).convert("RGB")
    if path.suffix == ".jpg":
        picture.save(path, quality=JPEG_QUALITY, optimize=True)
    else:
        picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="of pictures; all without any")
    wanted = parser.parse_args().names
    for made, pictures in ALBUMS:
        shown = {name: show for name, show in pictures.items() if not wanted or Path(name).stem in wanted}
        if shown:
            with tempfile.TemporaryDirectory() as folder, running(new_site(Path(folder))) as site:
                take(site, made(site), shown)


def take(site: Site, jobs: list[str], pictures: Pictures) -> None:
    """Pictures of one site."""
    token = site.add_reader("hart", Role.ADMIN, "Hart^Ada")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for name, show in pictures.items():
            size = SIZES.get(Path(name).stem.rsplit("-", 1)[-1], DESKTOP)
            with reader_at(browser, site, token, size) as page:
                show(page, site, jobs)
                page.mouse.move(5, 5)
                save(FOLDER / name, page.screenshot())
                print(name)
        browser.close()


if __name__ == "__main__":
    main()
