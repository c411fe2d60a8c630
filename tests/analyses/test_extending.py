"""An analysis is added by a folder and a line of the registry: everything else is written once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from cvai.phantom.cine_sax.study import write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition
from tests.analyses.extended import environment_of, extended_tree
from tests.conftest import ROOT
from tests.dicom.write.test_dciodvfy import complaints

SMALL = PhantomAcquisition(n_phases=8, rows=112, columns=112, spacing_y_mm=3.0, spacing_x_mm=3.0)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with the example among its analyses."""
    return extended_tree(tmp_path_factory.mktemp("tree"))


def run(tree: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cvai", *map(str, words)],
        cwd=tree,
        env=environment_of(tree),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def results(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the results of a study that has two analyses."""
    folder = tmp_path_factory.mktemp("study")
    truth = write_phantom_study(folder / "study", acquisition=SMALL)
    done = run(tree, "analyze", folder / "study", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out" / truth.study_uid


def record_of(results: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results / "result.json").read_text())
    return found


@pytest.mark.slow
def test_a_study_gives_as_many_results_as_it_holds(results: Path) -> None:
    record = record_of(results)
    cine, area = record["analyses"]
    assert (record["status"], cine["kind"], area["kind"]) == ("analysed", "cine_sax", "cavity_area")
    assert [m["name"] for m in area["measurements"]] == ["blood_area"]
    assert area["measurements"][0]["value"] > 1.0
    assert {o["path"] for o in area["objects"]} == {
        f"cavity_area/{name}" for name in ("seg_blood.dcm", "sr.dcm", "report.dcm")
    }
    assert (results / "cavity_area" / "report.pdf").is_file()
    assert (results / "cavity_area" / "fhir.json").is_file()


@pytest.mark.slow
def test_its_objects_are_valid_and_stand_in_series_of_their_own(results: Path, dciodvfy: str) -> None:
    paths = [results / o["path"] for a in record_of(results)["analyses"] for o in a["objects"]]
    for path in paths:
        if path.parent.name == "cavity_area":
            assert complaints(dciodvfy, path) == []
    headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    assert len({h.SeriesInstanceUID for h in headers}) == len({h.SeriesNumber for h in headers}) == len(paths)


def test_nothing_but_the_registry_names_an_analysis() -> None:
    """Import-linter holds imports; this, the words by which one could be told from another."""
    # A phantom may say for which analysis it is.
    # ``coronary`` is also the name of a model and a word; import-linter holds it.
    kinds = re.compile(r"(?<!phantom\.)\b(cine_sax|echo_apical|late_enhancement)\b")
    places = {
        path.relative_to(ROOT / "cvai").as_posix()
        for path in (ROOT / "cvai").rglob("*.py")
        if kinds.search(path.read_text())
    }
    inside = {
        place for place in places if re.match("analyses/(cine_sax|echo_apical|late_enhancement)/", place)
    }
    assert places - inside == {"analyses/former.py", "analyses/registry.py", "api.py"}


def test_the_page_names_no_structure_that_an_analysis_draws_or_measures() -> None:
    """What it shows comes from the spec; phases of a heartbeat and segments of the wall are all it knows."""
    words = re.compile(
        r"\b(lv|rv|endo|epi|lv_\w+|rv_\w+|lvef|myocardium|atrium|discs|papillary|sax_labels|echo_labels)\b",
        re.IGNORECASE,
    )
    folder = ROOT / "cvai" / "review"
    files = [path for ending in ("py", "js", "css", "html") for path in folder.rglob(f"*.{ending}")]
    assert len(files) > 60
    assert {path.name: found for path in files if (found := words.findall(path.read_text()))} == {}
