"""The page of an analysis that was added by a folder and a line: seen, edited, signed and compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset, dcmread

from cvai.dicom.write.result_json import read_entry
from cvai.domain.runs import encoded_runs
from cvai.jobs.ledger import JobRecord
from cvai.review.sign_in.accounts import Role
from tests.analyses.extended import KIND, environment_of, extended_tree
from tests.review.site import Site, new_site, open_study, reader_at, running

pytestmark = pytest.mark.servers

SHADOW = """
import sys
from pathlib import Path
from cvai.analyses.cavity_area import KIND, SPEC
from cvai.analyses.registry import ReadyAnalysis
from cvai.archive.folder.archive import FolderArchive
from cvai.domain.segmentation import ModelIdentity
from cvai.jobs.analysis_slots import AnalysisSlots, UnendedAnalyses
from cvai.jobs.database import open_database
from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.job import StudyJob
from cvai.jobs.loading import shadow_of
from cvai.jobs.shadow import ShadowJob, ShadowSteps

class OtherRules:
    identity = ModelIdentity("other_rules", "2", "ee" * 32, "rules")

archive, results, work, result, *job = sys.argv[1:]
shadow = shadow_of(ReadyAnalysis(SPEC, OtherRules), InferenceLock())
slots = AnalysisSlots(1, UnendedAnalyses(open_database(f"sqlite:///{work}/slots.sqlite")))
steps = ShadowSteps(FolderArchive(Path(archive)), {KIND: shadow}, Path(work), Path(results), slots)
print(steps.run(ShadowJob(StudyJob(*job), result, OtherRules.identity.sha256)).state)
"""
"""Does the shadow job of a second set of rules, in the tree that has the analysis."""


@dataclass(frozen=True)
class Added:
    """A service with the analysis, and the job that it did of a phantom."""

    site: Site
    tree: Path
    record: JobRecord

    @property
    def job_id(self) -> str:
        return self.record.job.job_id

    @property
    def address(self) -> str:
        return f"{self.site.url}/api/studies/{self.job_id}"

    @property
    def area_cm2(self) -> float:
        """As the analysis measured it."""
        (found,) = read_entry(self.site.settings.results_folder / self.record.outcome.result)["measurements"]
        return float(found["value"])

    def objects(self, modality: str) -> list[Dataset]:
        """Signed objects of the study in the archive."""
        folder = self.site.settings.archive_folder / self.record.job.study_uid
        headers = [dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm")]
        return [h for h in headers if h.Modality == modality and "signed" in h.get("SeriesDescription", "")]


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Added]:
    tree = extended_tree(tmp_path_factory.mktemp("tree"))
    site = new_site(tmp_path_factory.mktemp("site"))
    with running(site, tree):
        site.deliver(1, 45.0)
        (record,) = (record for record in site.jobs(2) if record.job.kind == KIND)
        yield Added(site, tree, record)


@pytest.fixture(scope="module")
def hart(added: Added) -> str:
    return added.site.add_reader("hart")


def signed_in(site: Site, token: str) -> requests.Session:
    session = requests.Session()
    session.post(f"{site.url}/sign-in", data={"token": token}, timeout=60).raise_for_status()
    text = session.get(site.url, timeout=60).text
    session.headers["X-CSRF-Token"] = text.split('name="csrf" content="')[1].split('"', maxsplit=1)[0]
    return session


def labels_of(session: requests.Session, added: Added, cine: dict[str, Any]) -> NDArray[np.uint8]:
    """(t, z, y, x) as the page unpacks them."""
    packed = session.get(f"{added.address}/labels", timeout=60).content
    n = int(np.frombuffer(packed, "<u4", count=1)[0])
    lengths, values = np.frombuffer(packed, "<u4", n, 4), np.frombuffer(packed, np.uint8, n, 4 + 4 * n)
    shape = (cine["n_phases"], cine["n_slices"], cine["rows"], cine["columns"])
    return np.repeat(values, lengths).reshape(shape)


def test_the_page_serves_its_images_layers_and_numbers(added: Added, hart: str) -> None:
    session = signed_in(added.site, hart)
    html = session.get(f"{added.site.url}/studies/{added.job_id}", timeout=60).text
    assert 'data-layer="blood"' in html
    assert f'data-value="blood_area" data-decimals="1">{added.area_cm2:.1f}' in html
    assert "ventric" not in html
    told = session.get(added.address, timeout=60).json()
    assert [layer["name"] for layer in told["page"]["layers"]] == ["blood"]
    cine = told["cine"]
    pixels = session.get(f"{added.address}/pixels/0", timeout=60).content
    assert len(pixels) == 2 * cine["n_phases"] * cine["rows"] * cine["columns"]
    labels = labels_of(session, added, cine)
    assert set(np.unique(labels)) == {0, 1}
    measured = session.get(f"{added.address}/measured", timeout=60).json()
    assert measured["measurements"] == {"blood_area": added.area_cm2}
    assert (measured["curves"], measured["wall"]) == ({"time_ms": None}, "")
    assert "a threshold knows no anatomy" in measured["findings"]
    rows = session.get(added.site.url, timeout=60).text
    assert f"{added.area_cm2:.0f}&thinsp;cm²" in rows


def test_an_edited_label_changes_the_number_and_an_unknown_one_is_refused(added: Added, hart: str) -> None:
    session = signed_in(added.site, hart)
    cine = session.get(added.address, timeout=60).json()["cine"]
    labels = labels_of(session, added, cine)
    t, z = 3, cine["n_slices"] // 2
    drawn = np.ones_like(labels[t, z])
    drawn[0, 0] = 0
    body = {"ed": t, "es": 0, "frames": [{"t": t, "z": z, "runs": list(encoded_runs(drawn))}]}
    session.put(f"{added.address}/draft", json=body, timeout=60).raise_for_status()
    found = session.get(f"{added.address}/measured", timeout=60).json()["measurements"]
    pixel_cm2 = cine["spacing_x_mm"] * cine["spacing_y_mm"] / 100
    assert found["blood_area"] == pytest.approx((drawn.size - 1) * pixel_cm2)
    unknown = {**body, "frames": [{"t": t, "z": z, "runs": [drawn.size, 2]}]}
    answer = session.put(f"{added.address}/draft", json=unknown, timeout=60)
    assert answer.json()["code"] == "changes_invalid"
    session.delete(f"{added.address}/draft", json={}, timeout=60).raise_for_status()
    assert session.get(f"{added.address}/measured", timeout=60).json()["measurements"] == {
        "blood_area": added.area_cm2
    }


def shown_area(page: Page) -> float:
    return float(page.inner_text('.headline [data-value="blood_area"]'))


def test_a_reader_draws_sees_the_number_change_and_signs(browser: Browser, added: Added, hart: str) -> None:
    with reader_at(browser, added.site, hart) as page:
        open_study(page, added.site, added.job_id)
        before = shown_area(page)
        assert before == pytest.approx(added.area_cm2, abs=0.051)
        assert page.locator("[data-layer]").count() == 1
        assert page.locator("#wall").count() == 0
        box = page.locator("#image").bounding_box()
        assert box is not None
        page.keyboard.press("a")
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(middle[0] - 150, middle[1] - 150)
        page.mouse.down()
        page.mouse.move(middle[0] + 150, middle[1] + 150, steps=12)
        page.mouse.up()
        expect(page.locator('.headline [data-model="blood_area"]')).to_have_text(f"AI {before:.1f}")
        number = page.locator('.headline [data-value="blood_area"]')
        expect(number).not_to_have_text(f"{before:.1f}")
        expect(number).not_to_have_class("waits")
        after = shown_area(page)
        assert after > before
        page.click("#accept")
        expect(page.locator("#accept-table .value")).to_have_text(f"{after:.1f}")
        page.click("#sign")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
        assert "Accepted with changes by Ada Hart" in page.inner_text("#holds")
        open_study(page, added.site, added.job_id)
        expect(number).to_have_text(f"{after:.1f}")
    (report,) = added.objects("SR")
    assert report.VerificationFlag == "VERIFIED"
    assert report.VerifyingObserverSequence[0].VerifyingObserverName == "Hart^Ada"
    (value,) = (
        float(item.NumericValue)
        for item in report.iterall()
        if item.keyword == "MeasuredValueSequence" and item.value
        for item in item.value
    )
    assert value == pytest.approx(after, abs=0.051)
    (segmentation,) = added.objects("SEG")
    assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def accept(session: requests.Session, added: Added) -> None:
    """Sign it as the model left it."""
    told = session.get(added.address, timeout=60).json()
    body = {"after": (told["holds"] or {"number": 0})["number"], "reason": ""}
    changes = {**told["result"]["key_frames"], "frames": []}
    session.post(
        f"{added.address}/decision", json={**body, "changes": changes}, timeout=60
    ).raise_for_status()


def test_a_second_model_in_shadow_and_readers_are_compared_with_it(added: Added, tmp_path: Path) -> None:
    job, settings = added.record.job, added.site.settings
    done = subprocess.run(
        [
            *(sys.executable, "-c", SHADOW, settings.archive_folder, settings.results_folder, tmp_path),
            *(added.record.outcome.result, job.study_uid, job.digest, job.model_sha256, job.kind),
        ],
        cwd=added.tree,
        env=environment_of(added.tree),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "analysed", done.stderr
    session = signed_in(added.site, added.site.add_reader("chief", Role.ADMIN, "Chief^Dee"))
    accept(session, added)
    text = " ".join(session.get(f"{added.site.url}/agreement", timeout=60).text.split())
    shadow = text.split('id="shadow"')[1]
    assert "other_rules 2 in shadow of cavity_area_rules" in shadow
    assert '<td>BLOOD AREA, cm2</td><td class="number">1</td><td class="number">+0.0</td>' in shadow
    assert "Blood: model minus reader" in text
    assert "Blood: both models minus reader" in text


def test_the_page_has_no_serious_accessibility_violation(browser: Browser, added: Added, hart: str) -> None:
    with reader_at(browser, added.site, hart) as page:
        open_study(page, added.site, added.job_id)
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []
        assert json.loads(page.evaluate("JSON.stringify(document.body.dataset)"))["allFramesMs"]
