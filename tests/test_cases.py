"""What ``make cases`` calls right: judgements on made-up outcomes, and which scripts it knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.case_list import OWN, cases
from benchmarks.case_seen import (
    Judge,
    Seen,
    both,
    either,
    gives_no_numbers,
    marked,
    measures,
    noted,
    of_series_of,
    refused,
    verdict,
)
from benchmarks.cases import chosen, scripts_folder
from tests.conftest import ROOT

HONEST = Seen(
    "analysed",
    numbers={"lv_ef": 52.0, "lv_edv": 130.0},
    series_uid="1.2.3",
    findings={"base_not_covered": ("warning", "The base is large.")},
)


def analysed(ef: float = 52.0, edv: float = 130.0, series_uid: str = "1.2.3", **findings: str) -> Seen:
    return Seen(
        "analysed",
        numbers={"lv_ef": ef, "lv_edv": edv},
        series_uid=series_uid,
        findings={code: (severity, f"It is {code}.") for code, severity in findings.items()},
    )


def is_right(judge: Judge, seen: Seen) -> bool:
    return verdict(judge, seen, lambda _: HONEST) == ""


def test_the_same_heart_within_two_points_and_three_percent_is_right() -> None:
    judge = measures("rest")
    assert is_right(judge, analysed(53.9, 133.0))
    assert not is_right(judge, analysed(49.5))
    assert not is_right(judge, analysed(edv=120.0))
    assert not is_right(judge, Seen("refused", code="no_cine"))
    assert not is_right(judge, Seen("analysed"))
    assert not is_right(both(judge, of_series_of("rest")), analysed(series_uid="1.2.4"))


def test_a_refusal_is_right_where_it_names_the_cause() -> None:
    named = Seen("refused", code="several_beats", text="Each slice holds four heartbeats.")
    assert is_right(refused("beat"), named)
    assert not is_right(refused("beat", but_not="heartbeats"), named)
    assert not is_right(refused("frame"), named)
    assert not is_right(refused(), Seen("refused", text="No code."))
    assert not is_right(refused(), analysed())


def test_a_mark_is_a_new_warning_about_more_than_times() -> None:
    assert is_right(marked("rest"), analysed(stack_incomplete="warning"))
    assert not is_right(marked("rest"), analysed(base_not_covered="warning"))
    assert not is_right(marked("rest"), analysed(heart_rate_estimated="warning", times_unknown="warning"))
    assert not is_right(marked("rest"), analysed(stack_incomplete="info"))
    assert is_right(noted("rest"), analysed(stack_incomplete="info"))
    assert is_right(noted("rest", about="incomplete"), analysed(stack_incomplete="info"))
    assert not is_right(noted("rest", about="stage"), analysed(stack_incomplete="info"))


def test_numbers_that_no_heart_has_and_failures_are_wrong_whatever_is_judged() -> None:
    anything = either(measures("rest"), gives_no_numbers, marked("rest"))
    assert not is_right(anything, analysed(ef=-61.0, odd="warning"))
    assert not is_right(anything, analysed(ef=104.0, odd="warning"))
    assert not is_right(either(refused(), gives_no_numbers), Seen("failed", text="MemoryError"))
    assert is_right(gives_no_numbers, Seen("analysed", numbers={"heart_rate": 60.0}))


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names)
    assert "slices_out_of_step 4 unseen" in names


def test_a_script_that_is_not_known_is_not_judged(tmp_path: Path) -> None:
    for name in ("brand_new", "nifti_variants"):
        (tmp_path / f"{name}.py").touch()
    wanted, unknown = chosen([], tmp_path)
    assert unknown == ["brand_new"]
    assert {case.script for case in wanted} == {"nifti_variants", *OWN}
    assert [case.name for case in chosen(["nifti_variants nan"], tmp_path)[0]] == ["nifti_variants nan"]
    several, _ = chosen(["nifti_variants nan", "slices-first"], tmp_path)
    assert [case.name for case in several] == ["nifti_variants nan", "nifti_variants slices-first"]


def test_every_script_that_is_here_is_known() -> None:
    if not scripts_folder().is_dir():
        pytest.skip("no cases: CVAI_CASES names no folder")
    here = {path.stem for path in scripts_folder().glob("*.py")}
    assert {case.script for case in cases()} - OWN <= here


@pytest.mark.slow
def test_without_a_folder_of_cases_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVAI_CASES", str(tmp_path / "absent"))
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.cases"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert "CVAI_CASES names no folder" in ended.stderr
