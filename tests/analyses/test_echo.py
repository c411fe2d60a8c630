from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from cvai.analyses.echo_apical.analyse import analyse_echo
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.read import read_studies
from cvai.dicom.write.result_json import read_entry
from cvai.errors import Refused
from cvai.models.echo import EchoSegmenter, installed_echo_segmenter
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.pipeline import StudyOutcome, analyse_folder
from tests.apical_loops import apical_ef_percent, apical_loop, calibrated, mr_slices, write_apical_study
from tests.dicom.read.ultrasound_files import beating_frames, sector_mask, write_loop
from tests.ready import ready


@pytest.fixture(scope="module")
def echo() -> EchoSegmenter:
    segmenter = installed_echo_segmenter()
    assert segmenter is not None
    return segmenter


def analysed(source: Path, out: Path, echo: EchoSegmenter | None) -> StudyOutcome:
    sax = SaxSegmenter.load(model_folder("sax"))
    (outcome,) = analyse_folder(source, out, ready(sax) if echo is None else ready(sax, lambda: echo))
    return outcome


@pytest.mark.slow
def test_two_loops_of_one_patient_give_a_biplane_ejection_fraction(
    echo: EchoSegmenter, tmp_path: Path
) -> None:
    write_apical_study(tmp_path / "study")
    outcome = analysed(tmp_path / "study", tmp_path / "out", echo)
    assert outcome.status == "analysed"
    result = read_entry(outcome.folder / "result.json")
    assert result["view"] == "biplane"
    values = {m["name"]: m["value"] for m in result["measurements"]}
    assert values["lv_ef"] == pytest.approx(apical_ef_percent(), abs=12)
    assert values["lv_edv"] > values["lv_esv"] > 0
    assert values["lv_ef"] == pytest.approx(100 * (1 - values["lv_esv"] / values["lv_edv"]))
    assert {o["kind"] for o in result["objects"]} == {"seg_a4c", "seg_a2c", "sr", "pdf"}


@pytest.mark.slow
def test_the_same_loops_give_the_same_objects(echo: EchoSegmenter, tmp_path: Path) -> None:
    write_apical_study(tmp_path / "study")
    uids = [
        [o.sop_instance_uid for o in analysed(tmp_path / "study", tmp_path / out, echo).objects]
        for out in ("a", "b")
    ]
    assert uids[0] == uids[1]


@pytest.mark.slow
def test_real_loops_give_a_ratio_and_no_millilitres_and_nothing_burnt_in(
    real_data: Path, echo: EchoSegmenter, tmp_path: Path, dciodvfy: str
) -> None:
    for outcome in analyse_folder(
        real_data / "echo_dicom", tmp_path, ready(SaxSegmenter.load(model_folder("sax")), lambda: echo)
    ):
        assert outcome.status == "analysed"
        result = read_entry(outcome.folder / "result.json")
        assert result["view"] == "a4c"
        assert {"lv_ef", "la_ef"} <= {m["name"] for m in result["measurements"]}
        assert {m["unit"] for m in result["measurements"]} == {"%"}
        assert {"calibration_negative", "calibration_outside_frame"} & {f["code"] for f in result["findings"]}
        for name in ("seg_a4c.dcm", "sr.dcm", "report.dcm"):
            report = subprocess.run(
                [dciodvfy, outcome.folder / name], capture_output=True, text=True, check=False
            )
            assert "Error" not in report.stdout + report.stderr


def test_an_ultrasound_study_without_a_model_for_it_is_refused(tmp_path: Path) -> None:
    write_loop(tmp_path / "study" / "loop.dcm", beating_frames())
    outcome = analysed(tmp_path / "study", tmp_path / "out", None)
    assert outcome.error is not None
    assert outcome.error.code == "model_not_installed"


def no_apical_view(what: str) -> np.ndarray:
    """(t, y, x) frames of something else: slices of cine MR, or speckle."""
    if what == "cine MR":
        slices = mr_slices()
        grey = np.clip(slices / np.percentile(slices, 99.5) * 255, 0, 255).astype(np.uint8)
        return np.concatenate([grey, grey[::-1]])
    speckle = np.clip(np.random.default_rng(0).gamma(2, 50, (16, 120, 160)), 0, 255)
    return (speckle * sector_mask()).astype(np.uint8)


def test_upside_down_frames_are_refused(echo: EchoSegmenter, tmp_path: Path) -> None:
    frames = apical_loop("4CH", n=8)
    write_loop(tmp_path / "loop.dcm", frames[:, ::-1], SequenceOfUltrasoundRegions=[calibrated(frames)])
    (study,) = read_studies(tmp_path).studies
    with pytest.raises(Refused) as refused:
        analyse_echo(study, echo, Stopwatch())
    assert refused.value.code == "image_upside_down"


def test_mirrored_frames_are_measured_alike(echo: EchoSegmenter, tmp_path: Path) -> None:
    frames = apical_loop("4CH", n=8)
    fractions = []
    for name, shown in (("as they are", frames), ("mirrored", frames[:, :, ::-1])):
        write_loop(tmp_path / name / "loop.dcm", shown, SequenceOfUltrasoundRegions=[calibrated(frames)])
        (study,) = read_studies(tmp_path / name).studies
        fraction = analyse_echo(study, echo, Stopwatch()).measurement("lv_ef")
        assert fraction is not None
        fractions.append(fraction.value)
    assert fractions[1] == pytest.approx(fractions[0], abs=8.0)


@pytest.mark.parametrize("what", ["cine MR", "speckle"])
def test_a_loop_of_no_apical_view_gives_no_ejection_fraction(
    echo: EchoSegmenter, tmp_path: Path, what: str
) -> None:
    frames = no_apical_view(what)
    write_loop(tmp_path / "loop.dcm", frames, SequenceOfUltrasoundRegions=[calibrated(frames)])
    (study,) = read_studies(tmp_path).studies
    with pytest.raises(Refused) as refused:
        analyse_echo(study, echo, Stopwatch())
    assert refused.value.code in ("no_apical_view", "heart_not_found", "mitral_plane_not_found")


@pytest.mark.slow
def test_a_damaged_loop_beside_the_measured_ones_is_a_finding(echo: EchoSegmenter, tmp_path: Path) -> None:
    write_apical_study(tmp_path / "study")
    lost = write_loop(tmp_path / "study" / "3.dcm", beating_frames(), 3)
    lost.write_bytes(lost.read_bytes()[:-1000])
    outcome = analysed(tmp_path / "study", tmp_path / "out", echo)
    record = read_entry(outcome.folder / "result.json")
    assert record["view"] == "biplane"
    assert "unreadable_files" in {finding["code"] for finding in record["findings"]}
    assert [(group["code"], group["count"]) for group in record["unreadable"]] == [("truncated_file", 1)]
