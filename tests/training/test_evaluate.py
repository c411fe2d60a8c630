from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.errors import HeartRefused
from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.cine import CineStack
from cvai.heart.segmentation import CineSegmentation, ModelIdentity
from cvai.heart.uncertainty import Uncertainty
from cvai.inference.card import load_card
from cvai.training.calibrate import calibration, write_calibration
from cvai.training.data import LabelledVolume, load_acdc_patient
from cvai.training.evaluate import agreements, evaluate, mean_dice, paired, report_json
from tests.conftest import ROOT
from tests.training.acdc_like import SPACING_MM, write_patient

VOXEL_ML = float(np.prod(SPACING_MM)) / 1000


@dataclass(frozen=True)
class Known:
    """A segmenter that knows the reference and errs in a known way."""

    reference: list[LabelledVolume]
    lost_rows: int = 0
    refuses: bool = False
    uncertainty: Uncertainty | None = None

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("known", "1", "0" * 64, "none")

    def segment(self, stack: CineStack) -> CineSegmentation:
        if self.refuses:
            raise HeartRefused("heart_not_found", "nothing")
        volume = next(v for v in self.reference if np.array_equal(v.image, stack.pixels[0]))
        labels = volume.labels.copy()
        cavity = labels == SAX_LABELS[Structure.LV_CAVITY]
        first = int(np.argwhere(cavity)[:, 1].min())
        cavity[:, first + self.lost_rows :] = False
        labels[cavity] = 0
        return CineSegmentation(labels[None], stack.geometry)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledVolume]:
    folder = tmp_path_factory.mktemp("acdc")
    for k in range(12):
        write_patient(folder / f"patient{k:03d}", seed=k)
    return [v for k in range(12) for v in load_acdc_patient(folder / f"patient{k:03d}")]


def test_a_perfect_segmenter_agrees_with_the_reference(volumes: list[LabelledVolume]) -> None:
    scores = evaluate(volumes, Known(volumes))
    assert all(d == 1.0 for phase in mean_dice(scores).values() for d in phase.values())
    assert all(a.bias == a.sd == a.worst == 0 for a in agreements(scores).values())


def test_errors_are_measured_in_millilitres_and_points(volumes: list[LabelledVolume]) -> None:
    scores = evaluate(volumes, Known(volumes, lost_rows=4))
    lost = [np.count_nonzero(v.labels == 1) for v in volumes if v.phase == "ED"]
    measured, reference = paired(scores)["lv_edv"]
    assert list(reference.values()) == pytest.approx([n * VOXEL_ML for n in lost])
    assert all(measured[p] < reference[p] for p in reference)
    bias = np.mean([measured[p] - reference[p] for p in reference])
    assert agreements(scores)["lv_edv"].bias == pytest.approx(bias)
    assert agreements(scores)["rv_edv"].bias == 0
    assert mean_dice(scores)["ED"]["lv_cavity"] < 1.0


def test_a_refused_heart_counts_as_empty(volumes: list[LabelledVolume]) -> None:
    scores = evaluate(volumes[:4], Known(volumes, refuses=True))
    assert all(s.dice["lv_cavity"] == 0 and s.volume_ml["lv_cavity"] == 0 for s in scores)


def test_the_report_is_json_with_every_volume(volumes: list[LabelledVolume]) -> None:
    report = json.loads(report_json(evaluate(volumes, Known(volumes, lost_rows=1))))
    assert report["patients"] == 12
    assert len(report["volumes"]) == 24


def test_calibration_is_written_into_the_card_and_holds_the_patients(
    volumes: list[LabelledVolume], tmp_path: Path
) -> None:
    folder = shutil.copytree(ROOT / "models" / "sax", tmp_path / "sax")
    scores = evaluate(volumes, Known(volumes, lost_rows=3))
    write_calibration(folder, calibration(scores))
    written, before = load_card(folder), load_card(ROOT / "models" / "sax")
    assert written.uncertainty is not None
    assert written.model_copy(update={"uncertainty": before.uncertainty}) == before
    measured, reference = paired(scores)["lv_edv"]
    share = written.uncertainty.shares["lv_edv"]
    held = [abs(measured[p] - reference[p]) <= share * measured[p] + 1e-3 for p in reference]
    assert np.mean(held) >= 0.9
