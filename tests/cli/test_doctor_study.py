"""``cvai doctor --study`` and ``--folder``: what would become of a study, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cvai.archive.folder.archive import FolderArchive
from cvai.cli.main import app
from cvai.doctor.checks import Check
from tests.analyses.test_analyse import CINE
from tests.dicom.read.dicom_files import images, write
from tests.dicom.read.ultrasound_files import beating_frames, write_loop
from tests.standin import derived_uid, write_segmentation, write_study

runner = CliRunner()


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path / "data" / "archive")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "service.toml"
    path.write_text(f'data_folder = "{tmp_path / "data"}"\n[[rules]]\nmodality = "CT"\nthen = "ignore"\n')
    return path


def explained(*arguments: str) -> tuple[int, dict[str, Check]]:
    done = runner.invoke(app, ["doctor", "--json", *arguments])
    return done.exit_code, {values["name"]: Check(**values) for values in json.loads(done.stdout)}


def test_a_study_that_would_be_measured_is_told_with_its_cine(
    archive: FolderArchive, config: Path, tmp_path: Path
) -> None:
    write(tmp_path / "src", images(CINE))
    archive.take_in(sorted((tmp_path / "src").iterdir()))
    (study_uid,) = dict(archive.changes())
    status, checks = explained("--config", str(config), "--study", study_uid)
    assert status == 0
    assert list(checks)[:4] == ["archive", "rules", "job", "images"]
    assert checks["rules"].detail == "no rule matches: analysed"
    assert checks["job"].detail == "none so far"
    assert checks["images"].detail.startswith("Short-axis cine MR: series ")
    assert not (tmp_path / "data" / "jobs.sqlite").exists(), "looking changes nothing"


def test_a_study_that_would_be_refused_is_told_with_the_refusal(
    archive: FolderArchive, config: Path, tmp_path: Path
) -> None:
    uid = derived_uid("doctor")
    archive.take_in(write_study(tmp_path / "src", uid))
    status, checks = explained("--config", str(config), "--study", uid)
    assert status == 1
    assert "no_cine: " in checks["images"].detail
    assert checks["images"].hint


def test_a_study_that_a_rule_leaves_alone_is_told_with_the_rule(
    archive: FolderArchive, config: Path, tmp_path: Path
) -> None:
    uid = derived_uid("doctor rule")
    archive.take_in(write_study(tmp_path / "src", uid))
    config.write_text(config.read_text().replace("CT", "M?"))
    status, checks = explained("--config", str(config), "--study", uid)
    assert status == 1
    assert (checks["rules"].ok, checks["rules"].detail) == (False, "rule 1 matches: left alone")


def test_a_study_without_images_makes_no_job(archive: FolderArchive, config: Path, tmp_path: Path) -> None:
    uid = derived_uid("doctor results")
    archive.take_in([write_segmentation(tmp_path / "src", uid)])
    status, checks = explained("--config", str(config), "--study", uid)
    assert (status, checks["archive"].ok) == (1, False)
    assert "images" not in checks


def test_a_folder_is_explained_without_any_archive(tmp_path: Path) -> None:
    write(tmp_path / "src", images(CINE))
    status, checks = explained("--folder", str(tmp_path / "src"))
    assert status == 0
    assert list(checks) == ["images"]
    (tmp_path / "empty").mkdir()
    status, checks = explained("--folder", str(tmp_path / "empty"))
    assert (status, checks["files"].detail) == (1, "there are none")


def test_a_stress_examination_is_explained_with_the_stage_that_would_be_measured(tmp_path: Path) -> None:
    for number, stage in enumerate(("REST", "PEAK"), start=1):
        write_loop(tmp_path / f"{number}.dcm", beating_frames(8, 40, 60), number, StageName=stage)
    status, checks = explained("--folder", str(tmp_path))
    assert status == 0
    assert checks["images"].detail.startswith("Apical echocardiography: 1 loops")
    assert 'Measured: stage "REST"' in checks["finding"].detail
    assert 'stage "PEAK"' in checks["passed over"].detail
