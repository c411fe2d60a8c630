"""The study on disk: valid, deterministic, and read back as it was made."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.read import read_studies
from cvai.domain.anatomy import Structure
from cvai.domain.volumes import volume_curve_ml
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.cine_sax.study import write_phantom_study
from cvai.phantom.cine_sax.truth import PhantomTruth
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

pytestmark = pytest.mark.slow

SMALL = PhantomAcquisition(
    n_phases=9, rows=190, columns=150, spacing_y_mm=1.35, spacing_x_mm=1.8, slice_spacing_mm=9.0, seed=21
)
HEART = PhantomHeart.drawn(seed=21, ef_percent=48.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PhantomTruth]:
    folder = tmp_path_factory.mktemp("phantom")
    return folder, write_phantom_study(folder, HEART, SMALL)


@pytest.fixture(scope="module")
def made() -> Phantom:
    return make_phantom(HEART, SMALL)


def headers(folder: Path) -> list[pydicom.Dataset]:
    """Headers in the order of the files' names."""
    files = sorted(folder.glob("dicom/*.dcm"))
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in files]


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_engine_assembles_the_study_as_it_was_made(
    written: tuple[Path, PhantomTruth], made: Phantom
) -> None:
    (study,) = read_studies(written[0] / "dicom").studies
    cine = assemble_cine(select_sax_cine(study))
    assert not cine.findings
    theirs, ours = cine.stack.geometry, made.labels.geometry
    # The engine may lay the slices either way along the normal.
    order = np.argsort(np.linalg.norm(ours.positions_mm - theirs.positions_mm[0], axis=1))
    np.testing.assert_array_equal(cine.stack.pixels, made.pixels[:, order].astype(np.float32))
    np.testing.assert_allclose(theirs.positions_mm, ours.positions_mm[order], atol=1e-6)
    assert (theirs.spacing_y_mm, theirs.spacing_x_mm) == (1.35, 1.8)
    assert cine.stack.trigger_times_ms is not None
    np.testing.assert_allclose(cine.stack.trigger_times_ms, made.trigger_times_ms[:, order], atol=1e-6)


def test_truth_json_says_what_the_labels_count(written: tuple[Path, PhantomTruth], made: Phantom) -> None:
    truth = json.loads((written[0] / "truth.json").read_text(encoding="utf-8"))
    ed, es = truth["frames"]["ed"], truth["frames"]["es"]
    for prefix, structure in (("lv", Structure.LV_CAVITY), ("rv", Structure.RV_CAVITY)):
        curve_ml = volume_curve_ml(made.labels, structure)
        assert truth["measurements"][f"{prefix}_edv"] == pytest.approx(curve_ml[ed])
        assert truth["measurements"][f"{prefix}_esv"] == pytest.approx(curve_ml[es])
        np.testing.assert_allclose(truth["curves"][f"{prefix}_ml"], curve_ml)
    assert truth["measurements"]["lv_ef"] == pytest.approx(48.0, abs=0.5)
    assert truth["continuous"]["lv_edv"] == pytest.approx(HEART.edv_ml, rel=0.06)
    assert truth["acquisition"]["seed"] == 21
    assert truth["study_uid"] == headers(written[0])[0].StudyInstanceUID


def test_the_same_arguments_write_the_same_bytes(written: tuple[Path, PhantomTruth], tmp_path: Path) -> None:
    write_phantom_study(tmp_path, HEART, SMALL)
    assert digest(tmp_path) == digest(written[0])


def test_every_instance_has_its_own_uid_and_another_seed_has_others(
    written: tuple[Path, PhantomTruth], tmp_path: Path
) -> None:
    write_phantom_study(tmp_path, acquisition=PhantomAcquisition(n_phases=8, rows=160, columns=160, seed=22))
    uids = [{str(ds.SOPInstanceUID) for ds in headers(folder)} for folder in (written[0], tmp_path)]
    assert len(uids[0]) == len(list(written[0].glob("dicom/*.dcm")))
    assert not uids[0] & uids[1]


def test_headers_tell_the_heartbeat_of_every_slice(written: tuple[Path, PhantomTruth], made: Phantom) -> None:
    every = headers(written[0])
    assert [int(ds.InstanceNumber) for ds in every] == list(range(1, len(every) + 1))
    for ds in every:
        assert 0 <= ds.TriggerTime < ds.NominalInterval
        assert ds.HeartRate == pytest.approx(60_000 / ds.NominalInterval, abs=0.5)
        assert ds.CardiacNumberOfImages == made.pixels.shape[0]
    assert len({int(ds.NominalInterval) for ds in every}) > 1


def test_the_patient_is_no_person(written: tuple[Path, PhantomTruth]) -> None:
    ds = headers(written[0])[0]
    assert (str(ds.PatientName), ds.PatientID) == ("Phantom^Cine", "PHANTOM-21")
    assert ds.QualityControlImage == "YES"
    assert "ynthetic" in ds.SeriesDescription


@pytest.mark.dciodvfy
def test_dciodvfy_finds_no_error_and_no_warning(written: tuple[Path, PhantomTruth], dciodvfy: str) -> None:
    files = sorted(written[0].glob("dicom/*.dcm"))
    for path in (files[0], files[len(files) // 2], files[-1]):
        said = subprocess.run([dciodvfy, str(path)], capture_output=True, text=True, check=False).stderr
        assert [line for line in said.splitlines() if "Error" in line or "Warning" in line] == []


def test_the_command_writes_the_study_and_prints_its_truth(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["phantom", str(out), "--ef", "35", "--edv", "180", "--seed", "4", "--phases", "8", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed == json.loads((out / "truth.json").read_text(encoding="utf-8"))
    assert printed["measurements"]["lv_ef"] == pytest.approx(35.0, abs=0.5)
    assert printed["measurements"]["lv_edv"] == pytest.approx(180.0, rel=0.01)


def test_the_command_shows_a_table_to_people(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["phantom", str(tmp_path), "--phases", "8", "--seed", "1"])
    assert result.exit_code == 0
    assert "EF %" in result.stdout
    assert "truth.json" in result.stdout
