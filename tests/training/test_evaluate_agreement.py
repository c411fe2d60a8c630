from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.domain.anatomy import SAX_LABELS
from cvai.training.evaluation.agreement import Pairs, agreement
from cvai.training.evaluation.bootstrap import correlation, estimate, mean, sd
from cvai.training.tasks.sax.evaluation.quantities import agreements, paired
from cvai.training.tasks.sax.evaluation.scores import Scores, StructureScore, VolumeScore


def pairs_of(measured: list[float], reference: list[float]) -> Pairs:
    n = len(measured)
    return Pairs(tuple(f"p{k}" for k in range(n)), ("NOR",) * n, np.array(measured), np.array(reference))


def volume(
    patient: str, phase: str, measured_ml: tuple[float, float, float], refused: str | None = None
) -> VolumeScore:
    """Cavity, wall and right ventricle as measured; the reference is 100, 120, 110 mL, half of it in ES."""
    share = 1.0 if phase == "ED" else 0.5
    reference_ml = (100.0 * share, 120.0, 110.0 * share)
    whole: Scores = {
        structure: StructureScore(0.9, 2.0, m, r)
        for structure, m, r in zip(SAX_LABELS, measured_ml, reference_ml, strict=True)
    }
    return VolumeScore(patient, "NOR", phase, refused, whole, {})


def test_bias_spread_and_limits_of_numbers_made_up_for_it() -> None:
    result = agreement(pairs_of([11.0, 22.0, 33.0, 44.0, 45.0], [10.0, 20.0, 30.0, 40.0, 50.0]))
    assert result.n == 5
    assert result.bias.value == pytest.approx(1.0)  # +1 +2 +3 +4 -5
    assert result.mae.value == pytest.approx(3.0)
    assert result.sd.value == pytest.approx(np.sqrt(50 / 4))
    assert result.limit_low.value == pytest.approx(1.0 - 1.96 * np.sqrt(12.5))
    assert result.limit_high.value == pytest.approx(1.0 + 1.96 * np.sqrt(12.5))
    assert (result.worst, result.worst_patient) == (-5.0, "p4")


def test_what_is_proportional_correlates_fully_and_what_is_opposed_negatively() -> None:
    up = [10.0, 20.0, 35.0, 40.0, 55.0]
    assert agreement(pairs_of([2 * v for v in up], up)).correlation.value == pytest.approx(1.0)
    assert agreement(pairs_of([-v for v in up], up)).correlation.value == pytest.approx(-1.0)
    assert agreement(pairs_of([7.0] * 5, up)).correlation.value is None


def test_one_patient_has_a_bias_and_no_spread() -> None:
    result = agreement(pairs_of([12.0], [10.0]))
    assert result.bias.value == 2.0
    assert result.sd.value is result.limit_low.value is result.correlation.value is None


def test_function_follows_from_volumes_by_the_names_of_the_result_file() -> None:
    scores = [volume("a", "ED", (90.0, 100.0, 110.0)), volume("a", "ES", (36.0, 110.0, 44.0))]
    pairs = paired(scores)
    measured = {name: float(pair.measured[0]) for name, pair in pairs.items()}
    assert measured == pytest.approx(
        {
            **{"lv_edv": 90.0, "lv_esv": 36.0, "lv_sv": 54.0, "lv_ef": 60.0, "lv_mass": 105.0},
            **{"rv_edv": 110.0, "rv_esv": 44.0, "rv_sv": 66.0, "rv_ef": 60.0},
        }
    )
    assert float(pairs["lv_ef"].reference[0]) == pytest.approx(50.0)
    assert agreements(scores)["lv_mass"].bias.value == pytest.approx(-21.0)


def test_a_refused_heart_has_no_numbers_to_compare() -> None:
    whole = [volume("a", "ED", (100.0, 120.0, 110.0)), volume("a", "ES", (50.0, 120.0, 55.0))]
    half = [volume("b", "ED", (90.0, 1.0, 1.0)), volume("b", "ES", (0.0, 0.0, 0.0), "heart_not_found")]
    assert {a.n for a in agreements(whole + half).values()} == {1}
    assert agreements(half) == {}


def test_an_empty_ventricle_has_volumes_and_no_ejection_fraction() -> None:
    pairs = paired([volume("a", "ED", (100.0, 120.0, 0.0)), volume("a", "ES", (50.0, 120.0, 0.0))])
    assert "rv_ef" not in pairs
    assert float(pairs["rv_edv"].measured[0]) == 0.0


def test_an_interval_is_the_same_every_time_and_holds_its_value() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 20)
    first, again = estimate(mean, values), estimate(mean, values)
    assert first == again
    assert first.value == pytest.approx(values.mean())
    assert first.interval is not None
    assert first.interval[0] < first.value < first.interval[1]


def test_intervals_of_the_mean_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    intervals = [estimate(mean, rng.normal(3.0, 2.0, 30)).interval for _ in range(200)]
    held = np.mean([i is not None and i[0] <= 3.0 <= i[1] for i in intervals])
    assert 0.88 <= held <= 0.99


def test_patients_that_do_not_vary_have_an_interval_without_width() -> None:
    assert estimate(mean, np.full(8, 2.5)).interval == (2.5, 2.5)
    assert estimate(sd, np.full(8, 2.5)).interval == (0.0, 0.0)


def test_fewer_than_five_patients_have_no_interval() -> None:
    assert estimate(mean, np.arange(4.0)).interval is None
    assert estimate(mean, np.arange(5.0)).interval is not None


def test_pairs_are_drawn_together() -> None:
    values = np.random.default_rng(2).normal(0, 1, 12)
    assert estimate(correlation, values, values).interval == pytest.approx((1.0, 1.0))
