"""What evaluations of all tasks share: intervals, warnings, subgroups, comparison, several data sets."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from rich.console import Console

from cvai.training.datasets.data import age_band
from cvai.training.evaluation.cases import Case, Quantity, case_from, pairs_of
from cvai.training.evaluation.coverage import coverage_of
from cvai.training.evaluation.gross import flags_of
from cvai.training.evaluation.page import page
from cvai.training.evaluation.paired import compared_with, paired_difference
from cvai.training.evaluation.report import Report
from cvai.training.evaluation.sections import with_sections
from cvai.training.evaluation.several import joined
from cvai.training.evaluation.subgroups import subgroups_of
from cvai.training.evaluation.terminal import print_report
from tests.conftest import ROOT
from tests.training.known import IDENTITY

QUANTITIES = {"ef": Quantity("EF (points)", gross=12.0, is_main=True), "edv": Quantity("EDV (mL)")}


def case(patient: str, error: float, half: float = 5.0, **more: object) -> Case:
    made = Case(patient, {"cavity": 0.9}, {"ef": 50.0 + error}, {"ef": 50.0}, {"ef": half}, findings=())
    return replace(made, **more)


def report_of(cases: Sequence[Case]) -> Report:
    return Report(
        model=IDENTITY,
        split="split.toml",
        n_patients=len(cases),
        record={"schema": "s"},
        metrics={},
        refused=(),
        facts=(),
        grids=(),
        definitions=(),
        calibration=lambda: pytest.fail("not asked for"),
        cases=tuple(cases),
        quantities=QUANTITIES,
    )


def ten(scale: float = 1.0) -> list[Case]:
    """Errors that grow with the width of the interval; one reference lies outside."""
    return [
        case(f"p{k}", scale * (k + 1.0), half=k + (1.5 if k != 4 else 0.5), stated={"sex": "FM"[k % 2]})
        for k in range(10)
    ]


def test_an_interval_holds_where_the_reference_lies_in_it() -> None:
    found = coverage_of(ten(), ("ef", "edv"))
    assert found.held == {"ef": 0.9}
    assert [(fifth.n, fifth.held) for fifth in found.by_difficulty["ef"]] == [
        (2, 1.0), (2, 1.0), (2, 0.5), (2, 1.0), (2, 1.0)
    ]  # fmt: skip


def test_withholding_the_widest_intervals_leaves_the_errors_of_the_others() -> None:
    risks = coverage_of(ten(), ("ef",)).risk["ef"]
    assert [(risk.share, risk.mae, risk.largest) for risk in (risks[0], risks[-1])] == [
        (1.0, 5.5, 10.0), (0.5, 3.0, 5.0)
    ]  # fmt: skip


def test_intervals_of_one_width_say_nothing_of_difficulty() -> None:
    found = coverage_of([case("a", 1.0), case("b", 9.0)], ("ef",))
    assert found.held == {"ef": 0.5}
    assert found.by_difficulty == found.risk == {}


def test_gross_errors_without_a_finding_are_named() -> None:
    cases = [
        case("a", 13.0, findings=("ragged_contour",)),
        case("b", -12.5),
        case("c", 12.0, findings=("second_heart",)),
        case("d", 0.0),
        case("e", 0.0, measured={}, findings=("heart_not_found",)),
    ]
    found = flags_of(cases, QUANTITIES)
    assert found is not None
    told = found.record()
    assert (told["gross"], told["gross_flagged"], told["missed"]) == (2, 1, ["b"])
    assert (told["sound"], told["false_alarms"]) == (2, 1)
    assert told["patients"][0] == {
        "patient": "a", "ef_error": 13.0, "findings": ("ragged_contour",), "flagged": True
    }  # fmt: skip
    warnings = next(g for g in with_sections(report_of(cases)).grids if g.title == "Warnings")
    assert [row[:3] for row in warnings.rows] == [
        ("a", "+13.0", "yes"), ("b", "-12.5", "NO"), ("c", "+12.0", "yes"), ("e", "–", "yes")
    ]  # fmt: skip
    assert "2 patients, 1 of them flagged. Of the other 2, 1 carry" in warnings.note


def test_where_nobody_looked_for_findings_nobody_is_called_unflagged() -> None:
    silent = [case("a", 13.0, findings=None)]
    assert flags_of(silent, QUANTITIES) is None
    assert with_sections(report_of(silent)).record["flags"] is None


def test_subgroups_are_those_that_the_data_state() -> None:
    cases = [*ten(), case("x", -13.0)]
    found = subgroups_of(cases, QUANTITIES)
    assert list(found) == ["sex"]
    assert {value: group.patients for value, group in found["sex"].items()} == {"F": 5, "M": 5}
    women = found["sex"]["F"].record()
    assert women["agreement"]["ef"]["bias"]["value"] == pytest.approx(5.0)
    assert women["coverage"]["ef"] == pytest.approx(0.8)
    assert (women["dice"], women["gross"], women["missed"]) == ({"cavity": pytest.approx(0.9)}, 0, [])


def test_models_are_compared_patient_by_patient() -> None:
    this, other = ten(), [*ten(2.0), case("elsewhere", 40.0)]
    found = compared_with(this, other, IDENTITY, ("ef", "edv"))
    assert found.patients == 10
    ef = found.absolute_error["ef"]
    assert (ef.n, ef.this, ef.other) == (10, 5.5, 11.0)
    assert ef.difference.value == pytest.approx(-5.5)
    low, high = ef.difference.interval or (0.0, 0.0)
    assert low < -5.5 < high < 0
    assert ef.p == pytest.approx(2 / 2**10), "all ten errors are smaller: the least p of ten patients"
    assert found.dice["cavity"].p is None, "no patient differs"


def test_a_patient_without_a_number_in_one_of_the_models_is_not_compared() -> None:
    other = [replace(each, measured={}) if each.patient == "p0" else each for each in ten()]
    assert compared_with(ten(), other, IDENTITY, ("ef",)).absolute_error["ef"].n == 9


def test_few_patients_have_neither_interval_nor_test() -> None:
    found = paired_difference(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0]))
    assert (found.difference.value, found.difference.interval, found.p) == (-1.0, None, None)


def test_the_test_does_not_depend_on_which_model_is_called_other() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random(20), rng.random(20)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.p == back.p
    assert there.difference.value == pytest.approx(-(back.difference.value or 0.0))


def test_data_sets_have_a_line_each_and_their_patients_keep_apart() -> None:
    home = [*ten(), case("p99", 14.0)]
    whole = with_sections(joined({"home": report_of(home), "away": report_of(ten(3.0))}))
    lines = whole.record["subgroups"]["data set"]
    assert {name: line["patients"] for name, line in lines.items()} == {"home": 11, "away": 10}
    assert lines["home"]["missed"] == ["home/p99"]
    assert whole.n_patients == 21
    assert len({each["patient"] for each in whole.record["cases"]}) == 21
    assert whole.grids[0].title != "By data set", "warnings come first"
    (grid,) = (g for g in whole.grids if g.title == "By data set")
    assert [row[:2] for row in grid.rows] == [("away", "10"), ("home", "11")]
    with pytest.raises(ValueError, match="one data set"):
        whole.calibration()


def test_a_report_without_patients_stays_as_it_is() -> None:
    empty = report_of(())
    assert with_sections(empty) is empty


def test_a_report_with_sections_is_json_without_nan_and_fits_the_terminal() -> None:
    whole = with_sections(report_of(ten()), report_of(ten(2.0)))
    told = json.loads(whole.record_json)
    assert [case_from(each) for each in told["cases"]] == list(whole.cases)
    assert told["compared_with"]["model"]["name"] == IDENTITY.name
    console = Console(width=100, record=True, file=io.StringIO())
    print_report(console, whole)
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    html = page(whole, {})
    assert all(f"<h2>{grid.title}</h2>" in html for grid in whole.grids)


def test_the_risk_curve_is_drawn_where_intervals_differ() -> None:
    (figure,) = with_sections(report_of(ten())).pictures().values()
    (axis,) = figure.axes
    by_width = axis.lines[0]
    assert by_width.get_ydata()[-1] == pytest.approx(5.5)
    assert by_width.get_xdata()[-1] == 0.0
    assert with_sections(report_of([case("a", 1.0), case("b", 2.0)])).pictures() == {}


def test_every_key_of_the_sections_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "evaluation.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([\w.]+)`", text))
    told = json.loads(with_sections(report_of(ten()), report_of(ten(2.0))).record_json)
    stated = {"ef", "edv", "cavity", "sex", "F", "M", "ef_error"}
    assert keys_of(told) - documented - stated == set()


def keys_of(tree: object) -> set[str]:
    """Every key at any depth."""
    if isinstance(tree, dict):
        return set(tree) | {key for value in tree.values() for key in keys_of(value)}
    return {key for item in tree for key in keys_of(item)} if isinstance(tree, list) else set()


def test_pairs_are_those_that_have_both_numbers() -> None:
    assert pairs_of([case("a", 0.0, measured={})], "ef") is None
    found = pairs_of([case("b", 1.0), case("a", 2.0)], "ef")
    assert found is not None
    assert (found.patients, found.difference.tolist()) == (("a", "b"), [2.0, 1.0])


@pytest.mark.parametrize(
    ("years", "band"), [(0, "under 45"), (45, "45 to 64"), (64, "45 to 64"), (90, "65 and over")]
)
def test_ages_fall_into_bands(years: float, band: str) -> None:
    assert age_band(years) == band
