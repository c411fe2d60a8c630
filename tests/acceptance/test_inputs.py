"""Bounds and tables that a site writes, and what is wrong with some."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cvai.acceptance.bounds import load_bounds
from cvai.acceptance.table import read_table
from cvai.errors import ConfigurationInvalid
from tests.conftest import ROOT


def test_the_example_of_bounds_is_valid() -> None:
    path = ROOT / "configs" / "acceptance.example.toml"
    bounds, sha256 = load_bounds(path)
    assert bounds.analyses["cine_sax"].numbers["lv_ef"].coverage == 0.8
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "analyses"),
        ("[analyses.cine_sax", "not valid"),
        ("[analyses.cine_long.numbers.lv_ef]\nbias = 3", "no analyses cine_long"),
        ("[analyses.cine_sax.numbers.lvef]\nbias = 3", "no measurements lvef"),
        ("[analyses.cine_sax.numbers.lv_ef]\nbias = -3", "greater than 0"),
        ("[analyses.cine_sax.numbers.lv_ef]\ncoverage = 90", "less than or equal to 1"),
        ("[analyses.cine_sax.numbers.lv_ef]\nbiass = 3", "biass"),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bounds.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationInvalid, match=said) as refused:
        load_bounds(path)
    assert refused.value.code == "bounds_invalid"


def test_bounds_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot be read"):
        load_bounds(tmp_path / "bounds.toml")


@pytest.mark.parametrize(
    "text",
    [
        "study_uid,lv_ef,lv_edv\n1.2.3,55.5,\n1.2.4,,120\n",
        "\ufeffstudy_uid;lv_ef;lv_edv\n1.2.3;55,5;\n1.2.4;;120\n",
        "study_uid\tlv_ef\tlv_edv\n 1.2.3 \t55,5\t\n1.2.4\t \t120\n",
    ],
    ids=["commas", "semicolons and decimal commas", "tabs"],
)
def test_a_table_is_read_as_spreadsheets_write_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_text(text, encoding="utf-8")
    table = read_table(path)
    assert table.keyword == "StudyInstanceUID"
    assert table.values == {"1.2.3": {"lv_ef": 55.5}, "1.2.4": {"lv_edv": 120.0}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column is called"),
        ("patient,lv_ef\n1,55\n", "no column is called"),
        ("study_uid,lvef\n1.2.3,55\n", "no measurements 'lvef'"),
        ('study_uid,lv_edv\n1.2.3,"1,234"\n', "line 2: lv_edv is no number"),
        ("accession_number,lv_ef\nA1,55 %\n", "line 2: lv_ef is no number"),
        ("accession_number,lv_ef\nA1,nan\n", "line 2: lv_ef is no number"),
        ("accession_number,lv_ef\nA1,55\nA1,56\n", "line 3"),
        ("accession_number,lv_ef\nA1,55,5\n", "line 2"),
        ("accession_number,lv_ef\n,55\n", "line 2"),
    ],
)
def test_a_table_that_may_be_read_wrongly_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationInvalid, match=said) as refused:
        read_table(path)
    assert refused.value.code == "reference_table_invalid"
