from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sr._snomed_dict import mapping

from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import select_loops
from cvai.dicom.read.ultrasound.views import _CONCEPTS, stated_view
from cvai.dicom.read.values import CineNotFound
from cvai.domain.echo.views import EchoView
from tests.dicom.read.test_stages import code
from tests.dicom.read.ultrasound_files import beating_frames, write_loop

FOUR, TWO, OTHER = EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER, EchoView.OTHER


def view(**stated: Any) -> EchoView | None:
    header = Dataset()
    with tolerating_values():  # names are longer than SH allows in real headers too
        for keyword, value in stated.items():
            setattr(header, keyword, value)
    found = stated_view(header)
    return None if found is None else found.view


@pytest.mark.parametrize(
    ("scheme", "value", "expected"),
    [
        ("SCT", "399214001", FOUR),
        ("SRT", "G-A19C", FOUR),
        ("SNM3", "G-A19C", FOUR),
        ("SCT", "399232001", TWO),
        ("99SDM", "G-A19B", TWO),
        ("SCT", "399139001", OTHER),
        ("SRT", "G-039B", OTHER),
        ("DCM", "130681", OTHER),
        ("DCM", "131100", OTHER),
        ("SCT", "1", None),
        ("99LOCAL", "399214001", None),
    ],
)
def test_codes_of_views_are_known(scheme: str, value: str, expected: EchoView | None) -> None:
    assert view(ViewCodeSequence=[code(scheme, value)]) is expected


def test_retired_codes_are_those_of_the_same_concepts() -> None:
    assert {rt: ct for ct, rt, _ in _CONCEPTS} == {rt: mapping["SRT"][rt] for _, rt, _ in _CONCEPTS}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A4C", FOUR), ("AP4", FOUR), ("4CH", FOUR), ("Apical 4-chamber", FOUR),
        ("Apical Four Chamber", FOUR),
        ("4-Kammerblick", FOUR), ("A2C", TWO), ("AP2CH", TWO), ("Apical two chamber", TWO), ("LV 2ch", TWO),
        ("PLAX", OTHER), ("Para-sternal long axis", OTHER), ("PSAX PM", OTHER), ("SAX MV", OTHER),
        ("A3C", OTHER), ("APLAX", OTHER), ("Apical long axis", OTHER), ("A5C", OTHER), ("SSN", OTHER),
        ("Subcostal 4 chamber", OTHER), ("SC4CH", OTHER), ("TEE 4C", OTHER), ("RV focused A4C", OTHER),
        ("", None), ("View 4", None), ("VIEW 4 CINE", None), ("A4C/A2C", None), ("AP45", None), ("2", None),
    ],
)  # fmt: skip
def test_names_of_views_are_read_however_they_are_written(name: str, expected: EchoView | None) -> None:
    assert view(ViewName=name) is expected
    assert view(ViewCodeSequence=[code("99LOCAL", "1", name)]) is expected


def test_a_code_and_a_name_of_two_views_say_nothing() -> None:
    assert view(ViewName="PLAX", ViewCodeSequence=[code("SCT", "399214001")]) is None
    assert view(ViewName="A4C", ViewCodeSequence=[code("SCT", "399214001")]) is FOUR


def test_a_loop_stated_to_show_another_view_is_passed_over(tmp_path: Path) -> None:
    views = ("PLAX", "A4C", "", "SAX")
    for number, name in enumerate(views, start=1):
        write_loop(tmp_path / f"{number}.dcm", beating_frames(8, 40, 60), number, ViewName=name)
    (study,) = read_studies(tmp_path).studies
    selection = select_loops(study)
    assert [images[0].instance_number for images in selection.loops] == [2, 3]
    assert {p.reason for p in selection.excluded} == {
        "stated to show another view: parasternal",
        "stated to show another view: short axis",
    }


def test_a_study_of_other_views_alone_holds_no_apical_view(tmp_path: Path) -> None:
    write_loop(tmp_path / "1.dcm", beating_frames(8, 40, 60), ViewName="PLAX")
    (study,) = read_studies(tmp_path).studies
    with pytest.raises(CineNotFound) as refused:
        select_loops(study)
    assert refused.value.code == "no_apical_view"
    assert "parasternal" in refused.value.message
