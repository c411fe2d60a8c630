from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cvai.domain.body import INDEXED_BY_BODY_SURFACE, body_surface_area_m2, indexed, with_body_size
from cvai.domain.measurement import Measurement
from cvai.domain.subject import Subject

TALL = Subject(height_m=1.8, weight_kg=80.0)
MEASURED = (
    Measurement("lv_edv", 150.0, "mL"),
    Measurement("lv_ef", 60.0, "%"),
    Measurement("lv_co", 5.0, "L/min"),
    Measurement("lv_mass", 110.0, "g"),
    Measurement("heart_rate", 70.0, "/min"),
)


def test_a_person_of_two_square_metres_has_half_the_volume_per_square_metre() -> None:
    values = {m.name: (m.value, m.unit) for m in with_body_size(MEASURED, TALL)}
    assert values["bsa"] == (2.0, "m2")
    assert values["lv_edv_index"] == (75.0, "mL/m2")
    assert values["lv_co_index"] == (2.5, "L/min/m2")
    assert values["lv_mass_index"] == (55.0, "g/m2")


def test_an_ejection_fraction_and_a_heart_rate_are_not_indexed() -> None:
    names = [m.name for m in with_body_size(MEASURED, TALL)]
    assert names == [
        "lv_edv",
        "lv_edv_index",
        "lv_ef",
        "lv_co",
        "lv_co_index",
        "lv_mass",
        "lv_mass_index",
        "heart_rate",
        "bsa",
    ]


@pytest.mark.parametrize("subject", [Subject(), Subject(height_m=1.8), Subject(weight_kg=80.0)])
def test_without_height_and_weight_nothing_is_added(subject: Subject) -> None:
    assert with_body_size(MEASURED, subject) == MEASURED


@given(
    name=st.sampled_from(sorted(INDEXED_BY_BODY_SURFACE)),
    value=st.floats(1.0, 900.0),
    height_m=st.floats(1.2, 2.2),
    weight_kg=st.floats(30.0, 150.0),
)
def test_an_index_times_the_surface_is_the_value_and_so_are_its_bounds(
    name: str, value: float, height_m: float, weight_kg: float
) -> None:
    surface_m2 = body_surface_area_m2(height_m, weight_kg)
    index = indexed(Measurement(name, value, "mL", interval=(0.9 * value, 1.2 * value)), surface_m2)
    assert index.value * surface_m2 == pytest.approx(value)
    assert index.interval is not None
    assert [bound * surface_m2 for bound in index.interval] == pytest.approx([0.9 * value, 1.2 * value])


@given(height_m=st.floats(1.2, 2.2), weight_kg=st.floats(30.0, 150.0))
def test_mosteller_lies_near_du_bois(height_m: float, weight_kg: float) -> None:
    """Independent formula of 1916 (DCM 122241); for usual builds the two differ by a few percent."""
    assume(17 <= weight_kg / height_m**2 <= 35)
    du_bois_m2 = 0.007184 * weight_kg**0.425 * (100 * height_m) ** 0.725
    assert body_surface_area_m2(height_m, weight_kg) == pytest.approx(du_bois_m2, rel=0.08)


@pytest.mark.parametrize(
    "impossible",
    [
        {"height_m": 175.0},
        {"height_m": 0.0},
        {"weight_kg": 70_000.0},
        {"weight_kg": 0.0},
        {"age_years": -1},
        {"age_years": 999},
        {"height_m": 0.70, "weight_kg": 175.0},
        {"height_m": float("nan")},
    ],
)
def test_a_person_who_cannot_be_is_no_subject(impossible: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must lie|one person"):
        Subject(**impossible)  # type: ignore[arg-type]
