from __future__ import annotations

import csv
import re
from collections import defaultdict
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.domain.measurement import Measurement, Normality, RangeSource
from cvai.domain.normals import NormalRange, normal_ranges, range_of_all_adults, with_normal_ranges
from cvai.domain.subject import Sex, Subject

UNITS = {"lv_edv": "mL", "lv_edv_index": "mL/m2", "lv_mass": "g", "lv_ef": "%", "rv_ef": "%", "lv_sv": "mL"}


def normal_of(name: str, subject: Subject, value: float = 100.0) -> Measurement:
    (measurement,) = with_normal_ranges([Measurement(name, value, UNITS[name])], subject)
    return measurement


@pytest.mark.parametrize(
    ("name", "sex", "age_years", "limits"),
    [
        ("lv_edv", "M", 18, (134.0, 252.0)),
        ("lv_edv", "M", 29, (134.0, 252.0)),
        ("lv_edv", "M", 30, (126.0, 244.0)),
        ("lv_edv_index", "F", 65, (48.0, 90.0)),
        ("lv_mass", "M", 70, (67.0, 138.0)),
        ("lv_ef", "F", 45, (50.0, 73.0)),
        ("rv_ef", "F", 101, (52.0, 76.0)),
    ],
)
def test_a_range_is_that_of_the_published_row(
    name: str, sex: Sex, age_years: int, limits: tuple[float, float]
) -> None:
    measurement = normal_of(name, Subject(sex, age_years))
    assert measurement.normal == limits
    assert measurement.normal_source is not None
    assert measurement.normal_source.doi == "10.1016/j.jcmg.2024.01.009"


@pytest.mark.parametrize(
    "subject", [Subject("M", 17), Subject("F", 0), Subject("F", None), Subject(None, 50), Subject()]
)
def test_who_is_not_described_has_no_range(subject: Subject) -> None:
    measurement = normal_of("lv_edv", subject)
    assert (measurement.normal, measurement.normal_source, measurement.normality) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "sex", "limits"),
    [
        ("lv_ef", "M", (52.0, 72.0)),
        ("lv_ef", "F", (54.0, 74.0)),
        ("lv_edv_index", "M", (34.0, 74.0)),
        ("lv_edv_index", "F", (29.0, 61.0)),
    ],
)
def test_ultrasound_has_ranges_of_its_own(name: str, sex: Sex, limits: tuple[float, float]) -> None:
    measured = [Measurement(name, 50.0, UNITS[name]), Measurement("lv_esv", 60.0, "mL")]
    first, second = with_normal_ranges(measured, Subject(sex, 60), "US")
    assert first.normal == limits
    assert first.normal_source is not None
    assert first.normal_source.doi == "10.1016/j.echo.2014.10.003"
    assert first.normal_source.population.endswith(("men, 18 years and older", "women, 18 years and older"))
    assert second.normal is None


def test_a_range_of_ultrasound_says_that_its_discs_are_of_another_height() -> None:
    (fraction,) = with_normal_ranges([Measurement("lv_ef", 50.0, "%")], Subject("F", 60), "US")
    assert fraction.normal_source is not None
    assert "about 8 points lower" in fraction.normal_source.caveat


def test_a_range_in_another_unit_does_not_count() -> None:
    (litres,) = with_normal_ranges([Measurement("lv_edv", 0.15, "L")], Subject("M", 50))
    assert litres.normal is None


def test_what_nobody_published_a_range_for_stays_as_it_was() -> None:
    others = (Measurement("lv_co", 5.0, "L/min"), Measurement("bsa", 2.0, "m2"))
    assert with_normal_ranges(others, Subject("M", 50)) == others


@given(sex=st.sampled_from(["M", "F"]), age_years=st.integers(18, 120))
def test_every_adult_has_exactly_one_range_of_each_kind(sex: Sex, age_years: int) -> None:
    subject = Subject(sex, age_years)
    kinds = {(known.measurement, known.unit) for known in normal_ranges()}
    for name, unit in kinds:
        measurement = Measurement(name, 1.0, unit)
        assert sum(known.describes(measurement, subject) for known in normal_ranges()) == 1


