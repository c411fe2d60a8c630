from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.dicom.read.header.text import lines, one_line


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Müller^Änne=山田", "Müller^Änne=山田"),
        ("Doe\x00^Jane\x1b", "Doe^Jane"),
        ("Doe\x7f\x85^Jane", "Doe ^Jane"),
        ("Doe\n^Jane\t2", "Doe ^Jane 2"),
        ("\u202eenaJ^eoD", "enaJ^eoD"),
        ("پژوهش\u200cگر", "پژوهش\u200cگر"),
        ("", ""),
    ],
)
def test_one_line_keeps_letters_and_nothing_that_acts(text: str, kept: str) -> None:
    assert one_line(text) == kept


def test_line_ends_of_a_long_text_stay() -> None:
    assert lines("No heart\nseen\r\nhere\x0b\x00") == "No heart\r\nseen\r\nhere"


@pytest.mark.slow
@given(st.text())
def test_no_control_is_left_and_a_second_time_changes_nothing(text: str) -> None:
    for clean in (one_line, lines):
        once = clean(text)
        assert clean(once) == once
        assert {unicodedata.category(c) for c in once.replace("\r\n", "")}.isdisjoint({"Cc", "Cs"})
