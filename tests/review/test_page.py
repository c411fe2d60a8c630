"""Readers at work in a real browser: look, correct, sign, reject, and two at once."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect
from pydicom import Dataset, dcmread

from cvai.analyses.cine_sax import SPEC
from cvai.analyses.spec import STACK
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import AssembledCine
from cvai.dicom.write.write import REPORT_NAME
from cvai.domain.function import measure_sax
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.wall_thickness import measure_wall, measurement_name
from cvai.domain.volumes import volume_curves_ml
from cvai.review.measured import ChangesBody, checked_edits, with_edits
from tests.process import eventually
from tests.review.site import ORGANIZATION, TABLET, Site, open_study, reader_at, shown_ef


def drag(page: Page, start: tuple[float, float], by: tuple[float, float], steps: int = 6) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=steps)
    page.mouse.up()


def edge_of_the_cavity(page: Page) -> tuple[float, float]:
    """A point on the orange contour, found by its colour on the screen, right of the middle."""
    found = page.evaluate(
        """() => {
          const canvas = document.getElementById("image");
          const {width, height} = canvas;
          const row = Math.round(height / 2);
          const data = canvas.getContext("2d").getImageData(0, row, width, 1).data;
          const box = canvas.getBoundingClientRect();
          for (let x = width - 1; x >= 0; x--) {
            const [r, g, b] = data.slice(4 * x, 4 * x + 3);
            if (r > 200 && g < 170 && b < 90)
              return [box.left + x * box.width / width, box.top + row * box.height / height];
          }
          return null;
        }"""
    )
    assert found is not None, "the cavity's contour crosses the middle of the canvas"
    return found[0], found[1]


def measured_in_python(site: Site, job_id: str, draft: dict[str, object]) -> dict[str, float]:
    segmentation, phases, cine = drafted(site, job_id, draft)
    found = measure_sax(volume_curves_ml(segmentation), phases, cine.stack.heart_rate_bpm)
    return {m.name: m.value for m in found}


def drafted(
    site: Site, job_id: str, draft: dict[str, object]
) -> tuple[CineSegmentation, KeyPhases, AssembledCine]:
    """Labels and phases as a draft has them, on the images in the archive."""
    (study,) = read_studies(site.settings.archive_folder / job_id.split("-", maxsplit=1)[0]).studies
    cine = assemble_cine(select_sax_cine(study))
    changes = ChangesBody.model_validate({k: draft[k] for k in ("ed", "es", "frames")})
    pack = site.pack(job_id)
    assert SPEC.editing is not None
    edited = with_edits(pack.read_views(), checked_edits(changes, pack, SPEC.editing))[STACK]
    return CineSegmentation(edited, cine.stack.geometry), KeyPhases(changes.ed, changes.es), cine


def shown_wall_mm(page: Page) -> dict[str, float]:
    """Thickness at end-diastole by segment, of the table below the bullseyes."""
    rows = page.eval_on_selector_all(
        "#wall-shown tbody tr", "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return {name.split(" ", 1)[1]: float(ed) for name, ed, *_ in rows if ed != "–"}


def wall_in_python_mm(site: Site, job_id: str, draft: dict[str, object]) -> dict[str, float]:
    segmentation, phases, _ = drafted(site, job_id, draft)
    wall = measure_wall(segmentation, phases)
    values = {m.name: m.value for m in wall.measurements}
    named = {s.display_name: measurement_name(s, "ed") for s in WALL_SEGMENTS}
    return {display: values[name] for display, name in named.items() if name in values}


def documents(site: Site, study_uid: str, modality: str) -> list[Dataset]:
    folder = site.settings.archive_folder / study_uid
    headers = [dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm")]
    return [header for header in headers if header.Modality == modality]


def test_a_study_plays_and_its_curve_leads_to_its_phases(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    with reader_at(browser, site, hart) as page:
        assert page.locator("tr[data-job]").count() == 2
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-all-frames-ms]")
        assert "end-diastole" in page.inner_text("#where")
        page.keyboard.press("End")
        assert "end-systole" in page.inner_text("#where")
        box = page.locator("#curve svg").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 37, box["y"] + box["height"] / 2)
        assert "phase 1 of" in page.inner_text("#where")
        page.keyboard.press("Space")
        page.wait_for_selector("body[data-frames-per-second]")
        page.keyboard.press("Space")
        assert "Phantom" not in page.title()
        assert "Phantom" not in page.url


def test_dragging_a_contour_moves_the_numbers_as_python_measures_them_and_nothing_is_lost(
    browser: Browser, site: Site, job_ids: list[str], hart: str, lung: str
) -> None:
    job_id = job_ids[0]
    with reader_at(browser, site, hart) as page, reader_at(browser, site, lung) as other:
        open_study(page, site, job_id)
        before = shown_ef(page)
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page), (40, 0))
        page.wait_for_selector("#saved:has-text('Draft saved')")
        after = shown_ef(page)
        assert after > before + 0.5, "a larger end-diastole is a larger ejection fraction"
        draft = page.request.get(f"{site.url}/api/studies/{job_id}").json()["draft"]
        assert len(draft["frames"]) == 1
        python = measured_in_python(site, job_id, draft)
        assert after == pytest.approx(python["lv_ef"], abs=0.051)
        assert f"AI {before:.1f}" in page.inner_text('.headline [data-model="lv_ef"]')
        page.wait_for_selector("#wall-shown:has-text('Measured anew')")
        assert shown_wall_mm(page) == pytest.approx(wall_in_python_mm(site, job_id, draft), abs=0.051)

        open_study(page, site, job_id)
        assert shown_ef(page) == after, "a draft survives that the page is loaded again"
        open_study(other, site, job_id)
        assert "Ada Hart is changing this study right now" in other.inner_text("#notice")
        assert shown_ef(other) == before, "a draft is its reader's own"

        page.keyboard.press("Shift+S")
        assert page.inner_text('[data-phase="es"]') != "phase 1", "ED cannot be ES too"
        end_diastole = page.locator('[data-phase="ed"]')
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+D")
        expect(end_diastole).to_have_text("phase 2")
        page.keyboard.press("Control+z")
        expect(end_diastole).to_have_text("phase 1")
        page.keyboard.press("Home")
        page.keyboard.press("1")
        page.keyboard.press("Delete")
        eventually(lambda: shown_ef(page) != after, "the numbers to follow")
        page.keyboard.press("Control+z")
        eventually(lambda: shown_ef(page) == after, "the numbers to come back")


def test_a_draft_is_not_sent_before_the_one_before_has_been_answered(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()

    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_ids[1])
        page.route("**/draft", hold_the_first)
        with page.expect_request("**/draft") as first:
            page.keyboard.press("3")
            page.keyboard.press("Delete")
        page.keyboard.press("Control+z")
        page.wait_for_timeout(1500)  # twice as long as the page waits for further changes
        assert [route.request.method for route in held] == [first.value.method] == ["PUT"]
        with page.expect_response(lambda answer: answer.request.method == "DELETE") as second:
            held[0].continue_()
        assert second.value.ok
        expect(page.locator("#saved")).to_have_text("")


def test_what_a_reader_signs_stands_verified_in_the_archive_and_the_first_stays_as_it_was(
    browser: Browser, site: Site, job_ids: list[str], hart: str, lung: str
) -> None:
    job_id, study_uid = job_ids[0], job_ids[0].split("-")[0]
    folder = site.settings.archive_folder / study_uid
    first = {path.name: path.read_bytes() for path in folder.glob("*.dcm")}
    with reader_at(browser, site, hart) as page, reader_at(browser, site, lung) as other:
        open_study(other, site, job_id)
        open_study(page, site, job_id)
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page), (-25, 0))
        page.wait_for_selector("#saved:has-text('Draft saved')")
        signed = shown_ef(page)
        page.click("#accept")
        assert "Ada Hart" in page.inner_text("#accept-dialog")
        page.click("#sign")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
        assert "Accepted with changes by Ada Hart" in page.inner_text("#holds")
        other.click("#accept")
        other.click("#sign")
        other.wait_for_selector("#saved:has-text('Ada Hart has decided on this study meanwhile')")
        page.goto(site.url)
        assert page.inner_text(f'tr[data-job="{job_id}"] .state') == "changed"
    (verified,) = (d for d in documents(site, study_uid, "SR") if d.VerificationFlag == "VERIFIED")
    assert verified.VerifyingObserverSequence[0].VerifyingObserverName == "Hart^Ada"
    assert verified.VerifyingObserverSequence[0].VerifyingOrganization == ORGANIZATION
    assert ef_in(verified) == pytest.approx(signed, abs=0.051)
    (automatic,) = (d for d in documents(site, study_uid, "SR") if d.VerificationFlag == "UNVERIFIED")
    predecessor = verified.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert predecessor.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == automatic.SOPInstanceUID
    assert {name: (folder / name).read_bytes() for name in first} == first
    assert len(documents(site, study_uid, "SEG")) == 6


def ef_in(document: Dataset) -> float:
    """Numeric value coded as LVEF by MR."""
    found = [
        item
        for item in document.iterall()
        if item.keyword == "ConceptNameCodeSequence" and item.value and item.value[0].CodeValue == "8811-2"
    ]
    assert found
    return next(
        float(node.MeasuredValueSequence[0].NumericValue)
        for node in walk(document)
        if "MeasuredValueSequence" in node and node.ConceptNameCodeSequence[0].CodeValue == "8811-2"
    )


def walk(node: Dataset) -> list[Dataset]:
    return [node, *(below for child in node.get("ContentSequence", []) for below in walk(child))]


def test_a_rejection_withdraws_the_objects_with_its_reason(
    browser: Browser, site: Site, job_ids: list[str], hart: str
) -> None:
    job_id, study_uid = job_ids[1], job_ids[1].split("-")[0]
    with reader_at(browser, site, hart) as page:
        open_study(page, site, job_id)
        page.click("#reject")
        page.click("#reasons button >> nth=1")
        page.click("#reject-dialog button.danger")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
        expect(page.locator("#next")).to_be_focused()
        report = page.request.get(f"{site.url}/studies/{job_id}/report.pdf").body()
        (read,) = (site.settings.data_folder / "results").glob("*/*/rejection.dcm")
        assert report == read.with_name(REPORT_NAME).read_bytes(), "no report of numbers that were rejected"
        page.goto(f"{site.url}/?show=signed")
        assert page.inner_text(f'tr[data-job="{job_id}"] .state') == "rejected"
    (note,) = documents(site, study_uid, "KO")
    assert note.ConceptNameCodeSequence[0].CodeMeaning == "Rejected for Quality Reasons"
    assert "Contours do not follow the heart" in [i.get("TextValue") for i in note.ContentSequence]
    named = note.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert len(named) == 5


def test_who_may_only_look_finds_nothing_to_change(
    browser: Browser, site: Site, job_ids: list[str], guest: str
) -> None:
    with reader_at(browser, site, guest) as page:
        open_study(page, site, job_ids[0])
        for hidden in ("#accept", "#reject", '[data-tool="pull"]', "#drop", "#set-ed"):
            assert not page.is_visible(hidden)


def test_a_session_that_has_ended_leads_to_the_sign_in(
    browser: Browser, site: Site, job_ids: list[str], guest: str
) -> None:
    with reader_at(browser, site, guest) as page:
        page.click("#sign-out")
        page.wait_for_selector("#token")
        page.goto(f"{site.url}/studies/{job_ids[0]}")
        assert page.is_visible("#token")


@pytest.mark.parametrize("size", [None, TABLET], ids=["desktop", "tablet"])
def test_no_page_has_a_serious_accessibility_violation(
    browser: Browser, site: Site, job_ids: list[str], hart: str, size: dict[str, int] | None
) -> None:
    with reader_at(browser, site, hart, size) as page:
        for path in ("/", f"/studies/{job_ids[0]}", f"/studies/{job_ids[1]}"):
            page.goto(f"{site.url}{path}")
            page.wait_for_load_state("networkidle")
            found = Axe().run(page).response["violations"]
            serious = [v for v in found if v["impact"] in ("serious", "critical")]
            assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, "nothing sticks out to the side"


def test_every_page_is_light(browser: Browser, site: Site, job_ids: list[str], hart: str) -> None:
    """What a page loads besides its images; no page loads the scripts of all others."""
    with reader_at(browser, site, hart) as page:
        for path in ("/", f"/studies/{job_ids[0]}"):
            page.goto(f"{site.url}{path}")
            page.wait_for_load_state("networkidle")
            loaded = page.evaluate(
                """performance.getEntriesByType("resource").filter(({name}) => name.includes("/static/"))
                  .reduce((sum, {decodedBodySize}) => sum + decodedBodySize, 0)"""
            )
            assert 10_000 < loaded < 180_000
