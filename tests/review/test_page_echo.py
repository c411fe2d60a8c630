"""A reader looks at an ultrasound study in a real browser: both loops, their discs, and what is said."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset, dcmread

from cvai.analyses.echo_apical import SPEC
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import assemble_loop, select_loops
from cvai.dicom.write.result_json import read_entry
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.function import Volumes, key_discs, mean_volumes
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.views import EchoView
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.review.measured import ChangesBody, checked_edits, with_edits
from cvai.review.sign_in.accounts import Role
from cvai.review.viewers.cine import META
from cvai.review.viewers.loops import LoopPack
from tests.review.site import (
    PATIENCE_MS,
    TABLET,
    Site,
    forget_draft,
    new_site,
    open_study,
    reader_at,
    running,
    shown_ef,
)

pytestmark = pytest.mark.servers

LESS_THAN_A_BEAT = LoopAcquisition(n_frames=18, seed=3)
"""Up to end-systole and a little beyond, so that there is a finding."""

CAVITY_LABEL = ECHO_LABELS[Structure.LV_CAVITY]
DISCS, CAVITY, ATRIUM = (240, 228, 66), (255, 122, 26), (86, 180, 233)


@dataclass(frozen=True)
class Reading:
    """A service with one measured ultrasound study, and who may sign."""

    site: Site
    token: str
    job_id: str
    result: dict[str, object]


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    site = new_site(tmp_path_factory.mktemp("echo"))
    with running(site):
        write_echo_phantom_study(site.root, acquisition=LESS_THAN_A_BEAT)
        shutil.move(site.root / DICOM_FOLDER, site.settings.inbox_folder / ".echo")
        (site.settings.inbox_folder / ".echo").rename(site.settings.inbox_folder / "echo")
        (record,) = site.jobs(1)
        result = site.settings.data_folder / "results" / record.outcome.result
        yield Reading(site, site.add_reader("hart"), record.job.job_id, read_entry(result))


def count_of(page: Page, view: str, colour: tuple[int, int, int]) -> int:
    """Pixels of about this colour on a view's canvas."""
    return page.evaluate(
        """([view, colour]) => {
          const canvas = document.querySelector(`[data-view="${view}"] canvas`);
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let i = 0; i < data.length; i += 4)
            if (colour.every((c, k) => Math.abs(data[i + k] - c) < 50)) found++;
          return found;
        }""",
        [view, colour],
    )


def where(page: Page, view: str) -> str:
    return page.inner_text(f'[data-view="{view}"] [data-corner="where"]')


