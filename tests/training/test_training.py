from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import mlflow
import nibabel
import torch

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.errors import ConfigurationInvalid, ModelInvalid
from cvai.models.card import load_card
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.training.core.export import averaged_network, export
from cvai.training.core.loop import CHECKPOINT, new_state, train, training_progress
from cvai.training.core.start import averaged_weights
from cvai.training.core.tracking import Tracker
from cvai.training.datasets.acdc import ACDC
from cvai.training.datasets.data import Split, load_acdc_patient, load_split
from cvai.training.tasks.registry import load_run, run_of
from cvai.training.tasks.sax.samples import cut_centred, slice_samples
from cvai.training.tasks.sax.task import sampling_weights
from tests.conftest import ROOT
from tests.training.acdc_like import SPACING_MM, small_config, write_patient
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING


def test_labels_and_spacing_of_acdc_arrive_in_our_order(tmp_path: Path) -> None:
    write_patient(tmp_path / "patient001", seed=1)
    ed, es = load_acdc_patient(tmp_path / "patient001")
    truth = np.asarray(nibabel.load(tmp_path / "patient001" / "patient001_frame01_gt.nii.gz").dataobj)
    assert ed.spacing_mm == pytest.approx(SPACING_MM[::-1])
    assert ed.image.shape == (4, 80, 96)
    for acdc, structure in ((1, Structure.RV_CAVITY), (2, Structure.LV_MYOCARDIUM), (3, Structure.LV_CAVITY)):
        np.testing.assert_array_equal(ed.labels == SAX_LABELS[structure], (truth == acdc).transpose(2, 1, 0))
    assert (ed.phase, es.phase) == ("ED", "ES")


def test_a_folder_that_is_no_patient_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="CVAI_DATA"):
        load_acdc_patient(tmp_path)


def test_no_patient_trains_and_validates() -> None:
    with pytest.raises(ValueError, match="patient007"):
        Split(train=("patient007",), validation=("patient007", "patient008"))


def test_the_committed_split_leaves_twenty_of_a_hundred_patients_out() -> None:
    split = load_split(ROOT / "data" / "splits" / "acdc.toml")
    assert len(split.validation) == 20
    assert len(set(split.train) | set(split.validation)) == 100


def test_a_sample_keeps_areas_in_square_millimetres(tmp_path: Path) -> None:
    write_patient(tmp_path / "patient001", seed=1)
    ed, _ = load_acdc_patient(tmp_path / "patient001")
    sample = slice_samples(ed, spacing_mm=1.25)[2]
    for value in SAX_LABELS.values():
        area_mm2 = np.count_nonzero(ed.labels[2] == value) * ed.spacing_mm[1] * ed.spacing_mm[2]
        assert float(sample["label"][value].float().sum()) * 1.25**2 == pytest.approx(area_mm2, rel=0.03)


def test_what_lies_outside_the_image_is_zero() -> None:
    cut = cut_centred(torch.ones(1, 10, 10), centre=(0.0, 9.0), size=8)
    assert cut.shape == (1, 8, 8)
    assert cut[:, 4:, :5].min() == 1
    assert cut[:, :4].max() == 0


