from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.errors import ModelInvalid
from cvai.training.evaluation.numbers import DICE_MARGIN
from cvai.training.promotion.comparison import compared
from cvai.training.tasks.echo.evaluation.numbers import ECHO_MARGINS
from cvai.training.tasks.sax.evaluation.numbers import AGREEMENT_MARGINS
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    return json.loads((ROOT / "models" / "sax" / "evaluation.json").read_text())  # type: ignore[no-any-return]


def worse(shipped: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> list[str]:
    changed = copy.deepcopy(shipped)
    change(changed)
    return [number.name for number in compared(shipped, changed) if number.is_worse]


def test_a_model_is_not_worse_than_itself(shipped: dict[str, Any]) -> None:
    numbers = compared(shipped, shipped)
    assert {number.gain for number in numbers} == {0.0}
    assert len(numbers) == 6 + len(AGREEMENT_MARGINS) + 1


@pytest.mark.parametrize(("loss", "told"), [(0.9, []), (1.1, ["Dice rv_cavity ES"])])
def test_a_dice_may_fall_by_its_margin(shipped: dict[str, Any], loss: float, told: list[str]) -> None:
    def lower(record: dict[str, Any]) -> None:
        record["dice"]["ES"]["rv_cavity"]["mean"] -= loss * DICE_MARGIN

    assert worse(shipped, lower) == told


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        ((-4.5, 1.6), []),
        ((0.49, 3.0), []),
        ((0.51, 3.0), ["lv_ef bias, proven size"]),
        ((-3.0, -0.51), ["lv_ef bias, proven size"]),
    ],
)
def test_a_bias_counts_as_far_as_its_interval_proves_it(
    shipped: dict[str, Any], interval: tuple[float, float], told: list[str]
) -> None:
    def biased(record: dict[str, Any]) -> None:
        record["agreement"]["lv_ef"]["bias"]["interval"] = list(interval)

    unbiased = copy.deepcopy(shipped)
    unbiased["agreement"]["lv_ef"]["bias"]["interval"] = [-1.0, 1.0]
    assert worse(unbiased, biased) == told


def test_a_mean_error_may_grow_by_its_margin(shipped: dict[str, Any]) -> None:
    def larger(record: dict[str, Any]) -> None:
        record["agreement"]["rv_ef"]["mae"]["value"] += 0.51

    assert worse(shipped, larger) == ["rv_ef MAE"]


def test_a_number_that_is_lost_and_a_heart_that_is_refused_are_worse(shipped: dict[str, Any]) -> None:
    def lost(record: dict[str, Any]) -> None:
        del record["agreement"]["lv_mass"]

    def refused(record: dict[str, Any]) -> None:
        record["refused"].append({"patient": "patient037", "phase": "ES", "code": "heart_not_found"})

    assert worse(shipped, lost) == ["lv_mass bias, proven size", "lv_mass SD"]
    assert worse(shipped, refused) == ["hearts not found"]


def test_evaluations_of_other_patients_are_not_compared(shipped: dict[str, Any]) -> None:
    with pytest.raises(ModelInvalid) as other:
        worse(shipped, lambda record: record["volumes"].pop())
    assert other.value.code == "evaluations_not_comparable"


@pytest.fixture(scope="module")
def echo() -> dict[str, Any]:
    return json.loads((ROOT / "models" / "echo" / "evaluation.json").read_text())  # type: ignore[no-any-return]


def test_models_for_ultrasound_are_compared_by_their_own_numbers(echo: dict[str, Any]) -> None:
    def changed(record: dict[str, Any]) -> None:
        record["dice"]["ES"]["left_atrium"]["value"] -= 0.006
        record["ejection_fraction"]["biplane"]["mae"]["value"] += 0.4
        record["ejection_fraction"]["biplane"]["worst"]["error"] = -60.0
        record["view"]["accuracy"] -= 0.02

    numbers = compared(echo, echo)
    assert {number.gain for number in numbers} == {0.0}
    assert len(numbers) == 6 + len(ECHO_MARGINS) + 2
    told = ["Dice left_atrium ES", "biplane MAE", "biplane worst, size of", "view named rightly"]
    assert worse(echo, changed) == told


def test_a_patient_less_or_another_kind_of_image_is_not_compared(
    echo: dict[str, Any], shipped: dict[str, Any]
) -> None:
    for pair in ((echo, shipped), (echo, {**echo, "by_patient": echo["by_patient"][1:]})):
        with pytest.raises(ModelInvalid) as other:
            compared(*pair)
        assert other.value.code == "evaluations_not_comparable"