def test_both_loops_are_shown_with_contours_and_discs(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        assert "end-systolic volume is that of the discs drawn times" in page.inner_text(".panel")
        assert "height of the longest long axis" in page.inner_text(".panel")
        measured = {m["name"]: m["value"] for m in echo.result["measurements"]}  # type: ignore[attr-defined]
        assert shown_ef(page) == pytest.approx(measured["lv_ef"], abs=0.051)
        first = echo.result["key_frames"]
        for view in ("a4c", "a2c"):
            assert "end-diastole" in where(page, view)
            for colour in (DISCS, CAVITY, ATRIUM):
                assert count_of(page, view, colour) > 20
        assert where(page, "a4c").startswith(f"Frame {first['ed'] + 1} of")  # type: ignore[index]
        page.keyboard.press("m")
        assert [count_of(page, view, DISCS) for view in ("a4c", "a2c")] == [0, 0]
        page.keyboard.press("c")
        assert [count_of(page, view, CAVITY) for view in ("a4c", "a2c")] == [0, 0]


def test_strain_is_drawn_where_it_was_measured_and_else_said_to_be_withheld(
    browser: Browser, echo: Reading
) -> None:
    withheld = {
        place["view"]
        for finding in echo.result["findings"]  # type: ignore[attr-defined]
        if finding["code"] == "strain_withheld"
        for place in finding["where"]
    }
    assert withheld == {"a2c"}, "it has not come back when the loop ends"
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        expect(page.locator("#traces svg")).to_be_visible()
        expect(page.locator("#traces-missing")).to_be_hidden()
        page.keyboard.press("o")
        expect(page.locator("#traces-missing")).to_be_visible()
        expect(page.locator("#traces")).to_be_hidden()


def test_keys_curve_and_findings_lead_to_frames(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        page.keyboard.press("End")
        assert all("end-systole" in where(page, view) for view in ("a4c", "a2c"))
        page.keyboard.press("Home")
        before = where(page, "a2c")
        page.keyboard.press("o")
        assert "two chambers" in page.inner_text("#curve-title")
        page.keyboard.press("ArrowRight")
        assert where(page, "a2c") != before
        assert "end-diastole" in where(page, "a4c"), "only the view that leads goes on"
        box = page.locator("#curve svg").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 37, box["y"] + box["height"] / 2)
        assert where(page, "a2c").startswith("Frame 1 of")
        page.keyboard.press("Space")
        page.wait_for_selector("body[data-frames-per-second]")
        page.keyboard.press("Space")
        page.click('#findings [data-code="less_than_a_beat"] button')
        assert re.match(r"Frame \d+ of 18 · end-diastole", page.inner_text(".leading [data-corner=where]"))


def edge_of_the_cavity(page: Page, view: str) -> tuple[float, float]:
    """On the page, where the cavity's contour lies to the right, halfway down a view."""
    found = page.evaluate(
        """(view) => {
          const canvas = document.querySelector(`[data-view="${view}"] canvas`);
          const {width, height} = canvas;
          const row = Math.round(0.45 * height);
          const data = canvas.getContext("2d").getImageData(0, row, width, 1).data;
          const box = canvas.getBoundingClientRect();
          for (let x = width - 1; x >= 0; x--) {
            const [r, g, b] = data.slice(4 * x, 4 * x + 3);
            if (r > 200 && g < 170 && b < 90)
              return [box.left + x * box.width / width, box.top + row * box.height / height];
          }
          return null;
        }""",
        view,
    )
    assert found is not None, "the cavity's contour crosses the view"
    return found[0], found[1]


def drag(page: Page, start: tuple[float, float], by: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=3)
    page.mouse.up()


def value_of(echo: Reading, name: str) -> float:
    measurements: Any = echo.result["measurements"]
    return float(next(m["value"] for m in measurements if m["name"] == name))


def signed_objects(echo: Reading, modality: str) -> list[Dataset]:
    folder = echo.site.settings.archive_folder / echo.job_id.split("-")[0]
    objects = [dcmread(path) for path in folder.glob("*.dcm")]
    of_readers = (o for o in objects if "signed" in o.SeriesDescription or o.Modality == "KO")
    return [o for o in of_readers if o.Modality == modality]


def coded_ef(report: Dataset) -> float:
    """The ejection fraction of a structured report."""
    values = [
        float(item.MeasuredValueSequence[0].NumericValue)
        for item in report.iterall()
        for item in ([] if item.VR != "SQ" else item.value)
        if "MeasuredValueSequence" in item
        and item.MeasuredValueSequence
        and "jection" in item.ConceptNameCodeSequence[0].CodeMeaning
    ]
    return values[0]


def segments_of_frames(segmentation: Dataset) -> NDArray[np.int_]:
    groups = segmentation.PerFrameFunctionalGroupsSequence
    return np.array([int(g.SegmentIdentificationSequence[0].ReferencedSegmentNumber) for g in groups])


def wait_for_numbers(page: Page) -> None:
    """Until the server has measured what was saved."""
    page.wait_for_selector("#saved:has-text('Draft saved')")
    expect(page.locator(".waits")).to_have_count(0, timeout=PATIENCE_MS)


def drafted_loops(echo: Reading, changes: ChangesBody) -> dict[str, tuple[NDArray[np.uint8], EchoLoop]]:
    """(t, y, x) labels as a draft has them and the loop of each view, from the images in the archive."""
    (study,) = read_studies(echo.site.settings.archive_folder / echo.job_id.split("-")[0]).studies
    folder = echo.site.settings.data_folder / "cines" / echo.job_id
    pack = LoopPack(folder, json.loads((folder / META).read_text()))
    assert SPEC.editing is not None
    labels = with_edits(pack.read_views(), checked_edits(changes, pack, SPEC.editing))
    loops = [assemble_loop(images).loop for images in select_loops(study).loops]
    return {
        view: (of_view[:, 0], next(loop for loop in loops if loop.frames.shape == of_view[:, 0].shape))
        for view, of_view in labels.items()
    }


def discs_in_python(echo: Reading, changes: ChangesBody) -> Volumes:
    discs = []
    for view, (labels, loop) in drafted_loops(echo, changes).items():
        assert loop.spacing_mm is not None
        segmentation = LoopSegmentation(labels, EchoView(view), 1.0)
        discs.append([key_discs(segmentation, beat.phases, loop.spacing_mm) for beat in changes.beats[view]])
    return mean_volumes(*discs)


def test_a_dragged_contour_at_end_systole_moves_numbers_and_discs_as_python_measures_them(
    browser: Browser, echo: Reading
) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        before = shown_ef(page)
        page.keyboard.press("End")
        page.keyboard.press("p")
        for _ in range(4):
            page.keyboard.press("]")
        start = edge_of_the_cavity(page, "a2c")
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(start[0] - 26, start[1], steps=3)
        page.wait_for_selector('.headline [data-value="lv_ef"].moved:not(.waits)')
        assert count_of(page, "a2c", DISCS) > 20, "discs follow before the hand goes up"
        page.mouse.up()
        assert "corrected" in where(page, "a2c")
        wait_for_numbers(page)
        assert "discs drawn times" not in page.inner_text("#remarks"), "they are the reader's"
        assert shown_ef(page) > before, "a smaller end-systole is a larger ejection fraction"
        draft = page.request.get(f"{echo.site.url}/api/studies/{echo.job_id}").json()["draft"]
        draft.pop("saved_s")
        volumes = discs_in_python(echo, ChangesBody.model_validate(draft))
        assert shown_ef(page) == pytest.approx(volumes.ef_percent, abs=0.051)
        assert float(page.inner_text('[data-value="lv_esv"]')) == pytest.approx(volumes.esv_ml, abs=0.51)
        assert count_of(page, "a2c", DISCS) > 20
        page.reload()
        page.wait_for_selector("body[data-all-frames-ms]")
        page.keyboard.press("End")
        assert "corrected" in where(page, "a2c"), "the draft is taken up again"
        forget_draft(page, echo.site, echo.job_id)


def test_a_correction_is_carried_on_to_the_frames_beside_it_in_its_loop(
    browser: Browser, echo: Reading
) -> None:
    place = page_place("a2c")
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page, "a2c"), (-26, 0))
        wait_for_numbers(page)
        (by_hand,) = drafted_frames(page, echo)
        page.keyboard.press("t")
        expect(page.locator("#carry-on")).to_contain_text("on to other frames?")
        expect(page.locator('[data-carried="accept"]')).to_be_visible()
        near = page.inner_text('[data-carried="reach"]')
        page.keyboard.press("]")
        expect(page.locator('[data-carried="reach"]')).not_to_have_text(near)
        page.keyboard.press("ArrowRight")
        expect(page.locator("#carry-on")).to_be_visible()
        expect(page.locator(place)).not_to_contain_text("carried on")
        page.keyboard.press("Enter")
        expect(page.locator("#carry-on")).to_be_hidden()
        expect(page.locator(place)).to_contain_text("carried on")
        expect(page.locator(page_place("a4c"))).not_to_contain_text("carried on")
        wait_for_numbers(page)
        carried = [frame for frame in drafted_frames(page, echo) if frame["t"] != by_hand["t"]]
        assert len(carried) >= 2
        assert all((f["view"], f["carried_from"]) == ("a2c", [by_hand["t"], 0]) for f in carried)
        page.keyboard.press("Control+z")
        expect(page.locator(place)).not_to_contain_text("carried on")
        page.keyboard.press("o")
        page.keyboard.press("t")
        expect(page.locator("#carry-on")).to_contain_text("This image has no correction.")
        page.keyboard.press("Escape")
        expect(page.locator("#carry-on")).to_be_hidden()
        expect(page.locator("#saved")).not_to_contain_text("Saving")
        forget_draft(page, echo.site, echo.job_id)


