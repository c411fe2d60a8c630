from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import mlflow

from cvai.cli.main import app
from cvai.domain.anatomy import Structure
from cvai.errors import ConfigurationInvalid
from cvai.models.card import load_card
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.training.datasets.acdc import AcdcFolder
from cvai.training.datasets.data import load_acdc_patient
from cvai.training.promotion.track import config_of, track_evaluation
from cvai.training.tasks.sax.evaluation.cohort import Cohort
from cvai.training.tasks.sax.evaluation.conditions import CONDITIONS
from cvai.training.tasks.sax.evaluation.record import headline_metrics
from cvai.training.tasks.sax.evaluation.robustness import robustness
from cvai.training.tasks.sax.evaluation.scores import score_volume, score_volumes
from cvai.training.tasks.sax.evaluation.summary import summed_up
from tests.conftest import ROOT
from tests.training.acdc_like import small_config
from tests.training.known import IDENTITY, Known, drawn_heart

SPLIT = ROOT / "data" / "splits" / "acdc.toml"
ACDC = AcdcFolder(Path("acdc"))


def test_fewer_patients_are_spread_over_the_split() -> None:
    assert Cohort.validation(ACDC, SPLIT, at_most=3).patients == ("patient017", "patient059", "patient100")
    assert (
        len(Cohort.validation(ACDC, SPLIT).patients) == len(Cohort.validation(ACDC, SPLIT, 99).patients) == 20
    )


def test_five_patients_are_one_of_each_disease_group(
    real_data: Path,
) -> None:
    volumes = list(Cohort.validation(AcdcFolder(real_data / "acdc"), SPLIT, at_most=5).volumes())
    assert set(Counter(v.group for v in volumes).values()) == {2}
    assert len({v.group for v in volumes}) == 5


def test_a_cohort_needs_patients(tmp_path: Path) -> None:
    (tmp_path / "split.toml").write_text('train = ["patient001"]\nvalidation = []\n')
    with pytest.raises(ConfigurationInvalid, match=r"split\.toml lists no validation patients"):
        Cohort.validation(ACDC, tmp_path / "split.toml")


def test_the_command_writes_the_folder_and_prints_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path)
    monkeypatch.setenv("CVAI_DATA", str(tmp_path))
    out = tmp_path / "evaluation"
    arguments = ["evaluate", "--split", str(config.data.split), "--threads", "1", "--json", "--robustness"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["patients"] == 2
    assert list(told["robustness"]["conditions"]) == ["unchanged", *(c.name for c in CONDITIONS)]
    assert told == json.loads((out / "evaluation.json").read_text())
    assert (out / "report.html").is_file()


def test_several_data_sets_give_a_report_with_a_line_each_and_two_models_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path)
    monkeypatch.setenv("CVAI_DATA", str(tmp_path))
    shutil.copytree(tmp_path / "acdc", tmp_path / "others")
    out = tmp_path / "evaluation"
    two = [
        argument for folder in ("acdc", "others") for argument in ("--dataset", "acdc", "--folder", folder)
    ]
    arguments = ["evaluate", *two, *(["--split", str(config.data.split)] * 2), "--threads", "1"]
    command = [*arguments, "--patients", "1", "--compare", "sax", "--out", str(out), "--json"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["schema"] == "cvai.evaluations/1"
    lines = told["subgroups"]["data set"]
    assert {name: line["patients"] for name, line in lines.items()} == {"acdc": 1, "others": 1}
    compared = told["compared_with"]
    assert compared["patients"] == 2
    assert {row["difference"]["value"] for row in compared["dice"].values()} == {0.0}, "one model twice"
    part = json.loads((out / "others" / "evaluation.json").read_text())
    assert part["schema"] == "cvai.evaluation/1"
    assert part["compared_with"]["patients"] == 1
    assert "By data set" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "acdc", "--dataset", "nifti", "--folder", "a"], "one for each"),
        (["--dataset", "acdc", "--dataset", "acdc"], "one name"),
        (["--dataset", "acdc", "--dataset", "sunnybrook", "--calibrate"], "take one data set"),
        (["--compare", "lge"], "not a model of the task sax"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.real_data
def test_the_shipped_model_on_a_real_heart_and_its_mirror_image(real_data: Path) -> None:
    ed, _ = load_acdc_patient(real_data / "acdc" / "patient098")
    segmenter = SaxSegmenter.load(model_folder("sax"), threads=1)
    mirrored = next(condition for condition in CONDITIONS if condition.name == "mirrored")
    told = robustness([ed], segmenter, (mirrored,)).conditions
    assert min(told["unchanged"].dice.values()) > 0.85
    assert max(told["mirrored"].loss.values()) < 0.05
    assert score_volume(ed, segmenter).whole[Structure.LV_CAVITY].hd95_mm < 8  # type: ignore[operator]


def test_tracking_without_a_folder_is_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["evaluate", "--track", "configs/train/sax.toml"])
    assert result.exit_code == 2
    assert "--out" in result.output


def test_an_evaluation_is_not_tracked_beside_the_training_of_another_model() -> None:
    with pytest.raises(ConfigurationInvalid) as other:
        config_of(ROOT / "configs" / "train" / "sax.toml", load_card(ROOT / "models" / "sax"))
    assert other.value.code == "evaluated_other_model"


# MLflow warns about its own internals.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning")
def test_an_evaluation_is_tracked_in_the_run_of_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = small_config(tmp_path)
    config.output.mkdir(parents=True)
    volumes = [drawn_heart(phase=phase, shape=(n, 90, 100)) for phase, n in (("ED", 6), ("ES", 5))]
    evaluation = summed_up(score_volumes(volumes, Known(volumes)), IDENTITY, "split.toml")
    (tmp_path / "written").mkdir()
    (tmp_path / "written" / "report.html").write_text("<p>report</p>")
    for _ in range(2):
        track_evaluation(config, headline_metrics(evaluation), tmp_path / "written")
    run = mlflow.get_run((config.output / "mlflow_run_id").read_text())
    assert run.data.metrics["dice_lv_cavity_ed"] == 1.0
    assert [a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id, "evaluation")] == [
        "evaluation/report.html"
    ]


@pytest.mark.parametrize("option", [["--robustness"], ["--split", "x.toml"], ["--folder", "acdc"]])
def test_what_ultrasound_models_have_no_use_for_is_not_passed_over_in_silence(option: list[str]) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--model", "echo", *option])
    assert result.exit_code == 2
    assert "--robustness, --split" in result.output
