"""Names in any script on the report: every letter has its glyph, and what is printed can be read back."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import unicodedata
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.analyses.cine_sax.report import report_pdf
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.read.patient import Patient
from cvai.dicom.write.report.bidi import levels_of, visual_order
from cvai.dicom.write.report.fonts import CJK, LATIN_FONTS, SCRIPT_FONTS
from cvai.dicom.write.report.page import Page, text_width
from cvai.dicom.write.report.typeset import is_plain, laid_out, printable
from tests.dicom.write.synthetic import context_of, make_analysis

NAMES = {
    "latin": "Müller^Änne",
    "vietnamese": "Nguyễn^Thị Hồng",
    "decomposed vietnamese": unicodedata.normalize("NFD", "Nguyễn^Thị Hồng"),
    "greek": "Παπαδόπουλος^Γιώργος",
    "cyrillic": "Достоевский^Фёдор",
    "armenian": "Սարգսյան^Արամ",
    "georgian": "ბერიძე^ნინო",
    "simplified han": "张^伟丽",
    "traditional han": "張^偉麗",
    "rare han": "𠮷野^﨑髙",
    "kana": "やまだ^タロウ",
    "half-width kana": "ﾔﾏﾀﾞ^ﾀﾛｳ",
    "hangul": "김^철수",
    "arabic": "السلمان^محمد",
    "persian": "پژوهش^گلناز",
    "hebrew": "כהן^משה",
    "thai": "ที่น้ำปู่^สมชาย",
    "devanagari": "शर्मा^प्रिया",
    "bengali": "চট্টোপাধ্যায়^রবি",
    "tamil": "முருகன்^கோபி",
    "khmer": "ខ្មែរ^សុខា",
    "ethiopic": "አበበ^ቢቂላ",
    "three groups": "Yamada^Tarou=山田^太郎=やまだ^たろう",
}
MARKS_OF_DIRECTION = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c"))


def read_back(pdf: bytes, folder: Path) -> str:
    """What pdftotext reads, its marks of direction left out, letters in their own form."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (Debian package poppler-utils)")
    (folder / "read.pdf").write_bytes(pdf)
    command = ["pdftotext", "-layout", folder / "read.pdf", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return unicodedata.normalize("NFKC", text.translate(MARKS_OF_DIRECTION))


@pytest.mark.parametrize("script", NAMES)
def test_every_letter_of_a_name_has_a_glyph(script: str) -> None:
    runs = laid_out(printable(readable_name(NAMES[script])))
    missing = [glyph for run in runs for glyph in run.glyphs if glyph.number == 0]
    assert not missing
    assert "[U+" not in "".join(run.text for run in runs)


@pytest.mark.slow
@pytest.mark.parametrize("script", NAMES)
def test_a_name_can_be_read_back_from_the_report(script: str, tmp_path: Path) -> None:
    named = Patient("P-1", name=NAMES[script])
    pdf = report_pdf(context_of(replace(make_analysis((2, 3, 24, 40)), patient=named)))
    text = read_back(pdf, tmp_path)
    for group in NAMES[script].split("=")[:2]:
        for component in group.split("^"):
            assert unicodedata.normalize("NFKC", component) in text
    assert "\ufffd" not in text


@pytest.mark.parametrize("script", NAMES)
def test_no_glyph_of_the_document_is_the_one_for_missing_letters(script: str) -> None:
    page = Page("x")
    page.text(20, 20, readable_name(NAMES[script]))
    content = page.pdf()
    shown = [s for s in map(_unpacked, _packed(content)) if b" Tj" in s]
    assert shown
    for stream in shown:
        for codes in re.findall(rb"<([0-9a-f]+)> Tj", stream):
            assert 0 not in bytes.fromhex(codes.decode())
        assert b"\\000" not in stream


def _packed(pdf: bytes) -> list[bytes]:
    return [found.strip() for found in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)]