def page_place(view: str) -> str:
    """Where the page says which frame of a view it shows."""
    return f'[data-view="{view}"] [data-corner="where"]'


def drafted_frames(page: Page, echo: Reading) -> list[dict[str, Any]]:
    """The frames of the draft that is saved."""
    draft = page.request.get(f"{echo.site.url}/api/studies/{echo.job_id}").json()["draft"]
    frames: list[dict[str, Any]] = draft["frames"]
    return frames


def test_steps_are_undone_in_their_view_and_end_systole_is_set_in_it(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page, "a2c"), (-14, 0))
        page.click('[data-view="a4c"] canvas', position={"x": 5, "y": 60})
        assert page.is_disabled("#undo")
        page.keyboard.press("End")
        found = where(page, "a4c")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Shift+S")
        expect(page.locator('[data-view="a4c"] [data-corner="where"]')).to_contain_text("end-systole")
        assert where(page, "a4c") != found
        wait_for_numbers(page)
        assert float(page.inner_text('[data-value="lv_esv"]')) > value_of(echo, "lv_esv")
        page.keyboard.press("Control+z")
        page.keyboard.press("End")
        expect(page.locator('[data-view="a4c"] [data-corner="where"]')).to_have_text(found)
        page.keyboard.press("o")
        page.keyboard.press("Control+z")
        page.wait_for_selector('.headline [data-value="lv_ef"]:not(.moved)')
        page.wait_for_selector("#saved:empty", state="attached")


