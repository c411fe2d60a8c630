"""What readers have signed becomes a data set, pixel for pixel and without a trace of the patient."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cvai.analyses import echo_apical
from cvai.analyses.cine_sax import SPEC
from cvai.analyses.shown import ShownLoop
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.phases import KeyPhases
from cvai.domain.runs import encoded_runs
from cvai.jobs.reading import FrameEdit, Verdict
from cvai.review.dataset import ReviewedStudy, to_be_exported, write_dataset
from cvai.review.decisions import Decision
from cvai.review.learning import learning_from
from cvai.review.viewers.cine import LABELS, CinePack
from cvai.review.viewers.loops import LoopPack, write_loops
from cvai.review.viewers.packed import StoredScale, packed_labels
from tests.dicom.write.synthetic import beating_labels, shaded_pixels
from tests.review.test_records import READING, decision

SHAPE = (6, 4, 30, 46)


@pytest.fixture
def pack(tmp_path: Path) -> CinePack:
    labels = beating_labels(*SHAPE)
    pixels = shaded_pixels(labels)
    scale = StoredScale.of(pixels)
    stored = scale.stored(pixels)
    folder = tmp_path / "pack"
    folder.mkdir()
    for z in range(SHAPE[1]):
        (folder / f"slice-{z}.u16").write_bytes(stored[:, z].tobytes())
    (folder / LABELS).write_bytes(packed_labels(labels))
    names = ("n_phases", "n_slices", "rows", "columns")
    spacing = {"spacing_x_mm": 1.3, "spacing_y_mm": 1.9, "slice_spacing_mm": 8.5}
    return CinePack(folder, {**dict(zip(names, SHAPE, strict=True)), **spacing, **asdict(scale)})


def accepted() -> Decision:
    reading = replace(READING, verdict=Verdict.ACCEPTED, edits=(), phases=KeyPhases(5, 2))
    return replace(decision(1, 50, 50), reading=reading)


def test_pairs_hold_what_was_signed_on_the_grid_of_the_images(pack: CinePack, tmp_path: Path) -> None:
    drawn = np.zeros(SHAPE[2:], np.uint8)
    drawn[5, 40] = 1
    reading = replace(
        READING,
        phases=KeyPhases(5, 2),
        edits=(FrameEdit(5, 1, encoded_runs(drawn)), FrameEdit(4, 1, encoded_runs(drawn), "", (5, 1))),
    )
    study = ReviewedStudy(replace(decision(1, 50, 54), reading=reading), pack)
    out = tmp_path / "out"
    assert write_dataset(out, [study], SPEC) == 1
    image = nibabel.load(out / "images" / f"{study.patient}_ED.nii.gz")
    label = nibabel.load(out / "labels" / f"{study.patient}_ED.nii.gz")
    assert image.header.get_zooms() == pytest.approx((1.3, 1.9, 8.5))
    labels = beating_labels(*SHAPE)
    assert np.allclose(image.get_fdata(), shaded_pixels(labels)[5].transpose(2, 1, 0), atol=0.01)
    signed = np.asarray(label.dataobj)
    assert signed[40, 5, 1] == 1
    assert signed[..., 1].sum() == 1
    assert np.array_equal(signed[..., 2], labels[5, 2].T)
    (entry,) = json.loads((out / "manifest.json").read_text())
    assert entry["corrected"] == [[5, 1], [4, 1]]
    assert entry["carried"] == [[4, 1]]
    assert 0 < entry["learning"]["dice"] < 1
    assert entry["verdict"] == "changed"


def test_pairs_of_loops_hold_the_sector_of_each_view_alone(tmp_path: Path) -> None:
    sector = np.zeros((20, 30), np.bool_)
    sector[2:14, 5:28] = True
    frames = np.arange(4 * 20 * 30, dtype=np.uint8).reshape(4, 20, 30) * sector
    loop = EchoLoop(frames, sector, (0.5, 0.4), None, None)
    labels = np.zeros((4, 20, 30), np.uint8)
    shown = [ShownLoop(view, view, loop, labels, (KeyPhases(0, 2),)) for view in ("a4c", "a2c")]
    loops = LoopPack(tmp_path, {**write_loops(tmp_path, shown), "scanner": ""})
    drawn = labels[0].copy()
    drawn[3, 7] = 3
    beats = {"a4c": (KeyPhases(0, 2), KeyPhases(1, 3)), "a2c": (KeyPhases(3, 1),)}
    edits = (FrameEdit(0, 0, encoded_runs(drawn), "a4c"),)
    reading = replace(READING, phases=beats["a4c"][0], beats=beats, edits=edits)
    study = ReviewedStudy(replace(decision(1, 50, 54), reading=reading), loops)
    out = tmp_path / "out"
    write_dataset(out, [study], echo_apical.SPEC)
    names = {f"{study.patient}_{view}_{phase}.nii.gz" for view in beats for phase in ("ED", "ES")}
    assert {path.name for path in (out / "images").iterdir()} == names
    image = nibabel.load(out / "images" / f"{study.patient}_a2c_ED.nii.gz")
    assert image.header.get_zooms() == pytest.approx((0.4, 0.5, 1.0))
    assert np.array_equal(image.get_fdata()[..., 0].T, frames[3, 2:14, 5:28])
    label = np.asarray(nibabel.load(out / "labels" / f"{study.patient}_a4c_ED.nii.gz").dataobj)
    assert (label[2, 1, 0], np.count_nonzero(label)) == (3, 1)
    (entry,) = json.loads((out / "manifest.json").read_text())
    assert entry["corrected"] == [["a4c", 0, 0]]
    assert entry["frames"] == {"a4c": {"ed": 0, "es": 2}, "a2c": {"ed": 3, "es": 1}}


@pytest.mark.slow
def test_what_was_changed_most_against_the_models_claim_comes_first(pack: CinePack, tmp_path: Path) -> None:
    without = encoded_runs(np.zeros(SHAPE[2:], np.uint8))
    one, two = ((FrameEdit(5, z, without) for z in range(n)) for n in (1, 2))
    changed = replace(READING, phases=KeyPhases(5, 2), edits=tuple(one))
    first = replace(
        decision(2, 50, 54), reading=replace(changed, job=replace(READING.job, study_uid="1.2.8"))
    )
    claimed = {**first.comparison, "intervals": {"lv_ef": [48.0, 52.0]}}
    more = replace(first.reading, edits=tuple(two), job=replace(READING.job, study_uid="1.2.9"))
    decisions = [accepted(), first, replace(first, comparison=claimed), replace(first, reading=more)]
    found = [learning_from(each, pack, SPEC) for each in decisions]
    assert [learning.moved for learning in found] == [None, None, 2.0, None]
    assert found[0].score == 0
    assert found[1].score == pytest.approx(1 - found[1].dice)
    assert found[2].score == pytest.approx(3 * found[1].score)
    assert found[3].dice < found[1].dice
    write_dataset(
        tmp_path / "out", [ReviewedStudy(each, pack) for each in (decisions[0], decisions[3])], SPEC
    )
    entries = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [entry["verdict"] for entry in entries] == ["changed", "accepted"]


def test_training_takes_the_data_set_as_it_is(pack: CinePack, tmp_path: Path) -> None:
    datasets = pytest.importorskip("cvai.training.datasets.nifti", reason="training is not installed")
    study = ReviewedStudy(accepted(), pack)
    write_dataset(tmp_path / "out", [study], SPEC)
    volumes = datasets.NiftiFolder.open(tmp_path / "out").volumes(study.patient)
    assert [volume.phase for volume in volumes] == ["ED", "ES"]
    assert volumes[0].spacing_mm == pytest.approx((8.5, 1.9, 1.3))
    assert np.array_equal(volumes[1].labels, beating_labels(*SHAPE)[2])


def test_no_file_tells_whose_study_it_was(pack: CinePack, tmp_path: Path) -> None:
    write_dataset(tmp_path / "out", [ReviewedStudy(accepted(), pack)], SPEC)
    for path in (tmp_path / "out").rglob("*.*"):
        content = path.read_bytes() + path.name.encode()
        assert READING.signer.name.encode() not in content
        assert decision(1, 50, 50).reading.job.study_uid.encode() not in content


def test_of_a_study_the_last_decision_is_exported_unless_it_rejects() -> None:
    first, revised = decision(1, 50, 50), replace(decision(1, 50, 54), number=2)
    rejected = replace(
        first,
        number=3,
        reading=replace(READING, verdict=Verdict.REJECTED, edits=(), reason="blurred", job=first.reading.job),
    )
    assert to_be_exported([first, revised], SPEC) == [revised]
    assert to_be_exported([first, rejected], SPEC) == []
