from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch

from cvai.cli.main import app
from cvai.errors import ConfigurationInvalid
from cvai.models.card import load_card
from cvai.training.core.export import export
from cvai.training.core.loop import CHECKPOINT, new_state
from cvai.training.datasets.data import Split, load_acdc_patient, load_split
from cvai.training.evaluation.cases import Case
from cvai.training.promotion.folds import pool
from cvai.training.tasks.registry import load_run, run_of
from cvai.training.tasks.sax.evaluation.pooled import pooled
from cvai.training.tasks.sax.evaluation.record import record
from cvai.training.tasks.sax.evaluation.report import calibration_of
from cvai.training.tasks.sax.evaluation.scores import VolumeScore, score_volumes
from cvai.training.tasks.sax.evaluation.summary import summed_up
from tests.conftest import ROOT
from tests.training.acdc_like import small_config, write_patient
from tests.training.known import IDENTITY, Known, without_rows
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING

CONFIG = ROOT / "configs" / "train" / "sax_gpu.toml"


def splits() -> list[Split]:
    return [load_split(ROOT / load_run(CONFIG).of_fold(fold).config.data.split) for fold in range(5)]


def test_every_patient_is_left_out_by_one_fold() -> None:
    left_out = [patient for split in splits() for patient in split.validation]
    assert sorted(left_out) == [f"patient{k:03d}" for k in range(1, 101)]
    for split in splits():
        assert len(split.train) == 80
        assert len(set(split.train) | set(split.validation)) == 100


def test_every_fold_leaves_out_four_of_each_disease_group() -> None:
    for split in splits():
        groups = [(int(patient.removeprefix("patient")) - 1) // 20 for patient in split.validation]
        assert [groups.count(group) for group in range(5)] == [4] * 5


@pytest.mark.real_data
def test_twenty_patients_after_one_another_are_a_disease_group(real_data: Path) -> None:
    info = [(real_data / "acdc" / f"patient{k:03d}" / "Info.cfg").read_text() for k in range(1, 101)]
    groups = [text.split("Group:")[1].split()[0] for text in info]
    assert [len(set(groups[k : k + 20])) for k in range(0, 100, 20)] == [1] * 5


def test_folds_are_drawn_as_their_files_say() -> None:
    rng = random.Random(20261127)  # noqa: S311 - no secret, but what the files state
    groups = [[f"patient{k:03d}" for k in range(20 * g + 1, 20 * g + 17)] for g in range(5)]
    for group in groups:
        rng.shuffle(group)
    for fold, split in enumerate(splits()[1:]):
        assert set(split.validation) == {p for group in groups for p in group[4 * fold : 4 * fold + 4]}


def test_a_fold_trains_beside_the_others() -> None:
    run = load_run(CONFIG)
    assert run.of_fold(0) == run
    assert run.of_fold(2).config.output == Path("runs/sax_gpu_fold2")
    assert run.of_fold(2).config.optimise == run.config.optimise


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> tuple[VolumeScore, ...]:
    folder = tmp_path_factory.mktemp("acdc")
    volumes = []
    for k in range(12):
        write_patient(folder / f"patient{k:03d}", seed=k)
        volumes += load_acdc_patient(folder / f"patient{k:03d}")
    refusing = Known(volumes, change=without_rows(3), refuses=frozenset({("patient003", "ES")}))
    return score_volumes(volumes, refusing)


def write(scores: tuple[VolumeScore, ...], folder: Path, version: str = IDENTITY.version) -> Path:
    """evaluation.json of some of the volumes."""
    folder.mkdir()
    told = record(summed_up(scores, IDENTITY, folder.name))
    told["model"]["version"] = version
    (folder / "evaluation.json").write_text(json.dumps(told))
    return folder


def test_folds_together_are_what_one_evaluation_of_all_would_be(
    scores: tuple[VolumeScore, ...], tmp_path: Path
) -> None:
    folders = [write(scores[:10], tmp_path / "a"), write(scores[10:], tmp_path / "b")]
    assert pooled(folders).scores == scores
    assert pooled(folders).agreement == summed_up(scores, IDENTITY, "").agreement


def test_patients_of_the_folds_are_summed_up_together(
    scores: tuple[VolumeScore, ...], tmp_path: Path
) -> None:
    folders = [write(scores[:10], tmp_path / "a"), write(scores[10:], tmp_path / "b")]
    for folder, patient, held in ((folders[0], "patient000", 5.0), (folders[1], "patient005", 0.5)):
        told = json.loads((folder / "evaluation.json").read_text())
        told["cases"] = [asdict(Case(patient, {}, {"lv_ef": 51.0}, {"lv_ef": 50.0}, {"lv_ef": held}))]
        (folder / "evaluation.json").write_text(json.dumps(told))
    assert pool(folders).record["coverage"] == {"lv_ef": 0.5}


def test_the_command_tells_what_errors_stay_within(scores: tuple[VolumeScore, ...], tmp_path: Path) -> None:
    folders = [str(write(scores[:10], tmp_path / "a")), str(write(scores[10:], tmp_path / "b"))]
    result = CliRunner().invoke(app, ["pool", *folders], catch_exceptions=False)
    assert "(2 folds) on 12 patients" in result.stdout
    assert "90 % of errors out of fold stay within: lv_ef ±" in result.stdout


def test_intervals_out_of_fold_go_into_the_card_of_a_fold_alone(
    scores: tuple[VolumeScore, ...], tmp_path: Path
) -> None:
    config = small_config(tmp_path)
    torch.manual_seed(1)
    config.output.mkdir(parents=True)
    new_state(run_of(config)).save(config.output / CHECKPOINT)
    model = export(run_of(config), tmp_path / "model")
    first, second = write(scores[:10], tmp_path / "a"), write(scores[10:], tmp_path / "b")
    command = ["pool", str(first), str(second), "--calibrate", str(model)]
    stranger = CliRunner().invoke(app, command)
    assert isinstance(stranger.exception, ConfigurationInvalid)
    assert stranger.exception.code == "folds_differ"
    assert load_card(model).uncertainty is None
    told = json.loads((first / "evaluation.json").read_text())
    told["model"]["sha256"] = load_card(model).sha256
    (first / "evaluation.json").write_text(json.dumps(told))
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    assert load_card(model).uncertainty == calibration_of(scores)


def test_what_does_not_belong_together_is_not_pooled(scores: tuple[VolumeScore, ...], tmp_path: Path) -> None:
    first = write(scores[:10], tmp_path / "a")
    with pytest.raises(ConfigurationInvalid, match="patient004") as overlapping:
        pooled([first, write(scores[8:], tmp_path / "b")])
    assert overlapping.value.code == "folds_overlap"
    with pytest.raises(ConfigurationInvalid) as other:
        pooled([first, write(scores[10:], tmp_path / "c", version="9.9.9")])
    assert other.value.code == "folds_differ"
    with pytest.raises(ConfigurationInvalid) as missing:
        pooled([tmp_path / "nothing"])
    assert missing.value.code == "evaluation_missing"