def test_what_is_indexed_has_a_range_with_and_without_the_body() -> None:
    names = {known.measurement for known in normal_ranges()}
    volumes = {f"{side}_{what}" for side in ("lv", "rv") for what in ("edv", "esv", "sv")} | {"lv_mass"}
    assert names == volumes | {f"{name}_index" for name in volumes} | {"lv_ef", "rv_ef"}


def test_absolute_and_indexed_limits_are_those_of_people_of_usual_size() -> None:
    """A digit mistaken in one of them would make the people behind them too small or too large."""
    limits = {(k.measurement, k.sex, k.age_from_years): k.limits for k in normal_ranges()}
    indexed = [key for key in limits if key[0].endswith("_index")]
    assert indexed
    for name, sex, age in indexed:
        absolute = limits[name.removesuffix("_index"), sex, age]
        for whole, per_m2 in zip(absolute, limits[name, sex, age], strict=True):
            assert (1.45 if sex == "F" else 1.75) < whole / per_m2 < (2.0 if sex == "F" else 2.3), (name, age)


def test_limits_change_little_from_one_band_to_the_next() -> None:
    bands = defaultdict(list)
    for known in sorted(normal_ranges(), key=lambda k: k.age_from_years):
        bands[known.measurement, known.sex].append(known.limits)
    for limits in bands.values():
        for younger, older in pairwise(limits):
            assert older == pytest.approx(younger, rel=0.18)


def test_limits_are_whole_numbers_as_normality_takes_them_to_be() -> None:
    assert all(limit.is_integer() for known in normal_ranges() for limit in known.limits)


def test_every_row_tells_where_it_is_from_and_counts_papillary_muscles_as_cavity() -> None:
    text = resources.files("cvai.domain").joinpath("normals.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len(normal_ranges("MR")) + len(normal_ranges("US"))
    for row in rows:
        assert row["modality"] == "US" or row["papillary"] == "cavity"
        assert row["evidence"] in {"A", "B"}
        assert re.fullmatch(r"10\.\d{4,9}/\S+", row["doi"])
        assert row["source"]
        assert row["table"]


def test_the_source_says_for_whom_it_holds() -> None:
    source = normal_of("lv_edv", Subject("F", 75)).normal_source
    assert source is not None
    assert source.population == "95 % prediction interval, women of White ethnicity, 70 years and older"
    assert "second-hand" in source.caveat


@pytest.mark.parametrize(
    ("value", "normality"),
    [
        (46.4, Normality.LOW),
        (46.6, Normality.NORMAL),
        (47.0, Normality.NORMAL),
        (72.4, Normality.NORMAL),
        (72.6, Normality.HIGH),
    ],
)
def test_a_value_is_judged_as_it_reads_on_the_page(value: float, normality: Normality) -> None:
    assert normal_of("lv_ef", Subject("M", 55), value).normality is normality


def test_a_range_that_is_upside_down_does_not_exist() -> None:
    source = RangeSource("A", "10.1/x", "1", "men")
    with pytest.raises(ValueError, match="upside down"):
        NormalRange("lv_ef", "%", "M", 18, 29, (70.0, 50.0), source)
    with pytest.raises(ValueError, match="upside down"):
        NormalRange("lv_ef", "%", "M", 29, 18, (50.0, 70.0), source)
    with pytest.raises(ValueError, match="upside down"):
        Measurement("lv_ef", 60.0, "%", normal=(70.0, 50.0))


def test_a_source_without_a_range_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no normal range"):
        Measurement("lv_ef", 60.0, "%", normal_source=RangeSource("A", "10.1/x", "1", "men"))


def test_what_lies_beyond_the_range_of_all_adults_lies_beyond_everybodys() -> None:
    for known in normal_ranges("MR"):
        measurement = Measurement(known.measurement, 1.0, known.unit)
        low, high = range_of_all_adults(measurement, "MR") or (0.0, 0.0)
        assert low <= known.limits[0]
        assert known.limits[1] <= high
    assert range_of_all_adults(Measurement("lv_ef", 40.0, "%"), "CT") is None
    assert range_of_all_adults(Measurement("lv_ef", 0.4, "1"), "MR") is None