def test_base_apex_and_end_systole_are_drawn_as_often_as_the_configuration_says(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    diastole, systole = (
        slice_samples(volume, 2.0) for volume in load_acdc_patient(tmp_path / "acdc" / "patient001")
    )
    assert [s["extreme"] for s in diastole] == [True, False, False, True]
    assert not any(s["end_systole"] for s in diastole)
    assert all(s["end_systole"] for s in systole)
    optimise = config.optimise.model_copy(update={"extremes": 5.0, "end_systole": 3.0})
    assert sampling_weights([*diastole, *systole], optimise) == [5, 1, 1, 5, 15, 3, 3, 15]


@pytest.mark.parametrize(
    ("name", "section", "former"),
    [("sax", "augment", "batched = false"), ("echo", "optimise", "extremes = 1.0\nend_systole = 1.0")],
)
def test_configurations_of_registered_runs_are_still_read(
    name: str, section: str, former: str, tmp_path: Path
) -> None:
    today = ROOT / "configs" / "train" / f"{name}.toml"
    (tmp_path / "former.toml").write_text(today.read_text().replace(f"[{section}]", f"[{section}]\n{former}"))
    assert load_run(tmp_path / "former.toml") == load_run(today)


def test_a_configuration_for_what_nothing_is_trained_for_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "train" / "sax.toml").read_text()
    (tmp_path / "wrong.toml").write_text(text.replace('view = "sax"', 'view = "lungs"'))
    with pytest.raises(ConfigurationInvalid, match="lungs") as unknown:
        load_run(tmp_path / "wrong.toml")
    assert unknown.value.code == "task_unknown"


def test_a_second_stage_starts_from_the_averaged_weights_of_the_first(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    first, second = new_state(run_of(config)), new_state(run_of(config))
    for weights in first.average.parameters():
        weights.data.fill_(0.25)
    first.save(tmp_path / CHECKPOINT)
    second.start_from(averaged_weights(tmp_path / CHECKPOINT))
    for state in (second.network, second.average):
        assert all(torch.all(weights == 0.25) for weights in state.parameters())
    assert second.step == 0


def test_a_run_may_end_between_where_it_started_and_where_it_came(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    first, second = new_state(run_of(config)), new_state(run_of(config))
    for state, value in ((first, 0.25), (second, 0.5)):
        for weights in state.average.parameters():
            weights.data.fill_(value)
    first.save(tmp_path / CHECKPOINT)
    second.blend(averaged_weights(tmp_path / CHECKPOINT), 0.4)
    assert all(torch.allclose(w, torch.tensor(0.4)) for w in second.average.parameters())


def test_a_configuration_with_a_wrong_key_is_told(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "train" / "sax.toml").read_text()
    (tmp_path / "wrong.toml").write_text(text.replace("batch_size", "batchsize"))
    with pytest.raises(ConfigurationInvalid, match="batchsize"):
        load_run(tmp_path / "wrong.toml")


def test_a_run_that_the_store_has_lost_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = small_config(tmp_path)
    config.output.mkdir(parents=True, exist_ok=True)
    (config.output / "mlflow_run_id").write_text("0" * 32)
    with Tracker(config):
        pass
    run = mlflow.get_run((config.output / "mlflow_run_id").read_text())
    assert run.data.params["optimise.batch_size"] == "4"


def test_a_run_is_trained_cut_off_resumed_tracked_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    half = small_config(tmp_path / "data", steps=2)
    whole = half.model_copy(update={"optimise": half.optimise.model_copy(update={"steps": 4})})
    with training_progress() as progress:
        train(run_of(half), resume=True, progress=progress)
        train(run_of(whole), resume=True, progress=progress)
    assert (whole.output / "validation_000002.png").is_file()
    assert (whole.output / "validation_000004.png").is_file()
    run = mlflow.get_run((whole.output / "mlflow_run_id").read_text())
    assert run.data.params["optimise.batch_size"] == "4"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "dice_lv_cavity")
    assert [m.step for m in history] == [2, 4]

    folder = export(run_of(whole), tmp_path / "models" / "tiny")
    image = np.random.default_rng(0).random((3, 3, 96, 80)).astype(np.float32)
    with torch.no_grad():
        expected = averaged_network(run_of(whole))(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(OnnxNetwork(folder).logits(image), expected, atol=1e-3)
    assert load_card(folder).labels == dict(SAX_LABELS)
    assert load_card(folder).convention == ACDC.convention

    weights = folder / "model.onnx"
    assert b".py" not in weights.read_bytes(), "a stack trace names folders of this machine"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelInvalid) as damaged:
        OnnxNetwork(folder)
    assert damaged.value.code == "model_digest_differs"
