from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch

from cvai.domain.anatomy import LGE_LABELS, Structure
from cvai.domain.tissue.contrast import contrast_findings
from cvai.domain.tissue.labelled import LabelledSlices
from cvai.domain.tissue.quality import edge_findings
from cvai.domain.tissue.shares import infarct_share_percent
from cvai.domain.uncertainty import ByDoubt, Uncertainty
from cvai.errors import ConfigurationInvalid, HeartRefused
from cvai.models.card import load_card
from cvai.training.core.export import export
from cvai.training.core.loop import train, training_progress
from cvai.training.core.spec import Asked
from cvai.training.datasets.data import load_split
from cvai.training.datasets.emidec import load_emidec_patient
from cvai.training.tasks.lge.augment import BatchMaker, SliceBank
from cvai.training.tasks.lge.evaluation.cases import SHARE, case_of
from cvai.training.tasks.lge.evaluation.parts import part_errors
from cvai.training.tasks.lge.evaluation.run import evaluate, measured_on, numbers
from cvai.training.tasks.lge.evaluation.scores import score_patient
from cvai.training.tasks.lge.task import LgeTask
from cvai.training.tasks.registry import load_run, run_of
from tests.conftest import ROOT
from tests.training.emidec_like import SIZE, SLICES, small_lge_config, write_emidec_patient
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING

CPU = torch.device("cpu")


def test_slices_of_emidec_arrive_in_order_with_our_labels(tmp_path: Path) -> None:
    write_emidec_patient(tmp_path, "Case_P001", seed=1)
    stack = load_emidec_patient(tmp_path, "Case_P001")
    assert stack.image.shape == stack.labels.shape == (SLICES, SIZE, SIZE)
    assert set(np.unique(stack.labels)) == {0, *LGE_LABELS.values()}


def test_what_readers_have_drawn_has_no_finding(real_data: Path) -> None:
    split = load_split(ROOT / "data" / "splits" / "emidec.toml")
    stacks = [load_emidec_patient(real_data / "emidec", name) for name in (*split.train, *split.validation)]
    assert sum(infarct_share_percent(stack.labels) > 0 for stack in stacks) == 67
    assert [stack.patient for stack in stacks if edge_findings(stack.labels)] == []
    assert [s.patient for s in stacks if contrast_findings(s.image.astype(np.float32), s.labels)] == []


def test_a_patient_who_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="Case_P009"):
        load_emidec_patient(tmp_path, "Case_P009")


def test_the_committed_split_has_every_patient_once_and_both_groups_in_both_parts() -> None:
    split = load_split(ROOT / "data" / "splits" / "emidec.toml")
    assert (len(set(split.train)), len(set(split.validation))) == (68, 17)
    for part in (split.train, split.validation):
        normal = sum(name.startswith("Case_N") for name in part)
        assert normal / len(part) == pytest.approx(18 / 85, abs=0.03)


def test_image_and_labels_are_changed_together(tmp_path: Path) -> None:
    config = small_lge_config(tmp_path)
    bank = SliceBank([load_emidec_patient(tmp_path / "emidec", "Case_P001")], CPU)
    maker = BatchMaker(bank, config.augment, 32, seed=3)
    batch = maker.batch(torch.zeros(32, dtype=torch.int64))
    assert batch["image"].shape == (32, 3, 32, 32)
    middle, label = batch["image"][:, 1], batch["label"][:, 0]
    for image, drawn in zip(middle, label, strict=True):
        bright = image[drawn == LGE_LABELS[Structure.LV_CAVITY]].mean()
        dark = image[drawn == LGE_LABELS[Structure.LV_MYOCARDIUM]].mean()
        assert bright > dark


def test_the_same_seed_gives_the_same_batches_and_some_slices_are_shown_alone(tmp_path: Path) -> None:
    task = LgeTask(small_lge_config(tmp_path))
    once, again = (list(islice(task.batches(0), 8)) for _ in range(2))
    for a, b in zip(once, again, strict=True):
        assert torch.equal(a["image"], b["image"])
    neighbours = torch.cat([batch["image"][:, ::2] for batch in once]).abs().sum(dim=(1, 2, 3))
    assert 0 < int((neighbours == 0).sum()) < len(neighbours)


def test_slices_with_an_infarct_are_drawn_more_often(tmp_path: Path) -> None:
    small_lge_config(tmp_path)
    stacks = [load_emidec_patient(tmp_path / "emidec", name) for name in ("Case_P001", "Case_N002")]
    weights = SliceBank(stacks, CPU).sampling_weights(infarct=1.5, no_reflow=2.0)
    assert weights.tolist() == [3.0] * SLICES + [1.0] * SLICES


