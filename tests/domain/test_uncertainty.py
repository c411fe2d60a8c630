from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from cvai.domain.body import indexed
from cvai.domain.measurement import OF_MODEL, IntervalOrigin, Measurement
from cvai.domain.uncertainty import ByDoubt, Uncertainty, conformal_half_width, grouped_half_width

KNOWN = Uncertainty(0.9, half_widths={"lv_ef": 5.0}, shares={"lv_edv": 0.1})


def test_an_ejection_fraction_is_known_to_so_many_points() -> None:
    assert KNOWN.around(Measurement("lv_ef", 60.0, "%")).interval == (55.0, 65.0)


def test_a_volume_is_known_to_a_share_of_itself() -> None:
    assert KNOWN.around(Measurement("lv_edv", 200.0, "mL")).interval == pytest.approx((180.0, 220.0))


def test_a_volume_per_body_surface_is_known_to_the_same_share() -> None:
    indexed = KNOWN.around(Measurement("lv_edv_index", 100.0, "mL/m2"))
    assert indexed.interval == pytest.approx((90.0, 110.0))


def test_no_interval_leaves_what_is_possible() -> None:
    assert KNOWN.around(Measurement("lv_ef", 98.0, "%")).interval == (93.0, 100.0)
    assert KNOWN.around(Measurement("lv_ef", 2.0, "%")).interval == (0.0, 7.0)


def test_what_was_not_calibrated_has_no_interval() -> None:
    assert KNOWN.around(Measurement("lv_co", 5.0, "L/min")).interval is None


SITE = IntervalOrigin(studies=64, on=date(2026, 11, 30), factor=1.5)


def test_a_site_widens_what_it_has_calibrated_and_says_so() -> None:
    here = replace(KNOWN, of_site={"lv_ef": SITE, "lv_edv": SITE})
    ejected = here.around(Measurement("lv_ef", 60.0, "%"))
    assert (ejected.interval, ejected.interval_from) == ((52.5, 67.5), SITE)
    volume = here.around(Measurement("lv_edv", 200.0, "mL"))
    assert indexed(volume, surface_m2=2.0).interval_from == SITE
    assert here.around(Measurement("lv_edv_index", 100.0, "mL/m2")).interval == pytest.approx((85.0, 115.0))
    assert KNOWN.around(Measurement("lv_ef", 60.0, "%")).interval_from == OF_MODEL


def test_one_view_has_its_own_half_width_and_the_factor_of_the_measurement() -> None:
    known = Uncertainty(0.9, {"lv_ef": 5.0, "lv_ef_a4c": 8.0}, {}, of_site={"lv_ef": SITE})
    of_view = known.around(Measurement("lv_ef", 60.0, "%"), known_as="lv_ef_a4c")
    assert (of_view.name, of_view.interval) == ("lv_ef", (48.0, 72.0))


def test_what_is_poorly_seen_has_a_wider_interval() -> None:
    known = replace(KNOWN, by_doubt=ByDoubt({"lv_ef": 100.0, "lv_edv": 2.0}, least=0.04))
    clear, poor = (known.at_doubts({"lv_ef": doubt, "lv_edv": doubt}) for doubt in (0.01, 0.12))
    assert clear.half_width("lv_ef", 50.0) == pytest.approx(4.0), "the least doubt is believed"
    assert poor.half_width("lv_ef", 50.0) == pytest.approx(12.0)
    assert poor.half_width("lv_edv", 100.0) == pytest.approx(24.0)


def test_without_a_doubt_the_interval_is_that_of_every_patient() -> None:
    known = replace(KNOWN, by_doubt=ByDoubt({"lv_ef": 100.0}, least=0.04))
    assert known.at_doubts({}).half_width("lv_ef", 50.0) == 5.0
    assert KNOWN.at_doubts({"lv_ef": 0.5}).half_width("lv_ef", 50.0) == 5.0


def test_an_origin_of_no_interval_is_no_value() -> None:
    with pytest.raises(ValueError, match="origin"):
        Measurement("lv_ef", 60.0, "%", interval_from=OF_MODEL)
    with pytest.raises(ValueError, match="day"):
        IntervalOrigin(studies=64)
    with pytest.raises(ValueError, match="factor"):
        IntervalOrigin(factor=0.0)


@pytest.mark.parametrize("n", [20, 50])
def test_intervals_hold_new_patients_as_often_as_promised(n: int) -> None:
    rng = np.random.default_rng(4)
    held = []
    for _ in range(4000):
        errors = rng.standard_t(3, n + 1)  # heavy tails: nothing is assumed about the distribution
        held.append(abs(errors[-1]) <= conformal_half_width(list(errors[:-1]), confidence=0.9))
    assert 0.88 <= np.mean(held) <= 0.94


def test_intervals_hold_parts_of_new_patients_though_parts_of_one_are_alike() -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(2000):
        spread = rng.gamma(1.0, size=(21, 1))
        errors = spread * rng.standard_normal((21, 16))
        parts = [list(patient[: rng.integers(1, 17)]) for patient in errors[:-1]]
        held.append(np.mean(np.abs(errors[-1]) <= grouped_half_width(parts, confidence=0.9)))
    assert 0.89 <= np.mean(held) <= 0.96


def test_a_kind_of_measurement_has_the_interval_of_its_kind() -> None:
    part = Measurement("lv_ef_of_a_part", 60.0, "%")
    assert KNOWN.around(part).interval is None
    assert KNOWN.around(part, "lv_ef").interval == (55.0, 65.0)


def test_too_few_patients_promise_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        grouped_half_width([[1.0] * 16] * 8, confidence=0.9)
    with pytest.raises(ValueError, match="too few"):
        conformal_half_width([1.0] * 8, confidence=0.9)