def test_what_was_corrected_is_signed_into_verified_objects(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page, "a4c"), (-10, 0))
        wait_for_numbers(page)
        told = page.request.get(f"{echo.site.url}/api/studies/{echo.job_id}").json()["draft"]
        changes = ChangesBody.model_validate({name: told[name] for name in ("ed", "es", "frames", "beats")})
        signed_ef = shown_ef(page)
        page.click("#accept")
        page.wait_for_selector("#accept-dialog[open]")
        assert f"{signed_ef:.1f}" in page.inner_text("#accept-table")
        page.click("#sign")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
        page.reload()
        page.wait_for_selector("body[data-all-frames-ms]")
        assert "corrected" in where(page, "a4c")
        page.wait_for_selector('.headline [data-value="lv_ef"].moved:not(.waits)')
        assert shown_ef(page) == pytest.approx(signed_ef, abs=0.051)
        page.goto(f"{echo.site.url}/?show=signed")
        assert page.inner_text("tr[data-job] .state") == "changed"
    (report,) = signed_objects(echo, "SR")
    assert report.VerificationFlag == "VERIFIED"
    assert signed_ef == pytest.approx(coded_ef(report), abs=0.051)
    labels = {view: drawn for view, (drawn, _) in drafted_loops(echo, changes).items()}
    segmentations = signed_objects(echo, "SEG")
    assert len(segmentations) == 2
    for segmentation in segmentations:
        assert segmentation.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    stored = sorted(
        np.count_nonzero(s.pixel_array[segments_of_frames(s) == CAVITY_LABEL]) for s in segmentations
    )
    assert stored == sorted(np.count_nonzero(drawn == CAVITY_LABEL) for drawn in labels.values())
    (folder,) = (echo.site.settings.results_folder).glob("*-changed-*/*")
    measurements = read_entry(folder / "result.json")["measurements"]
    (value,) = (m["value"] for m in measurements if m["name"] == "lv_ef")
    assert value == pytest.approx(signed_ef, abs=0.051)
    assert (folder / "report.pdf").stat().st_size > 10_000
    assert '"final"' in (folder / "fhir.json").read_text()


