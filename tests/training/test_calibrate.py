from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.models.card import load_card
from cvai.training.datasets.data import load_acdc_patient
from cvai.training.evaluation.calibrate import write_calibration
from cvai.training.tasks.sax.evaluation.quantities import paired
from cvai.training.tasks.sax.evaluation.report import calibration_of
from cvai.training.tasks.sax.evaluation.scores import VolumeScore, score_volumes
from tests.conftest import ROOT
from tests.training.acdc_like import write_patient
from tests.training.known import Known, without_rows


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> tuple[VolumeScore, ...]:
    """Twelve patients whose cavities lose rows, and one who was refused."""
    folder = tmp_path_factory.mktemp("acdc")
    volumes = []
    for k in range(13):
        write_patient(folder / f"patient{k:03d}", seed=k)
        volumes += load_acdc_patient(folder / f"patient{k:03d}")
    refusing = Known(volumes, change=without_rows(3), refuses=frozenset({("patient012", "ES")}))
    return score_volumes(volumes, refusing)


def test_calibration_is_written_into_the_card_and_leaves_the_rest_alone(
    scores: tuple[VolumeScore, ...], tmp_path: Path
) -> None:
    folder = shutil.copytree(ROOT / "models" / "sax", tmp_path / "sax")
    write_calibration(folder, calibration_of(scores))
    written, before = load_card(folder), load_card(ROOT / "models" / "sax")
    assert written.uncertainty == calibration_of(scores)
    assert written.model_copy(update={"uncertainty": before.uncertainty}) == before


def test_intervals_hold_the_patients_they_come_from(scores: tuple[VolumeScore, ...]) -> None:
    pairs, card = paired(scores), calibration_of(scores)
    share = card.shares["lv_edv"]
    held = np.abs(pairs["lv_edv"].difference) <= share * pairs["lv_edv"].measured + 1e-3
    assert share > 0
    assert held.mean() >= 0.9
    within = np.abs(pairs["lv_ef"].difference) <= card.half_widths["lv_ef"] + 1e-2
    assert within.mean() >= 0.9


def test_a_refused_patient_is_not_counted(scores: tuple[VolumeScore, ...]) -> None:
    assert calibration_of(scores).patients == 12


def test_too_few_patients_for_the_confidence_are_told(scores: tuple[VolumeScore, ...]) -> None:
    with pytest.raises(ValueError, match="too few"):
        calibration_of(scores[:8])