def test_loss_is_lower_for_labels_than_for_a_wall_without_its_infarct(tmp_path: Path) -> None:
    task = LgeTask(small_lge_config(tmp_path))
    label = torch.from_numpy(load_emidec_patient(tmp_path / "emidec", "Case_P001").labels)[:, None]

    def loss(shown: torch.Tensor) -> float:
        one_hot = torch.nn.functional.one_hot(shown[:, 0].long(), 5).movedim(-1, 1)
        return float(task.loss(one_hot * 10.0, {"label": label}))

    healthy = torch.where(label > 2, 2, label)
    assert loss(label) < 0.1 < loss(healthy) < loss(torch.zeros_like(label))


def test_a_run_is_trained_exported_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = small_lge_config(tmp_path / "data", steps=4)
    with training_progress() as progress:
        train(run_of(config), resume=True, progress=progress)
    folder = export(run_of(config), tmp_path / "models" / "tiny_lge")
    card = load_card(folder)
    assert card.labels == dict(LGE_LABELS)
    assert card.license == "CC-BY-NC-SA-4.0"
    asked = Asked("emidec", folder=str(config.data.folder), split=config.data.split)
    report = evaluate(folder, asked)
    assert measured_on(report.record) == [("Case_P003", "infarct_share")]
    assert {"infarct share MAE", "Dice myocardium"} <= dict(numbers(report.record)).keys()
    assert report.record_json


def test_what_is_found_is_scored_by_patient(tmp_path: Path) -> None:
    write_emidec_patient(tmp_path, "Case_P001", seed=1)
    stack = load_emidec_patient(tmp_path, "Case_P001")

    def by_grey_level(images: np.ndarray) -> LabelledSlices:
        if len(images) == 1:
            raise HeartRefused("heart_not_found", "Alone it is not found.")
        labels = np.select([images > 200, images > 130, images < 50], [3, 1, 4], np.where(images < 75, 2, 0))
        return LabelledSlices(labels.astype(np.uint8), infarct_open_percent=2.0)

    score = score_patient(stack, by_grey_level)
    assert min(score.dice.values()) > 0.8
    assert score.refused_slices == SLICES
    assert score.dice_of_single_slices["myocardium"] == 0
    assert score.share_percent == pytest.approx(score.reference_percent, abs=4)
    assert len(score.distorted_percent) == 2
    assert score.open_percent == 2.0


def test_parts_of_the_wall_are_compared_turned_by_what_a_septum_is_off_by(tmp_path: Path) -> None:
    write_emidec_patient(tmp_path, "Case_P001", seed=1)
    labels = load_emidec_patient(tmp_path, "Case_P001").labels
    same = part_errors(labels, labels)
    assert same["infarct_share_level"] == pytest.approx([0.0] * len(same["infarct_share_level"]))
    assert 0 < max(same["infarct_share_segment"]) < 30, "an infarct's edge lies in a segment or the next"
    without = part_errors(np.where(labels > 2, 2, labels).astype(np.uint8), labels)
    assert not without.keys() & {"infarct_share_segment", "infarct_transmurality"}
    assert max(without["infarct_share_segment_without"]) > 30


def test_a_patient_is_known_with_share_interval_and_findings(tmp_path: Path) -> None:
    write_emidec_patient(tmp_path, "Case_P001", seed=1)
    stack = load_emidec_patient(tmp_path, "Case_P001")

    def with_an_infarct_at_the_edge(images: np.ndarray) -> LabelledSlices:
        if len(images) < len(stack.labels):
            raise HeartRefused("heart_not_found", "Alone it is not found.")
        labels = np.where(stack.labels > 2, 2, stack.labels).astype(np.uint8)
        labels[0][labels[0] == 2] = 3
        return LabelledSlices(labels, infarct_open_percent=3.0)

    score, known = score_patient(stack, with_an_infarct_at_the_edge), Uncertainty(0.9, {SHARE: 10.0}, {})
    case = case_of(score, known)
    assert case.findings is not None
    assert "infarct_in_outermost_slice" in case.findings
    assert case.half_widths == {SHARE: 10.0}
    by_doubt = replace(known, by_doubt=ByDoubt({SHARE: 4.0}, least=1.0))
    assert case_of(score, by_doubt).half_widths == {SHARE: 12.0}
    assert case.stated == {"pathology": "pathological"}


def test_no_infarct_where_there_is_none_is_a_dice_of_one(tmp_path: Path) -> None:
    write_emidec_patient(tmp_path, "Case_N001", seed=1)
    stack = load_emidec_patient(tmp_path, "Case_N001")
    score = score_patient(stack, lambda images: LabelledSlices(stack.labels[: len(images)]))
    assert score.dice["infarct"] == 1
    assert score.share_percent == infarct_share_percent(stack.labels) == 0


def test_stacks_whose_images_and_labels_differ_are_refused(tmp_path: Path) -> None:
    write_emidec_patient(tmp_path, "Case_N001", seed=1)
    stack = load_emidec_patient(tmp_path, "Case_N001")
    with pytest.raises(ValueError, match="differ"):
        replace(stack, labels=stack.labels[:1])


def test_the_committed_configuration_is_read() -> None:
    assert load_run(ROOT / "configs" / "train" / "lge.toml").config.view == "lge"