def test_a_rejection_withdraws_what_was_signed(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        open_study(page, echo.site, echo.job_id)
        page.click("#reject")
        page.fill("#reason", "Foreshortened")
        page.click("#reject-dialog button[value=reject]")
        page.wait_for_selector("#holds:has-text('Rejected by Ada Hart')")
        page.wait_for_selector("#holds:has-text('stored in the archive')")
        page.reload()
        page.wait_for_selector("body[data-all-frames-ms]")
        assert "corrected" not in where(page, "a4c")
    (note,) = signed_objects(echo, "KO")
    assert note.ContentSequence


def test_a_viewer_reads_and_changes_nothing(browser: Browser, echo: Reading) -> None:
    token = echo.site.add_reader("guest", Role.VIEWER, "Guest^Cy")
    with reader_at(browser, echo.site, token) as page:
        open_study(page, echo.site, echo.job_id)
        assert page.is_hidden("#accept")
        assert page.is_hidden('[data-tool="pull"]')
        page.keyboard.press("p")
        drag(page, edge_of_the_cavity(page, "a2c"), (-14, 0))
        assert "corrected" not in where(page, "a2c")


def test_changes_that_do_not_fit_the_loops_are_refused(browser: Browser, echo: Reading) -> None:
    with reader_at(browser, echo.site, echo.token) as page:
        page.goto(f"{echo.site.url}/studies/{echo.job_id}")
        address = f"{echo.site.url}/api/studies/{echo.job_id}"
        told = {"X-CSRF-Token": page.get_attribute('meta[name="csrf"]', "content") or ""}
        loops = page.request.get(address).json()["loops"]
        beats = {loop["view"]: loop["beats"] for loop in loops}
        frame = {"t": 0, "z": 0, "runs": [loops[0]["rows"] * loops[0]["columns"], 1], "view": "a4c"}
        whole = {"ed": 0, "es": 3, "frames": [frame], "beats": beats}
        for wrong in (
            {**whole, "beats": {}},
            {**whole, "beats": {**beats, "plax": [{"ed": 0, "es": 3}]}},
            {**whole, "beats": {**beats, "a4c": [{"ed": 0, "es": 99}]}},
            {**whole, "beats": {**beats, "a4c": [{"ed": 3, "es": 3}]}},
            {**whole, "frames": [{**frame, "view": "plax"}]},
            {**whole, "frames": [{**frame, "t": 99}]},
            {**whole, "frames": [{**frame, "runs": [5, 1]}]},
        ):
            answer = page.request.put(f"{address}/draft", data=wrong, headers=told)
            assert answer.json()["code"] == "changes_invalid", wrong
        for path in (
            "loops/plax/frames/0",
            "loops/a4c/frames/99",
            "loops/a2c/frames/-1",
            "loops/x/labels",
        ):
            assert page.request.get(f"{address}/{path}").status == 404, path


def test_loops_are_for_readers_only(echo: Reading) -> None:
    for path in ("loops/a4c/frames/0", "loops/a4c/labels", "measured"):
        answer = requests.get(f"{echo.site.url}/api/studies/{echo.job_id}/{path}", timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_needed"), path


@pytest.mark.parametrize("size", [None, TABLET], ids=["desktop", "tablet"])
def test_the_page_of_loops_has_no_serious_accessibility_violation(
    browser: Browser, echo: Reading, size: dict[str, int] | None
) -> None:
    with reader_at(browser, echo.site, echo.token, size) as page:
        open_study(page, echo.site, echo.job_id)
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_images_that_are_gone_are_told_of_and_the_numbers_stay(browser: Browser, echo: Reading) -> None:
    """The last test of this module: it takes the study out of the archive."""
    shutil.rmtree(echo.site.settings.archive_folder / echo.job_id.split("-")[0])
    shutil.rmtree(echo.site.settings.data_folder / "cines" / echo.job_id)
    with reader_at(browser, echo.site, echo.token) as page:
        page.goto(f"{echo.site.url}/studies/{echo.job_id}")
        page.wait_for_selector("#loading.failed")
        assert "The archive does not have this study any more." in page.inner_text("#loading")
        assert page.is_visible("#loading button")
        assert shown_ef(page) > 0
