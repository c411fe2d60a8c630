"""``cvai analyze`` on real studies, on phantoms and on what is no study at all."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.dicom.write.result_json import result_schema
from cvai.errors import ConfigurationInvalid
from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.dicom.write.test_dciodvfy import LEADING_ZEROS, SUMMARY, errors
from tests.e2e.test_bad_studies import BAD
from tests.sunnybrook import reference_lv_ef

WRITTEN = {
    "seg_cine.dcm",
    "seg_ed.dcm",
    "seg_es.dcm",
    "sr.dcm",
    "report.dcm",
    "report.pdf",
    "fhir.json",
    "oru.hl7",
    "result.json",
}


def analyze(source: Path, out: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and every result.json, each checked against the committed schema."""
    done = CliRunner().invoke(app, ["analyze", str(source), "--out", str(out), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    records = [json.loads(path.read_text()) for path in sorted(out.glob("*/result.json"))]
    for record in records:
        jsonschema.validate(record, result_schema())
    assert sorted(json.loads(done.stdout), key=str) == sorted(records, key=str)
    return done.exit_code, records


def values(record: dict[str, Any]) -> dict[str, float]:
    (analysis,) = record["analyses"]
    return {m["name"]: m["value"] for m in analysis["measurements"]}


@pytest.mark.real_data
@pytest.mark.parametrize("case", ["SCD0000101", "SCD0000301"])
def test_a_real_study_is_measured_as_its_contours_say(
    real_data: Path, tmp_path: Path, dciodvfy: str, case: str
) -> None:
    folder = real_data / "sunnybrook" / case
    status, (record,) = analyze(folder / "dicom", tmp_path)
    reference = reference_lv_ef(folder)
    assert (status, record["status"]) == (0, "analysed")
    assert values(record)["lv_ef"] == pytest.approx(reference.ef_percent, abs=6.0)
    codes = [finding["code"] for finding in record["analyses"][0]["findings"]]
    assert "slices_out_of_step" not in codes, "the valve moves through the basal slice of the first case"
    results = tmp_path / record["study_uid"]
    assert {path.name for path in results.iterdir()} == WRITTEN
    for entry in record["analyses"][0]["objects"]:
        complaints = set(errors(dciodvfy, results / entry["path"])) - {SUMMARY}
        inherited = {line for line in complaints if LEADING_ZEROS.fullmatch(line)}
        assert complaints == inherited, "only UIDs that the source itself has wrong"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Folder of DICOM files of a synthetic heart, and its true ejection fraction."""
    folder = tmp_path_factory.mktemp("phantom")
    truth = write_phantom_study(
        folder, PhantomHeart.drawn(3, ef_percent=48.0), PhantomAcquisition(n_phases=12, seed=3)
    )
    return folder / DICOM_FOLDER, truth.lv.ef_percent


@pytest.fixture(scope="module")
def from_folder(
    phantom: tuple[Path, float], tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, dict[str, Any]]:
    """Exit status and record of the phantom, analysed once for the tests here."""
    status, (record,) = analyze(phantom[0], tmp_path_factory.mktemp("folder"))
    return status, record


def test_a_phantom_is_measured_as_it_was_made(
    phantom: tuple[Path, float], from_folder: tuple[int, dict[str, Any]]
) -> None:
    status, record = from_folder
    assert status == 0
    assert values(record)["lv_ef"] == pytest.approx(phantom[1], abs=5.0)


def test_a_zip_gives_what_its_folder_gives(
    phantom: tuple[Path, float], from_folder: tuple[int, dict[str, Any]], tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for path in sorted(phantom[0].iterdir(), reverse=True):
            archive.write(path, f"sent/{path.name}")
    records = [deepcopy(from_folder[1]), *analyze(tmp_path / "study.zip", tmp_path / "zip")[1]]
    times = [record["analyses"][0].pop("timings_ms").keys() for record in records]
    assert times[0] == times[1]
    assert records[0] == records[1]


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_input_is_refused_with_its_code(make: Callable[[Path], None], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make(source)
    status, (record,) = analyze(source, tmp_path / "out")
    assert (status, record["status"]) == (3, "refused")
    assert record["refused"]["code"] == BAD[make]
    assert record["refused"]["message"]
    assert all(a["objects"] == a["measurements"] == [] for a in record["analyses"])


def test_what_is_no_image_beside_a_good_study_costs_nothing_and_a_damaged_one_the_study(
    phantom: tuple[Path, float], tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in phantom[0].iterdir():
        (mixed / path.name).symlink_to(path)
    (mixed / "notes.txt").write_bytes(b"not an image" * 99)
    status, (record,) = analyze(mixed, tmp_path / "out")
    assert (status, record["status"]) == (0, "analysed")
    assert [(group["code"], group["count"]) for group in record["unreadable"]] == [("not_dicom", 1)]
    (mixed / "empty.dcm").write_bytes(b"")
    status, (record,) = analyze(mixed, tmp_path / "out")
    assert (status, record["refused"]["code"]) == (3, "files_unreadable")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    status, (record,) = analyze(tmp_path / "nothing", tmp_path / "out")
    assert (status, record["refused"]["code"]) == (3, "no_files")


def test_a_missing_source_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["analyze", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, ConfigurationInvalid)
    assert done.exception.code == "source_not_found"
