"""The demonstration as a user runs it, with the installed model; and how it fails."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import SegmentationStorage

from cvai.cli.demo import LARGEST_ERROR
from cvai.models.card import CARD_FILE
from cvai.models.folders import model_folder
from tests.conftest import ROOT
from tests.process import CVAI

pytestmark = pytest.mark.servers


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*CVAI, "demo", "--once", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)


def test_the_demo_measures_a_synthetic_heart_and_leaves_its_results_in_the_study(tmp_path: Path) -> None:
    done = run_demo("--folder", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{LARGEST_ERROR:.0f} are allowed" in done.stdout
    assert "http://" not in done.stdout, "no page is named that does not answer any more"
    headers = [
        pydicom.dcmread(path, stop_before_pixels=True) for path in tmp_path.glob("data/archive/*/*.dcm")
    ]
    assert len({ds.StudyInstanceUID for ds in headers}) == 1
    modalities = [ds.Modality for ds in headers]
    assert {m: modalities.count(m) for m in ("SEG", "SR", "DOC")} == {"SEG": 3, "SR": 1, "DOC": 1}
    assert sum(ds.SOPClassUID == SegmentationStorage for ds in headers) == 3
    assert len(list(tmp_path.glob("data/results/*/*/report.pdf"))) == 1

    again = run_demo("--folder", str(tmp_path))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "An earlier demonstration" in again.stdout


def test_the_demo_measures_two_synthetic_ultrasound_loops(tmp_path: Path) -> None:
    done = run_demo("--folder", str(tmp_path), "--modality", "us")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "55.0 % of the blood are ejected" in done.stdout
    headers = [
        pydicom.dcmread(path, stop_before_pixels=True) for path in tmp_path.glob("data/archive/*/*.dcm")
    ]
    modalities = [ds.Modality for ds in headers]
    assert {m: modalities.count(m) for m in modalities} == {"US": 2, "SEG": 2, "SR": 1, "DOC": 1}


@pytest.mark.parametrize(
    ("modality", "judged", "stored"),
    [
        ("mr-lge", ["ejection fraction", "infarct's share"], {"SEG": 4, "SR": 2, "DOC": 2}),
        ("xa", ["largest stenosis"], {"SEG": 1, "SR": 1, "DOC": 1}),
    ],
)
def test_the_demo_measures_infarct_and_stenosis(
    tmp_path: Path, modality: str, judged: list[str], stored: dict[str, int]
) -> None:
    done = run_demo("--folder", str(tmp_path), "--modality", modality)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"The {what}" in " ".join(done.stdout.split()) for what in judged)
    headers = [
        pydicom.dcmread(path, stop_before_pixels=True) for path in tmp_path.glob("data/archive/*/*.dcm")
    ]
    modalities = [ds.Modality for ds in headers]
    assert {m: modalities.count(m) for m in stored} == stored


def test_a_service_that_cannot_start_ends_the_demo_with_its_reason(tmp_path: Path) -> None:
    other = tmp_path / "model"
    shutil.copytree(model_folder("sax"), other)
    card = (other / CARD_FILE).read_text(encoding="utf-8")
    changed = re.sub(r"(?<=\[reference\]\nseed = )\d+", "1", card)
    assert changed != card
    (other / CARD_FILE).write_text(changed, encoding="utf-8")
    done = run_demo("--folder", str(tmp_path / "demo"), "--model", str(other))
    assert done.returncode != 0
    assert "demo_service_ended" in done.stderr
    assert "ogits" in (tmp_path / "demo" / "service.log").read_text(encoding="utf-8")


def test_a_model_that_does_not_exist_is_told_before_anything_is_made(tmp_path: Path) -> None:
    done = run_demo("--folder", str(tmp_path / "demo"), "--model", "nonsuch")
    assert done.returncode == 2
    assert "model_unknown" in done.stderr
    assert not (tmp_path / "demo").exists()