def _unpacked(stream: bytes) -> bytes:
    if stream.endswith(b"~>"):
        stream = base64.a85decode(stream.removesuffix(b"~>"))
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def test_what_reads_from_the_right_is_printed_from_the_right() -> None:
    runs = laid_out("כהן, משה")
    assert [run.text for run in runs] == ["משה", ", ", "כהן"]
    assert all(run.from_right for run in runs)
    assert "".join(glyph.text for glyph in runs[-1].glyphs) == "ןהכ"
    assert [run.text for run in laid_out("Verified by כהן, Clinic")] == ["Verified by ", "כהן", ", Clinic"]


def test_arabic_letters_are_joined() -> None:
    (alone,), (joined,) = laid_out("م"), laid_out("ممم")
    assert len({glyph.number for glyph in joined.glyphs} | {alone.glyphs[0].number}) == 4


def test_a_tone_of_thai_stands_above_a_vowel_that_is_there() -> None:
    tones = [laid_out(syllable)[0].glyphs[-1] for syllable in ("ท่", "ที่")]
    assert [tone.text for tone in tones] == ["่", "่"]
    assert tones[0].number != tones[1].number


def test_a_letter_that_no_font_has_is_printed_as_its_number(tmp_path: Path) -> None:
    page = Page("x")
    page.text(20, 20, "Doe \ue123\U0001f600")
    assert "Doe [U+E123][U+1F600]" in read_back(page.pdf(), tmp_path)


def test_what_turns_the_direction_or_prints_nothing_is_left_out() -> None:
    assert printable("Doe\u202e^\x00Jane\ufe0f\u2066") == "Doe^Jane"


def test_bold_text_of_another_script_is_printed_too(tmp_path: Path) -> None:
    page = Page("x")
    page.text(105, 20, "Bold 山田", bold=True, align="centre")
    page.text(195, 30, "右", align="right")
    text = read_back(page.pdf(), tmp_path)
    assert "Bold 山田" in text
    assert "右" in text


def test_the_width_of_a_line_is_that_of_its_letters() -> None:
    assert text_width("山田太郎", 10) == pytest.approx(4 * 10 / 72 * 25.4)
    assert text_width("山田 太郎", 10) == pytest.approx(text_width("山田太郎", 10) + text_width(" ", 10))


def test_the_same_name_gives_the_same_bytes_whatever_was_printed_before() -> None:
    def printed(name: str) -> bytes:
        page = Page("x")
        page.text(20, 20, name)
        return page.pdf()

    first = printed("محمد สมชาย")
    printed("شعبان عبد الرحيم ที่น้ำปู่")
    assert printed("محمد สมชาย") == first


def test_fonts_are_there_and_share_no_block() -> None:
    assert all(font.path.is_file() for font in (*LATIN_FONTS, *SCRIPT_FONTS, CJK))
    blocks = sorted(block for font in (*SCRIPT_FONTS, CJK) for block in font.blocks)
    assert all(first[1] < second[0] for first, second in pairwise(blocks))


@pytest.mark.parametrize("plain", ["", "Doe, Jane", "0.5 × 1.5 mm – µ", "Ærøskøbing", "Ελένη"])
def test_what_dejavu_has_goes_the_straight_way(plain: str) -> None:
    assert is_plain(plain)


@given(st.text(alphabet="ab 12,.-/אבגمحمد٣٤\u0301()", max_size=20))
def test_every_letter_stands_once_on_the_line(text: str) -> None:
    assert sorted(visual_order(levels_of(text))) == list(range(len(text)))


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("abc", [0, 0, 0]),
        ("אב", [1, 1]),
        ("a אב b", [0, 0, 1, 1, 0, 0]),
        ("אב, גד", [1] * 6),
        ("אב 12", [1, 1, 1, 2, 2]),
        ("אב 1.5", [1, 1, 1, 2, 2, 2]),
        ("م 12", [1, 1, 2, 2]),
        ("a, אב", [0, 0, 0, 1, 1]),
        ("אב ", [1, 1, 1]),
        ("12 אב", [2, 2, 1, 1, 1]),
        ("", []),
    ],
)
def test_levels_are_those_of_the_unicode_algorithm(text: str, levels: list[int]) -> None:
    assert levels_of(text) == levels
