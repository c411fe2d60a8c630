from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import LoopSelection, select_loops
from cvai.dicom.read.ultrasound.stages import stage_of
from cvai.dicom.read.values import CineNotFound
from tests.dicom.read.ultrasound_files import STUDY, beating_frames, write_loop

Loops = list[dict[str, Any]]


def code(scheme: str, value: str, meaning: str = "") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def selected(folder: Path, loops: Loops) -> LoopSelection:
    for number, changes in enumerate(loops, start=1):
        write_loop(folder / f"{number}.dcm", beating_frames(8, 40, 60), number, **changes)
    (study,) = read_studies(folder).studies
    return select_loops(study)


def numbers(selection: LoopSelection) -> list[int | None]:
    return [images[0].instance_number for images in selection.loops]


def stage(**stated: Any) -> bool | None:
    header = Dataset()
    for keyword, value in stated.items():
        setattr(header, keyword, value)
    found = stage_of(header)
    assert found is not None
    return found.is_rest


REST, PEAK = {"StageName": "REST", "HeartRate": 62}, {"StageName": "PEAK", "HeartRate": 134}


@pytest.mark.parametrize(
    "loops",
    [
        pytest.param([PEAK, REST, PEAK, REST], id="by name"),
        pytest.param(
            [
                {"StageCodeSequence": [code("SRT", "F-05028")]},
                {"StageCodeSequence": [code("SCT", "128975004")]},
                {"StageCodeSequence": [code("DCM", "109091")]},
                {"StageCodeSequence": [code("SNM3", "F-01604")]},
            ],
            id="by code",
        ),
        pytest.param(
            [
                {"StageNumber": number, "NumberOfStages": 4, "StageName": name}
                for number, name in ((2, "A"), (1, "B"), (4, "C"), (1, "B"))
            ],
            id="as the first stage",
        ),
        pytest.param(
            [{**PEAK, "StageNumber": 1}, {**REST, "StageNumber": 2}, PEAK, {**REST, "StageNumber": 2}],
            id="by name against the number",
        ),
        pytest.param(
            [PEAK, {"HeartRate": 62}, {"StageName": "RECOVERY"}, {"HeartRate": 62}],
            id="outside of the protocol",
        ),
        pytest.param(
            [
                {"StageName": "X", "HeartRate": 134},
                {"StageName": "Y", "HeartRate": 62},
                {"StageName": "Z", "HeartRate": 98},
                {"StageName": "Y", "HeartRate": 64},
            ],
            id="by the heart rate",
        ),
    ],
)
def test_of_several_stages_the_resting_one_is_measured(tmp_path: Path, loops: Loops) -> None:
    selection = selected(tmp_path, loops)
    assert numbers(selection) == [2, 4]
    assert [finding.code for finding in selection.findings] == ["several_stages"]
    assert len(selection.excluded) == 2


def test_the_finding_names_the_stages(tmp_path: Path) -> None:
    selection = selected(
        tmp_path, [{**REST, "StageNumber": 1, "NumberOfStages": 2}, {**PEAK, "StageNumber": 2}]
    )
    (finding,) = selection.findings
    assert 'stage "REST" number 1 at 62/min' in finding.message
    assert 'stage "PEAK" number 2 at 134/min' in finding.message
    assert 'stage "PEAK" number 2' in selection.excluded[0].reason


def test_stages_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    loops: Loops = [{"StageName": name, "HeartRate": None} for name in ("X", "Y")]
    with pytest.raises(CineNotFound) as refused:
        selected(tmp_path, loops)
    assert refused.value.code == "rest_stage_unknown"
    assert len(refused.value.excluded) == 2


def test_rates_that_are_alike_do_not_say_which_stage_is_at_rest(tmp_path: Path) -> None:
    loops: Loops = [{"StageName": "X", "HeartRate": 70}, {"StageName": "Y", "HeartRate": 76}]
    with pytest.raises(CineNotFound):
        selected(tmp_path, loops)


def test_a_resting_stage_with_the_faster_heart_is_doubted(tmp_path: Path) -> None:
    selection = selected(tmp_path, [{**REST, "HeartRate": 134}, {**PEAK, "HeartRate": 62}])
    assert [finding.code for finding in selection.findings] == ["several_stages", "rest_faster_than_stress"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({}, [], id="no stage"),
        pytest.param({"StageName": "", "StageNumber": 1, "NumberOfStages": 1}, [], id="one stage, as Acuson"),
        pytest.param(REST, [], id="at rest"),
        pytest.param({"StageNumber": 1, "NumberOfStages": 4}, [], id="the first"),
        pytest.param(PEAK, ["not_at_rest"], id="at peak stress"),
        pytest.param({"StageNumber": 3, "NumberOfStages": 4}, ["not_at_rest"], id="the third"),
        pytest.param({**PEAK, "StageNumber": 1}, ["not_at_rest"], id="at peak, numbered as the first"),
        pytest.param(
            {"EventTimerNames": "Time since exercise halted", "EventElapsedTimes": ["25000"]},
            ["not_at_rest"],
            id="after exercise by its timer",
        ),
    ],
)
def test_loops_of_one_stage_are_measured_and_said_not_to_be_at_rest(
    tmp_path: Path, changes: dict[str, Any], found: list[str]
) -> None:
    selection = selected(tmp_path, [changes, changes])
    assert len(selection.loops) == 2
    assert [finding.code for finding in selection.findings] == found


def test_stages_in_series_of_their_own_are_told_apart_too(tmp_path: Path) -> None:
    loops: Loops = [REST, {**PEAK, "SeriesInstanceUID": f"{STUDY}.2"}]
    assert numbers(selected(tmp_path, loops)) == [1]


@pytest.mark.parametrize(
    ("name", "is_rest"),
    [
        ("REST", True), ("Resting", True), ("BASELINE", True), ("base", True), ("Pre-exercise", True),
        ("PRE STRESS", True), ("Ruhe", True), ("PREEXERCISE", True), ("Rest 1", True),
        ("PEAK", False), ("Post-exercise", False), ("POSTEXERCISE", False), ("Recovery", False),
        ("LOW DOSE", False), ("20 mcg", False), ("50 W", False), ("IMPOST", False), ("Exercise", False),
        ("PRE PEAK", None), ("Post rest", None), ("Stage A", None),
    ],
)  # fmt: skip
def test_names_of_stages_say_what_their_words_say(name: str, is_rest: bool | None) -> None:
    assert stage(StageName=name) is is_rest


def test_a_code_and_a_name_that_contradict_each_other_say_nothing() -> None:
    assert stage(StageName="PEAK", StageCodeSequence=[code("SCT", "128975004")]) is None


def test_what_an_operator_typed_is_cut_to_a_short_line() -> None:
    header = Dataset()
    with tolerating_values():
        header.StageName = 'PEAK"\r\n<b>; a very long name of a stage that goes on'
    found = stage_of(header)
    assert found is not None
    assert found.name == "PEAKb a very long name of a stag".upper()
